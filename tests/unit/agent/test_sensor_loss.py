"""A sensor that falls silent: under a second ignored, to five seconds held, then the failsafe by predicted power."""

import pytest
from tests.unit.agent.rig import FakeGpu, but, rig, spec

from wattline.api.powernode import NodeState, Outcome
from wattline.model.bounds import bound_watts
from wattline.model.errors import GpuBlocked, GpuError

SILENT = GpuError("Nvml10: timeout")
PRODUCT = "NVIDIA H100 80GB HBM3"


def silent(tmp_path, *, budget=2000.0, failsafe=800.0, draws=(500.0, 300.0)):
    """Two GPUs under an order; the first one's sensors have just fallen silent."""
    gpus = {f"G{i}": FakeGpu(watts=watts) for i, watts in enumerate(draws)}
    here = rig(tmp_path, gpus).enforced(but(spec(budget), failsafe_watts=failsafe, replicas=()), seconds=15)
    here.device.gpus["G0"].errors["read"] = SILENT
    return here


@pytest.mark.parametrize(
    ("seconds", "want"),
    [
        pytest.param(0.6, "raised", id="under a second: as if nothing was"),
        pytest.param(1.6, "held", id="more than a second: nothing is loosened"),
        pytest.param(4.6, "held", id="nearly five seconds: nothing is loosened"),
        pytest.param(5.4, "failsafe", id="more than five seconds: its share of the failsafe"),
        pytest.param(60.0, "failsafe", id="a minute: the same share, written once"),
        pytest.param(600.0, "failsafe", id="ten minutes: nothing is released by itself"),
    ],
)
def test_what_becomes_of_a_gpu_whose_sensors_are_silent(tmp_path, seconds, want):
    here = silent(tmp_path, budget=900.0)
    before = here.device.gpus["G0"].limit_watts
    here.run(seconds - 0.4)
    here.order(but(here.governor.spec, budget_watts=1400.0), generation=2)  # there would be more for it
    written = len(here.device.journal)
    here.run(0.4)

    limit = here.device.gpus["G0"].limit_watts
    if want == "raised":
        assert limit > before
    elif want == "held":
        assert limit == before
    else:
        assert limit < before
        assert limit == pytest.approx(800.0 * 500 / 800 / 1.02, abs=1), (
            "its draw was five eighths of the node's"
        )
        mine = [write for write in here.device.journal if write.uuid == "G0" and write.call == "set_limit"]
        assert len([write for write in mine if write.at_seconds > here.at_seconds - seconds]) == 1
        assert seconds < 6 or "G0" not in {write.uuid for write in here.device.journal[written:]}


def test_a_silent_gpu_counts_at_its_most_and_its_node_is_degraded(tmp_path):
    here = silent(tmp_path)
    here.run(7.0)

    status = here.statuses()["G0"]
    assert status.outcome is Outcome.ERROR
    assert status.reason.startswith("SensorLost")
    assert status.enforced_watts is None
    assert status.bound_watts == pytest.approx(bound_watts(PRODUCT, None, 700.0))
    assert here.view().state is NodeState.DEGRADED


def test_the_failsafe_is_never_below_the_devices_least_nor_above_its_limit(tmp_path):
    low = silent(tmp_path / "low", failsafe=0.0)
    low.run(7.0)
    assert low.device.gpus["G0"].limit_watts == 200.0

    high = silent(tmp_path / "high", budget=800.0, failsafe=5000.0)
    before = high.device.gpus["G0"].limit_watts
    high.run(7.0)
    assert high.device.gpus["G0"].limit_watts == before


def test_a_locked_clock_stays_while_the_sensors_are_silent(tmp_path):
    here = rig(tmp_path, 2).enforced(spec(2000.0))
    here.device.gpus["G0"].celsius = 82.0
    here.run(3.0)
    lock = here.device.gpus["G0"].lock_mhz
    assert lock is not None
    here.device.gpus["G0"].celsius = 50.0
    here.device.gpus["G0"].errors["read"] = SILENT
    here.run(30.0)

    assert here.device.gpus["G0"].lock_mhz == lock


def test_after_the_loss_the_normal_rule_holds(tmp_path):
    here = silent(tmp_path)
    here.run(20.0)
    assert here.device.gpus["G0"].limit_watts < 700.0
    here.device.gpus["G0"].errors.clear()
    here.run(10.0)

    assert here.statuses()["G0"].outcome is Outcome.APPLIED
    assert here.device.gpus["G0"].limit_watts == 700.0
    assert here.governor.hands.tally.drifts["external"] == 0


def test_a_write_that_fails_too_is_tried_again(tmp_path):
    here = silent(tmp_path)
    here.device.gpus["G0"].errors["set_limit"] = SILENT
    here.run(8.0)
    assert here.device.gpus["G0"].limit_watts == 700.0

    del here.device.gpus["G0"].errors["set_limit"]
    here.run(6.0)
    assert here.device.gpus["G0"].limit_watts == pytest.approx(490, abs=1)


def test_without_rights_a_silent_gpu_is_left_alone_for_a_minute(tmp_path):
    here = silent(tmp_path)
    here.device.gpus["G0"].errors["set_limit"] = GpuBlocked("Permissions: no")
    here.run(60.0)

    assert here.governor.hands.tally.actuations["limit", "down", Outcome.BLOCKED] == 1


def test_a_gpu_that_was_never_ours_is_not_written_when_it_falls_silent(tmp_path):
    here = rig(tmp_path, 2).order(spec(2000.0)).run(5.0, renewing=False)
    here.device.gpus["G0"].errors["read"] = SILENT
    here.run(30.0, renewing=False)

    assert here.device.journal == []


def test_silent_sensors_after_the_lease_ended_go_to_the_failsafe_too(tmp_path):
    here = silent(tmp_path, failsafe=600.0)
    here.run(70.0, renewing=False)

    assert here.device.gpus["G0"].limit_watts <= 600.0 * 500 / 800 / 1.02 + 1


def test_heat_takes_no_step_on_an_old_reading(tmp_path):
    here = rig(tmp_path, 1).enforced(spec(2000.0, gpus=1))
    here.device.gpus["G0"].celsius = 82.0
    here.run(0.2)
    ratio = here.governor.hands.gpus["G0"].heat.clock_ratio
    here.device.gpus["G0"].errors["read"] = SILENT
    here.run(4.0)

    assert here.governor.hands.gpus["G0"].heat.clock_ratio == ratio


def test_nothing_is_put_back_while_the_sensors_are_silent(tmp_path):
    here = silent(tmp_path, budget=900.0)
    before = here.device.gpus["G0"].limit_watts
    here.run(2.0)
    here.order(but(here.governor.spec, release=True), generation=2)
    here.run(2.0)
    assert here.device.gpus["G0"].limit_watts == before
    assert here.device.gpus["G1"].limit_watts == 700.0

    here.device.gpus["G0"].errors.clear()
    here.run(3.0)
    assert here.device.gpus["G0"].limit_watts == 700.0


def test_a_silent_gpu_and_a_lost_one_are_told_apart(tmp_path):
    here = silent(tmp_path)
    here.run(7.0)
    assert here.view().reason == "SensorLost: G0"

    here.device.gpus["G1"].lost = True
    here.run(1.0)
    assert here.view().reason == "GpuLost: G1"
