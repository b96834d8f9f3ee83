"""A hardware brake or thermal event is told in status and metrics, counted by the device, and tuned by nobody."""

import pytest
from tests.unit.agent.rig import rig, spec

from wattline.model.gpu import EventReason, GpuReading
from wattline_agent.hardware import Events, held_seconds
from wattline_agent.reasons import Reasons
from wattline_agent.status import Due, status

BRAKE, THERMAL = EventReason.HW_POWER_BRAKE, EventReason.HW_THERMAL
SLOWDOWN, CAP = EventReason.HW_SLOWDOWN, EventReason.SW_POWER_CAP
NONE = EventReason(0)


def reading(at_seconds, reasons=NONE, counted=None):
    counters = () if counted is None else tuple(counted.items())
    return GpuReading(
        at_seconds, 400, 400, 0, 700, 1980, 60, 27, reasons, persistence=True, event_seconds=counters
    )


@pytest.mark.parametrize(
    ("before", "now", "want"),
    [
        pytest.param(None, reading(1, BRAKE), {}, id="the first reading: nothing is known of before"),
        pytest.param(reading(1), reading(1.2), {}, id="nothing holds"),
        pytest.param(reading(1, CAP), reading(1.2), {"SW_POWER_CAP": 0.2}, id="what was seen held since"),
        pytest.param(
            reading(1, CAP), reading(99), {"SW_POWER_CAP": 5.0}, id="but not through a long silence"
        ),
        pytest.param(
            reading(1, counted={BRAKE: 7.0}),
            reading(1.2, counted={BRAKE: 7.05}),
            {"HW_POWER_BRAKE": 0.05},
            id="a device that counts tells what came and went in between",
        ),
        pytest.param(
            reading(1, CAP, {CAP: 3.0}),
            reading(1.2, CAP, {CAP: 3.1}),
            {"SW_POWER_CAP": 0.1},
            id="its counter is right where the reading would say more",
        ),
        pytest.param(
            reading(1, counted={BRAKE: 7.0}),
            reading(1.2, counted={BRAKE: 0.0}),
            {},
            id="a counter that goes back: the driver was loaded again",
        ),
        pytest.param(
            reading(1, SLOWDOWN, {BRAKE: 7.0}),
            reading(1.2, SLOWDOWN, {BRAKE: 7.0}),
            {"HW_SLOWDOWN": 0.2},
            id="what the device does not count is still seen",
        ),
    ],
)
def test_how_long_a_reason_held(before, now, want):
    assert held_seconds(before, now, 5.0) == pytest.approx(want)


@pytest.mark.parametrize(
    ("reasons", "held", "after_seconds", "want"),
    [
        pytest.param(NONE, {}, 0, "", id="nothing"),
        pytest.param(CAP, {}, 0, "", id="a limit of ours is no event of the hardware"),
        pytest.param(BRAKE | SLOWDOWN, {}, 0, "HwPowerBrake", id="a brake, which is a slowdown too"),
        pytest.param(THERMAL | SLOWDOWN, {}, 0, "HwThermal", id="a thermal slowdown"),
        pytest.param(SLOWDOWN, {}, 0, "HwSlowdown", id="a slowdown without a cause"),
        pytest.param(NONE, {"HW_POWER_BRAKE": 0.01}, 0, "HwPowerBrake", id="one that the counter alone saw"),
        pytest.param(BRAKE, {}, 59, "HwPowerBrake", id="it is told for a minute"),
        pytest.param(BRAKE, {}, 61, "", id="and then no more"),
    ],
)
def test_what_is_told(reasons, held, after_seconds, want):
    events = Events().after(reading(100.0, reasons), held)

    assert events.word(100.0 + after_seconds) == want


def test_a_hardware_event_is_told_at_once_and_changes_no_setting(tmp_path):
    here = rig(tmp_path).enforced(spec(2000.0))
    due, first = Due(), status(here.view(), "http://a", here.at_seconds)
    due.wrote(first, here.at_seconds)
    here.device.gpus["G0"].reasons = BRAKE | SLOWDOWN
    here.run(0.2)

    now = status(here.view(), "http://a", here.at_seconds)
    assert [gpu.hardware_event for gpu in now.gpus] == ["HwPowerBrake", ""]
    assert due.now(now, here.at_seconds)
    assert here.device.journal == [], "alert, not tuning"

    here.device.gpus["G0"].reasons = NONE
    here.run(61.0)
    assert status(here.view(), "", here.at_seconds).gpus[0].hardware_event == ""


def test_a_hardware_event_stands_among_the_nodes_decisions_once(tmp_path):
    here, reasons = rig(tmp_path).enforced(spec(2000.0)), Reasons("n1")
    reasons.take(here.view(), None)
    here.device.gpus["G0"].reasons = THERMAL | SLOWDOWN
    for _ in range(5):
        here.run(1.0)
        reasons.take(here.view(), None)

    told = [each.what for each in reasons.view("gpu/G0").decisions]
    assert told == ["n1 G0: HwThermal"]
