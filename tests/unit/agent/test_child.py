"""When a child process that ended is started again: later each time it dies young, and never a storm."""

from dataclasses import dataclass

import pytest

from wattline_agent.child import Child
from wattline_agent.config import Config
from wattline_agent.endings import EXIT_AGAIN, EXIT_LEFT

CRASH = -11


@dataclass
class Time:
    seconds: float = 100.0

    def now(self) -> float:
        return self.seconds


def child(time: Time) -> Child:
    config = Config("n1", "s", "r")
    return Child("wattline_agent.device_process", config.dumps(), config.settings, 3, time.now)


@pytest.mark.parametrize(
    ("codes", "lived", "want"),
    [
        pytest.param(
            [CRASH] * 8, 0.1, [0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10.0, 10.0], id="one that crashes at once"
        ),
        pytest.param([CRASH] * 3, 31.0, [0.2, 0.2, 0.2], id="one that crashes now and then"),
        pytest.param([EXIT_AGAIN], 0.1, [0.0], id="one that asks for a new process gets it at once"),
        pytest.param([EXIT_AGAIN] * 4, 0.1, [0.0, 0.2, 0.4, 0.8], id="but not twice in a row"),
        pytest.param([EXIT_AGAIN] * 3, 31.0, [0.0, 0.0, 0.0], id="a driver that changes now and then"),
        pytest.param([CRASH, EXIT_AGAIN], 0.1, [0.2, 0.4], id="nor one that just crashed"),
        pytest.param([EXIT_LEFT, CRASH], 0.1, [0.2, 0.4], id="whatever it ended with"),
    ],
)
def test_a_child_that_dies_young_waits_longer_each_time(codes, lived, want):
    time = Time()
    one = child(time)
    waits = []
    for code in codes:
        one._started_at = time.seconds
        time.seconds += lived
        waits.append(one.again(code))
        assert one.due() is (waits[-1] == 0)
        time.seconds += waits[-1]
        assert one.due()

    assert waits == pytest.approx(want)


def test_a_child_that_ended_as_asked_begins_anew():
    time = Time()
    one = child(time)
    for _ in range(5):
        one.again(CRASH)
    one.rest()

    assert one.due()
    assert one.again(CRASH) == 0.2
