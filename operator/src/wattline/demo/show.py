"""The three passes one after the other, and the speed that the machine bears."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

from wattline.api.powerdomain import Mode
from wattline.demo.result import PassResult
from wattline.demo.runs import Load
from wattline.demo.stage import Plan, Setting, Stage
from wattline.demo.table import kilowatts
from wattline.demo.view import View

BUDGET_OF_PEAK = 0.75
FULL = Plan("full clocks", routing="affinity", admission="off")
_JUDGE_FROM_SECONDS, _JUDGE_TO_SECONDS = 40, 120
_LATE_SECONDS = 1.0
"""A node loop that comes later than this, in world time, more often than once in twenty, makes its readings stale."""
_SLOWER = 0.6
_LEAST_SPEED = 2.0


class TooFastError(Exception):
    """The machine does not keep up with the speed."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What the three passes came to."""

    results: tuple[PassResult, ...]
    budget_watts: float
    speed: float


class Playable(Protocol):
    """A pass that can be played."""

    async def play(self, watch: Callable[[Stage], None]) -> PassResult:
        """Run the pass."""


Staging = Callable[[Plan, Setting, Load], Playable]
"""Makes a pass; ``Stage`` itself but in tests."""


async def three_passes(setting: Setting, load: Load, view: View, staging: Staging = Stage) -> Shown:
    """Play the load at full clocks, then under uniform limits and under Wattline with three quarters of that peak."""
    full, setting = await _at_bearable_speed(setting, load, view, staging)
    budget = BUDGET_OF_PEAK * full.peak_watts
    gpus = sum(len(endpoint.gpus) for pool in setting.fleet.pools for endpoint in pool.spec.endpoints)
    view.say(
        f"  peak {kilowatts(full.peak_watts)}, so the budget of the next two passes is {kilowatts(budget)}"
    )
    plans = (
        Plan("uniform cap", "affinity", "off", budget_watts=budget, uniform_watts=budget / max(1, gpus)),
        Plan("wattline", "wattline", "on", mode=Mode.ENFORCE, budget_watts=budget),
    )
    results = [full]
    for plan in plans:
        view.say(f"{plan.name} …")
        results.append(await staging(plan, setting, load).play(view.show))
    return Shown(tuple(results), budget, setting.speed)


async def _at_bearable_speed(
    setting: Setting, load: Load, view: View, staging: Staging
) -> tuple[PassResult, Setting]:
    """Play the first pass, over again and slower where the world's loops come late."""
    while True:
        view.say(f"{FULL.name} …")

        def watch(stage: Stage) -> None:
            view.show(stage)
            if _too_fast(stage):
                raise TooFastError

        try:
            return await staging(FULL, setting, load).play(watch), setting
        except TooFastError:
            slower = max(_LEAST_SPEED, round(setting.speed * _SLOWER, 1))
            view.say(
                f"  this machine does not keep up with speed {setting.speed:g}; going on with {slower:g}"
            )
            setting = replace(
                setting, speed=slower, longest_seconds=setting.longest_seconds * slower / setting.speed
            )


def _too_fast(stage: Stage) -> bool:
    judged = _JUDGE_FROM_SECONDS <= len(stage.result.seconds) <= _JUDGE_TO_SECONDS
    return judged and stage.speed > _LEAST_SPEED and stage.result.late_seconds > _LATE_SECONDS
