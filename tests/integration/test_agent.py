"""The agent as it runs: three real processes on the fake driver, orders and leases as files, readings over HTTP."""

import json
import os
import resource
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.integration.agent_box import PRODUCT, UUIDS, Box, children, ended, gone, opened
from tests.waiting import block_until

from wattline.api.powernode import NodeState
from wattline.fake.nvml import Call, Faults, GpuBank, RootOnly, limits
from wattline.model.bounds import bound_watts
from wattline.world.gpu import PRODUCTS, Gpu


@pytest.fixture
def box(tmp_path, nvml_library) -> Iterator[Box]:
    bank = GpuBank.create(tmp_path / "n1.gpus", [Gpu(PRODUCTS["h100"], uuid) for uuid in UUIDS])
    with opened(tmp_path / "state", bank, nvml_library) as box:
        yield box


@pytest.fixture
def holding(box) -> tuple[Box, subprocess.Popen[bytes]]:
    """An agent that holds the node at 1000 W and puts everything back when it ends."""
    box.order(1000.0)
    agent = box.start("--on-stop", "restore")
    block_until(box.held)
    return box, agent


def test_an_agent_holds_an_order_serves_readings_and_puts_everything_back(holding):
    box, agent = holding
    parts = children(agent.pid)
    view = json.loads(box.get("/v1/gpus"))
    metrics = box.get("/metrics")

    assert sorted(parts) == ["device_process", "network_process"]
    assert "libcrypto" not in Path(f"/proc/{parts['device_process']}/maps").read_text()
    assert [gpu["uuid"] for gpu in view["gpus"]] == list(UUIDS)
    assert 'wattline_agent_state{node="n1",state="Enforcing"} 1.0' in metrics
    assert (
        'wattline_agent_gpu_clock_hertz{gpu_uuid="GPU-0",kind="requested_max",node="n1"} 1.5e+09' in metrics
    )
    assert json.loads(box.get("/healthz"))["state"] == "Enforcing"

    agent.send_signal(signal.SIGTERM)
    code, said = ended(agent)
    assert (code, said.count("\n"), "n1 serves its readings at http://127.0.0.1:" in said) == (0, 1, True)
    assert box.untouched()
    assert all(gone(pid) for pid in parts.values())
    status = box.status()
    assert status is not None
    assert {gpu.previous_watts for gpu in status.gpus} == {None}


def test_ctrl_c_in_a_terminal_reaches_all_three_and_still_puts_everything_back(box):
    box.order(1000.0)
    agent = box.start("--on-stop", "restore", start_new_session=True)
    block_until(box.held)
    os.killpg(agent.pid, signal.SIGINT)

    assert ended(agent)[0] == 0
    assert box.untouched()


def test_a_gpu_that_cannot_be_put_back_is_named_and_the_exit_code_says_so(holding):
    box, agent = holding
    Faults(box.bank.mapping).lose(0)
    block_until(lambda: box.status().gpus[0].reason.startswith("GpuLost"))
    agent.send_signal(signal.SIGTERM)

    code, said = ended(agent)
    assert code == 1
    assert f"GPU {UUIDS[0]} was not put back" in said
    assert box.limits()[1] == 700.0


def test_a_node_that_nobody_orders_is_told_of_and_not_touched(box):
    box.start()
    block_until(lambda: box.status() is not None and box.status().gpus)

    status = box.status()
    assert [(gpu.uuid, gpu.max_watts) for gpu in status.gpus] == [(uuid, 700.0) for uuid in UUIDS]
    assert status.address.startswith("http://127.0.0.1:")
    assert box.bank.mapping.journal()[len(UUIDS) :] == []


def test_an_agent_that_keeps_is_adopted_by_the_next(box):
    box.order(1000.0)
    first = box.start("--on-stop", "keep")
    block_until(box.held)
    first.send_signal(signal.SIGTERM)
    assert ended(first)[0] == 0
    assert not box.untouched()

    written = len([record for record in box.bank.mapping.journal() if record.call is Call.SET_POWER_LIMIT])
    second = box.start("--on-stop", "restore")
    block_until(
        lambda: box.status().observed_generation == 1 and len(children(second.pid)) == 2 and box.held()
    )
    second.send_signal(signal.SIGTERM)

    assert ended(second)[0] == 0
    assert box.untouched()
    limits_set = [record for record in box.bank.mapping.journal() if record.call is Call.SET_POWER_LIMIT]
    assert len(limits_set) == written + len(UUIDS), "the second only put back"


def test_the_network_process_may_die(holding):
    box, agent = holding
    before = children(agent.pid)
    os.kill(before["network_process"], signal.SIGKILL)
    block_until(lambda: gone(before["network_process"]) and len(children(agent.pid)) == 2)
    box.order(800.0, generation=2)
    block_until(lambda: box.status().observed_generation == 2)

    assert children(agent.pid)["device_process"] == before["device_process"]
    assert box.held(800.0)
    assert json.loads(box.get("/v1/gpus"))["node"] == "n1"


def test_a_device_process_that_dies_is_started_again_and_knows_what_was_there(holding):
    box, agent = holding
    before = children(agent.pid)
    os.kill(before["device_process"], signal.SIGKILL)
    block_until(
        lambda: (
            children(agent.pid).get("device_process", before["device_process"]) != before["device_process"]
        )
    )
    box.order(800.0, generation=2)
    block_until(lambda: box.held(800.0))
    agent.send_signal(signal.SIGTERM)

    assert ended(agent)[0] == 0
    assert box.untouched()


def test_without_its_supervisor_an_agent_ends_in_good_order(holding):
    box, agent = holding
    parts = children(agent.pid)
    os.kill(agent.pid, signal.SIGKILL)
    block_until(lambda: all(gone(pid) for pid in parts.values()))

    assert box.untouched()


def test_a_lease_that_ends_lowers_the_node_to_its_failsafe(holding):
    box, _ = holding
    box.renewing = False
    block_until(lambda: box.status().state is NodeState.FAILSAFE)

    assert sum(bound_watts(PRODUCT, watts, 700.0) for watts in box.limits()) <= 500.0


def test_budgets_that_move_are_kept_on_the_devices_own_journal(holding):
    box, _ = holding
    for generation, budget in enumerate((700.0, 1300.0, 600.0, 1100.0), start=2):
        box.order(budget, generation=generation)
        block_until(lambda generation=generation: box.status().observed_generation == generation)
        box.bank.mapping.settings(0)

    highest = 1428.0
    for _, watts in limits(box.bank.mapping.journal()):
        total = sum(bound_watts(PRODUCT, watts.get(index, 700.0), 700.0) for index in range(len(UUIDS)))
        assert total <= highest + 1e-6
        highest = max(total, 1300.0)  # once below, never above the highest budget that was sent


@pytest.mark.parametrize(
    ("node", "words"),
    [
        pytest.param("n1", "already holds node n1", id="for the same node"),
        pytest.param("n2", "already holds GPU GPU-0", id="under another name, on the same GPU"),
    ],
)
def test_a_second_agent_refuses(holding, node, words):
    box, first = holding
    code, said = ended(box.start(node=node))

    assert code == 3
    assert words in said
    assert f"process {first.pid}" in said or node == "n2"
    assert "Traceback" not in said
    assert first.poll() is None
    assert box.held()


def test_a_port_in_use_is_said_and_nothing_changes(box):
    box.order(1000.0)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, said = ended(box.start("--listen", f"127.0.0.1:{port}"))

    assert code == 3
    assert f"cannot listen on 127.0.0.1:{port}" in said
    assert "Traceback" not in said
    assert box.untouched()


def test_a_gpu_that_vanishes_is_told_and_the_other_goes_on(holding):
    box, _ = holding
    Faults(box.bank.mapping).lose(0)
    block_until(lambda: box.status().gpus[0].reason.startswith("GpuLost"))

    assert box.status().state is NodeState.DEGRADED
    assert box.status().gpus[0].bound_watts == pytest.approx(714.0)
    block_until(lambda: [gpu["uuid"] for gpu in json.loads(box.get("/v1/gpus"))["gpus"]] == ["GPU-1"])
    block_until(lambda: bound_watts(PRODUCT, box.limits()[1], 700.0) <= 1000.0 - 714.0)

    Faults(box.bank.mapping).bring_back(0)
    block_until(lambda: box.status().state is NodeState.ENFORCING)


def test_a_hung_driver_call_is_told_and_nobody_is_killed(holding):
    box, agent = holding
    before = children(agent.pid)
    faults = Faults(box.bank.mapping)
    faults.set(Call.CLOCK, 0, hang_seconds=float("inf"))
    block_until(lambda: box.status().state is NodeState.DEGRADED)

    assert children(agent.pid) == before
    faults.clear()
    block_until(lambda: box.status().state is NodeState.ENFORCING)


def test_without_rights_everything_is_told_and_nothing_is_written(box):
    Faults(box.bank.mapping).setters_for(RootOnly.NOBODY)
    box.order(1000.0)
    box.start()
    block_until(
        lambda: box.status() is not None and any(gpu.outcome == "blocked" for gpu in box.status().gpus)
    )

    assert box.untouched()
    assert all("Permissions" in gpu.reason for gpu in box.status().gpus if gpu.outcome == "blocked")


def test_a_full_disk_leaves_the_gpus_untouched_and_says_why(box):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    box.order(1000.0)
    listen = f"127.0.0.1:{port}"
    agent = box.start(
        "--listen",
        listen,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY)),
    )

    def told() -> bool:
        try:
            with urllib.request.urlopen(f"http://{listen}/metrics", timeout=5) as answer:
                return 'outcome="error",reason="NoRecord"} 1.0' in answer.read().decode()
        except OSError:
            return False

    block_until(told)
    assert box.untouched()
    agent.send_signal(signal.SIGTERM)
    code, said = ended(agent)
    assert code == 0
    assert "n1.status.yaml: cannot be written" in said


def test_an_order_that_makes_no_sense_leaves_the_last_one_in_force(holding):
    box, agent = holding
    (box.state / "powernodes/n1.yaml").write_text("kind: PowerNode\nspec: [")
    time.sleep(0.3)

    assert box.held()
    agent.send_signal(signal.SIGTERM)
    assert "n1.yaml: not a PowerNode" in ended(agent)[1]


def test_without_a_driver_the_agent_waits(box):
    Faults(box.bank.mapping).unload_driver()
    box.start()
    block_until(lambda: box.status() is not None)
    assert box.status().state is NodeState.WAITING_FOR_DRIVER

    Faults(box.bank.mapping).load_driver()
    block_until(lambda: box.status().gpus)
