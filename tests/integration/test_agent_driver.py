"""The agent as it runs while its driver goes, comes, hangs or kills: it comes back to the order, and never in a storm."""

import json
import os
import signal
import time

import pytest
from tests.integration.agent_box import children, ended, gone
from tests.integration.test_agent import box, holding  # noqa: F401 - fixtures
from tests.waiting import block_until

from wattline.api.powernode import NodeState, Outcome
from wattline.fake.nvml import Call, Faults, RootOnly
from wattline.world.load import Load

LIB_RM_VERSION_MISMATCH = 18
"""nvml.h: the library in this process is not the driver's any more."""


def starts(agent, seconds: float) -> int:
    """Count how many device processes there are within some wall time."""
    end, pids = time.monotonic() + seconds, set()
    while time.monotonic() < end:
        pids.add(children(agent.pid).get("device_process"))
        time.sleep(0.01)
    return len(pids - {None})


@pytest.mark.parametrize("live", [True, False], ids=["its handles live on", "its handles are dead"])
def test_after_a_reload_of_the_driver_the_order_is_in_force_again(holding, live):  # noqa: F811
    here, _ = holding
    for gpu in here.bank.gpus:
        gpu.advance(gpu.now_seconds + 5, Load())
    here.bank.publish()
    block_until(lambda: all(gpu["energyJoules"] > 0 for gpu in json.loads(here.get("/v1/gpus"))["gpus"]))
    faults = Faults(here.bank.mapping)
    faults.reload_driver(handles_live=live)
    assert here.limits() == [700.0, 700.0]

    block_until(here.held)


def test_a_driver_that_was_exchanged_is_followed_by_a_new_process(holding):  # noqa: F811
    here, agent = holding
    before = children(agent.pid)["device_process"]
    faults = Faults(here.bank.mapping)
    faults.set(Call.INIT, code=LIB_RM_VERSION_MISMATCH, times=1)
    faults.reload_driver(handles_live=False)

    block_until(lambda: children(agent.pid).get("device_process", before) != before)
    block_until(here.held)


def test_a_library_that_stays_wrong_makes_no_storm(holding):  # noqa: F811
    here, agent = holding
    faults = Faults(here.bank.mapping)
    faults.set(Call.INIT, code=LIB_RM_VERSION_MISMATCH)
    faults.reload_driver(handles_live=False)
    block_until(lambda: "device_process" not in children(agent.pid))

    assert starts(agent, 2.5) <= 5
    block_until(lambda: here.status().reason.startswith("DriverChanged"))
    assert here.status().state is NodeState.WAITING_FOR_DRIVER
    bounds = [gpu.bound_watts for gpu in here.status().gpus]
    assert bounds == pytest.approx([714.0, 714.0]), "their settings are gone"
    faults.clear()
    block_until(here.held)


def test_a_call_that_kills_makes_no_storm_and_the_rest_serves_on(holding):  # noqa: F811
    here, agent = holding
    network = children(agent.pid)["network_process"]
    faults = Faults(here.bank.mapping)
    faults.set(Call.CLOCK, 0, dies=True)
    block_until(lambda: "device_process" not in children(agent.pid))

    assert starts(agent, 2.5) <= 5
    assert children(agent.pid)["network_process"] == network
    faults.clear()
    block_until(here.held)


def test_a_driver_that_hangs_at_the_start_is_told_with_the_limits_that_stand(box):  # noqa: F811
    box.order(1000.0)
    first = box.start("--on-stop", "keep")
    block_until(box.held)
    first.send_signal(signal.SIGTERM)
    ended(first)
    was = box.status()
    faults = Faults(box.bank.mapping)
    faults.set(Call.INIT, hang_seconds=float("inf"))
    agent = box.start("--on-stop", "restore")
    block_until(lambda: box.status().address != was.address)

    assert box.status().state is NodeState.DEGRADED
    assert box.status().reason.startswith("NoView")
    assert [gpu.enforced_watts for gpu in box.status().gpus] == [gpu.enforced_watts for gpu in was.gpus]
    assert starts(agent, 0.5) == 1
    health = json.loads(box.get("/healthz"))
    assert (health["state"], health["reason"]) == ("Degraded", box.status().reason), (
        "alive: no restart would cure it"
    )
    faults.clear()
    block_until(box.held)


def test_killed_while_it_puts_back_it_says_so_and_the_next_one_finishes(holding):  # noqa: F811
    here, agent = holding
    device = children(agent.pid)["device_process"]
    faults = Faults(here.bank.mapping)
    faults.set(Call.SET_POWER_LIMIT, 1, hang_seconds=float("inf"))
    agent.send_signal(signal.SIGTERM)
    block_until(lambda: here.limits()[0] == 700.0)
    os.kill(device, signal.SIGKILL)
    code, said = ended(agent)

    assert code == 1
    assert "ended with -9 before everything was put back" in said
    assert here.limits()[1] != 700.0
    faults.clear()
    (here.state / "powernodes/n1.yaml").unlink()
    second = here.start("--on-stop", "restore")
    block_until(here.untouched)
    second.send_signal(signal.SIGTERM)
    assert ended(second)[0] == 0


def test_a_record_that_makes_no_sense_is_left_as_it_is_and_nothing_is_written(box):  # noqa: F811
    path = box.state / "agents/n1/device.json"
    path.parent.mkdir(parents=True)
    path.write_bytes(b'{"schema": 1, "gpus": {"GPU-0": ')
    box.order(1000.0)
    agent = box.start("--on-stop", "restore")
    block_until(lambda: box.status() is not None and box.status().state is NodeState.DEGRADED)

    assert box.status().reason.startswith("StateFileUnreadable")
    time.sleep(0.3)
    agent.send_signal(signal.SIGTERM)
    ended(agent)
    assert box.untouched()
    assert path.read_bytes() == b'{"schema": 1, "gpus": {"GPU-0": '


def test_the_device_process_that_hangs_at_the_end_keeps_its_gpus_from_the_next_agent(box):  # noqa: F811
    box.order(1000.0)
    agent = box.start("--on-stop", "restore", "--set", "stop_stage_wall_seconds=0.3")
    block_until(box.held)
    device = children(agent.pid)["device_process"]
    faults = Faults(box.bank.mapping)
    faults.set(Call.CLOCK, 0, hang_seconds=float("inf"))
    block_until(lambda: box.status().state is NodeState.DEGRADED)
    agent.send_signal(signal.SIGTERM)

    assert agent.wait(20) == 1
    assert not gone(device), "nobody kills a process inside a driver call"
    code, said = ended(box.start())
    assert (code, "already holds node n1" in said) == (3, True)
    faults.clear()
    block_until(lambda: gone(device))
    assert f"process {device} hangs in a driver call and is left alone" in ended(agent)[1]


def test_an_agent_without_rights_observes_and_says_what_it_would_do(box):  # noqa: F811
    Faults(box.bank.mapping).setters_for(RootOnly.NOBODY)
    box.order(1000.0, enforce=False)
    agent = box.start("--on-stop", "restore")
    block_until(lambda: box.status() is not None and box.status().observed_generation == 1)

    assert box.status().state is NodeState.OBSERVING
    assert {gpu.outcome for gpu in box.status().gpus} == {Outcome.NONE}
    assert all(gpu.reason.startswith("Observing: would limit to") for gpu in box.status().gpus)
    assert len(json.loads(box.get("/v1/gpus"))["gpus"]) == 2
    agent.send_signal(signal.SIGTERM)
    assert ended(agent)[0] == 0
    assert box.untouched()
