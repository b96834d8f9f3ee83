"""The agent as it runs lets go of the driver when it is asked to, says so, and comes back."""

import json
import signal
import subprocess
import sys
import urllib.error

import pytest
from tests.integration.agent_box import UUIDS, Box, children, ended, spec
from tests.integration.test_agent import box, holding  # noqa: F401 - fixtures
from tests.waiting import block_until

from wattline.api.powernode import NodeState
from wattline.controller.facts import capped, may_draw_watts
from wattline.fake.nvml import Call, Faults
from wattline.model.cluster import NodeView
from wattline_agent.pauses import GPU_OPERATOR, Pauses

LABEL = "DriverUpgrade: nvidia.com/gpu.deploy.device-plugin is paused-for-driver-upgrade"


def command(here: Box, *words: str) -> subprocess.CompletedProcess[str]:
    call = [sys.executable, "-m", "wattline_agent.main", *words, "--node", "n1"]
    call += ["--runtime-dir", str(here.state / "run")]
    return subprocess.run(call, capture_output=True, text=True, check=False, timeout=60)


def seen_above(here: Box) -> NodeView:
    """The node as the operator sees it while its agent serves no readings."""
    return NodeView("n1", spec=spec(1000.0), generation=1, status=here.status())


def test_a_paused_agent_lets_go_says_released_and_holds_the_gpus_again_afterwards(holding):  # noqa: F811
    here, agent = holding
    device = children(agent.pid)["device_process"]
    done = command(here, "pause", "--reason", "new driver")

    assert (done.returncode, "has let go of the driver" in done.stdout) == (0, True)
    assert "device_process" not in children(agent.pid)
    block_until(lambda: here.status().state is NodeState.RELEASED)
    status = here.status()
    assert status.reason == "Paused: new driver"
    assert [(gpu.enforced_watts, gpu.bound_watts) for gpu in status.gpus] == [
        (None, pytest.approx(714.0))
    ] * 2
    assert may_draw_watts(seen_above(here)) == pytest.approx(1428.0), (
        "the operator counts the devices' maxima"
    )
    assert not capped(seen_above(here)), "and gives it no new work"
    assert here.limits() != [700.0, 700.0], "what was set stays until the driver goes"
    with pytest.raises(urllib.error.HTTPError, match="503"):
        here.get("/v1/gpus")
    assert json.loads(here.get("/healthz")) == {"state": "Released", "reason": "Paused: new driver"}

    faults = Faults(here.bank.mapping)
    faults.unload_driver()
    faults.load_driver()
    assert here.limits() == [700.0, 700.0]
    faults.unload_driver()
    assert command(here, "resume").returncode == 0
    block_until(lambda: here.status().state is NodeState.WAITING_FOR_DRIVER)
    assert may_draw_watts(seen_above(here)) == pytest.approx(1428.0), "until the new driver has been seen"
    faults.load_driver()
    block_until(here.held)
    assert children(agent.pid)["device_process"] != device
    agent.send_signal(signal.SIGTERM)
    assert ended(agent)[0] == 0
    assert here.untouched()


def test_an_agent_that_starts_in_a_pause_leaves_the_driver_alone_and_counts_at_the_maxima(box):  # noqa: F811
    box.order(1000.0)
    first = box.start("--on-stop", "keep")
    block_until(box.held)
    first.send_signal(signal.SIGTERM)
    ended(first)
    Pauses(box.state / "run", "n1").ask(GPU_OPERATOR, LABEL)
    calls = len(box.bank.mapping.journal())

    agent = box.start("--on-stop", "restore")
    block_until(lambda: box.status().state is NodeState.RELEASED)
    assert sorted(children(agent.pid)) == ["network_process"]
    assert len(box.bank.mapping.journal()) == calls
    assert box.status().reason == LABEL
    assert [gpu.enforced_watts for gpu in box.status().gpus] == [None, None]

    agent.send_signal(signal.SIGTERM)
    code, said = ended(agent)
    assert code == 1, "it was to put everything back and could not"
    assert f"nothing was put back, as the driver is left alone: {LABEL}" in said


def test_a_device_process_that_hangs_is_not_killed_for_a_pause(holding):  # noqa: F811
    here, agent = holding
    before = children(agent.pid)
    faults = Faults(here.bank.mapping)
    faults.set(Call.CLOCK, 0, hang_seconds=float("inf"))
    block_until(lambda: here.status().state is NodeState.DEGRADED)
    assert here.status().reason.startswith("NoView")
    done = command(here, "pause", "--wait", "0.5")

    assert done.returncode == 1
    assert children(agent.pid) == before
    assert here.status().state is NodeState.DEGRADED
    faults.clear()
    block_until(lambda: here.status().state is NodeState.RELEASED)
    assert sorted(children(agent.pid)) == ["network_process"]


def test_persistence_mode_that_was_off_is_off_again_so_that_the_driver_can_be_unloaded(box):  # noqa: F811
    for index in range(len(UUIDS)):
        box.bank.mapping.node.gpus[index].settings.persistence = 0
    box.order(1000.0)
    box.start("--on-stop", "restore")
    block_until(box.held)
    assert all(box.bank.mapping.settings(index).persistence for index in range(len(UUIDS)))

    assert command(box, "pause").returncode == 0
    assert not any(box.bank.mapping.settings(index).persistence for index in range(len(UUIDS)))
