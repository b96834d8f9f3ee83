"""New work may start once every GPU of the node is read back under its order, or the order only observes."""

import pytest
from tests.unit.agent.rig import FakeGpu, but, rig, spec

from wattline_agent.readiness import waiting


def words(here) -> str:
    return waiting(here.governor, here.at_seconds)


@pytest.mark.parametrize(
    ("order", "want"),
    [
        pytest.param(spec(1000.0), "", id="read back under its order"),
        pytest.param(but(spec(), enforce=False), "", id="an order that only observes"),
        pytest.param(but(spec(), release=True), "", id="a node that is released"),
        pytest.param(spec(300.0), "", id="at the devices' least, though the budget is less"),
        pytest.param(but(spec(1000.0), gpus=spec(gpus=1).gpus), "NotOrdered: G1", id="a GPU nobody ordered"),
    ],
)
def test_when_an_order_has_settled(tmp_path, order, want):
    assert words(rig(tmp_path).enforced(order)).startswith(want)
    assert bool(want) or words(rig(tmp_path / "again").enforced(order)) == ""


def test_before_anything_is_known_nothing_may_start(tmp_path):
    here = rig(tmp_path)
    assert words(here) == "DriverAway: not asked yet"
    here.run(1.0)
    assert words(here).startswith("NoOrder")


def test_an_order_whose_lease_was_never_seen_to_change_is_not_in_force(tmp_path):
    here = rig(tmp_path).order(spec(1000.0))
    here.run(2.0, renewing=False)

    assert words(here).startswith("WaitingForLease")


def test_while_limits_are_being_lowered_nothing_may_start(tmp_path):
    slow = {
        "G0": FakeGpu(persistence=False),
        "G1": FakeGpu(),
    }  # persistence mode first, the limit a second later
    here = rig(tmp_path, slow).order(spec(1000.0))
    here.renew()
    said = []
    for _ in range(20):
        here.run(0.2)
        said.append(words(here))
        assert bool(said[-1]) == (here.device.bound_watts() > 1000.0)

    assert said[0].startswith("Lowering")
    assert said[-1] == ""


def test_a_gpu_that_is_lost_or_cannot_be_written_keeps_new_work_away(tmp_path):
    here = rig(tmp_path).enforced(spec(1000.0))
    here.device.gpus["G0"].lost = True
    here.run(1.0)

    assert words(here).startswith("G0: GpuLost")


def test_a_gpu_that_somebody_else_writes_keeps_new_work_away(tmp_path):
    here = rig(tmp_path).enforced(spec(1000.0))
    here.device.gpus["G1"].limit_watts = 650.0
    here.run(1.0)

    assert words(here).startswith("G1: Contested")


def test_a_node_under_its_failsafe_takes_new_work_once_that_is_read_back(tmp_path):
    here = rig(tmp_path).enforced(but(spec(1000.0), failsafe_watts=600.0))
    here.run(80.0, renewing=False)

    assert here.view().state == "Failsafe"
    assert words(here) == ""


def test_a_node_without_a_gpu_says_so(tmp_path):
    here = rig(tmp_path, {}).enforced(but(spec(1000.0), gpus=(), replicas=()))

    assert words(here).startswith("NoGpu")


def test_without_a_driver_nothing_may_start(tmp_path):
    here = rig(tmp_path, {"G0": FakeGpu()})
    here.device.away = True
    here.run(1.0)

    assert words(here).startswith("DriverAway")
