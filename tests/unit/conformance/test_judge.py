"""What the judge makes of a journal: a raise is judged by what the agent may have known to be asked."""

from dataclasses import dataclass

import pytest
from conformance.adapter import Promises
from conformance.judge import Judge
from conformance.machine import Machine

from wattline.fake.nvml import Call


@dataclass
class Hour:
    at_seconds: float = 1000.0

    def now(self) -> float:
        return self.at_seconds


@pytest.fixture
def hour() -> Hour:
    return Hour()


@pytest.fixture
def machine(tmp_path, hour) -> Machine:
    return Machine(tmp_path / "n1.gpus", at_seconds=hour.now())


def set_limit(machine: Machine, gpu: int, watts: float) -> None:
    """As an agent does it through the driver."""
    with machine.mapping.locked():
        settings = machine.mapping.node.gpus[gpu].settings
        old, settings.limit_mw = settings.limit_mw, round(watts * 1000)
        machine.mapping.record(Call.SET_POWER_LIMIT, gpu, old=old, new=settings.limit_mw, at_ns=1)


@pytest.mark.parametrize(
    ("seconds_after_the_target", "watts", "complaints"),
    [
        pytest.param(0.5, 650.0, 0, id="a put-back that crosses the next target is no raise against it"),
        pytest.param(0.5, 700.0, 1, id="crossing or not, nothing goes above what was there before"),
        pytest.param(3.0, 650.0, 1, id="a target that must have been heard of forbids it"),
    ],
)
def test_a_release_that_is_taken_back(machine, hour, seconds_after_the_target, watts, complaints):
    judge = Judge(machine, Promises("somebody"), hour.now)
    judge.ask(1000.0)
    set_limit(machine, 0, 500.0)
    set_limit(machine, 1, 500.0)
    judge.look()
    hour.at_seconds += 10
    judge.ask(None, releasing=True)
    hour.at_seconds += 10
    judge.ask(1000.0)

    hour.at_seconds += seconds_after_the_target
    judge.watching = False
    set_limit(machine, 1, watts)
    judge.look()

    assert len(judge.complaints) == complaints, judge.complaints


@pytest.mark.parametrize(
    ("promised_first", "complaints"),
    [
        pytest.param(None, 1, id="an agent without leases has the time it has for every target"),
        pytest.param(4.0, 0, id="one that must see its lease renewed has longer"),
    ],
)
def test_the_first_target_of_all_has_a_time_of_its_own(machine, hour, promised_first, complaints):
    judge = Judge(machine, Promises("somebody", first_seconds=promised_first), hour.now)
    judge.ask(1000.0)
    hour.at_seconds += 3.0
    judge.look()

    assert len(judge.complaints) == complaints, judge.complaints

    set_limit(machine, 0, 500.0)
    set_limit(machine, 1, 500.0)
    judge.look()
    judge.ask(800.0)
    hour.at_seconds += 3.0
    judge.look()

    assert len(judge.complaints) == complaints + 1, "the second has not"
