"""``emergency``: who gives up which watts when a domain suddenly has less to give.

What is missing is taken in the order of what it costs: best-effort work is shed, then what can be served on less
(slower, smaller models) gives, standard before protected, down to what its objective needs; then those who cannot be
asked (opaque tenants) are capped, again by class; and only when all that is not enough does anybody go below their
objective's floor, towards what devices cannot go below. Inside one step all give the same share of what they could.

After the emergencies reported of TAPAS (arXiv 2501.02600): 75 % of the watts for five minutes. The order by class and
the floors are ours. How an order reaches nodes without the operator is the node agent's (levels lie ready there).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import fsum

from wattline.api.base import CLASSES, PowerClass

EPSILON_WATTS = 1e-6


class Why(StrEnum):
    """Why a consumer gets what it gets."""

    KEPT = "Kept"
    SHED = "Shed"
    SERVED_ON_LESS = "ServedOnLess"
    CAPPED = "Capped"
    BELOW_OBJECTIVE = "BelowObjective"


@dataclass(frozen=True, slots=True)
class Consumer:
    """One that draws under the domain."""

    name: str
    watts: float
    """What it draws now."""
    objective_watts: float
    """Below this its objective is missed."""
    floor_watts: float
    """Below this its devices cannot go."""
    power_class: PowerClass = PowerClass.STANDARD
    adjustable: bool = True
    """Whether it can be served on less without being slowed: a pool with a ladder; others can only be capped."""


@dataclass(frozen=True, slots=True)
class Cap:
    """What one may draw meanwhile."""

    name: str
    watts: float
    why: Why


@dataclass(frozen=True, slots=True)
class EmergencyDecision:
    """What follows for all of a domain."""

    caps: tuple[Cap, ...]
    missing_watts: float
    """What is still too much with all at their floors."""


def decide(budget_watts: float, consumers: Sequence[Consumer]) -> EmergencyDecision:
    """Return a cap per consumer, in order; their sum is at most the budget unless floors alone exceed it."""
    watts = {each.name: each.watts for each in consumers}
    whys = dict.fromkeys(watts, Why.KEPT)
    for members, floors, why in _steps(consumers):
        missing = fsum(watts.values()) - budget_watts
        if missing <= EPSILON_WATTS:
            break
        gives = {name: max(0.0, watts[name] - floors[name]) for name in members}
        share = min(1.0, missing / (fsum(gives.values()) or 1.0))
        for name, most in gives.items():
            if most > 0:
                watts[name] -= share * most
                whys[name] = why
    missing = fsum(watts.values()) - budget_watts
    caps = tuple(Cap(each.name, watts[each.name], whys[each.name]) for each in consumers)
    return EmergencyDecision(caps, missing if missing > EPSILON_WATTS else 0.0)


def _steps(
    consumers: Sequence[Consumer],
) -> list[tuple[list[str], dict[str, float], Why]]:
    """Return who gives in which step, down to which watts, and what it is called."""
    floors = {each.name: each.floor_watts for each in consumers}
    objectives = {each.name: max(each.floor_watts, each.objective_watts) for each in consumers}
    by_class = {
        power_class: [each for each in consumers if each.power_class is power_class]
        for power_class in CLASSES
    }
    steps = [([each.name for each in by_class[PowerClass.BEST_EFFORT]], floors, Why.SHED)]
    for adjustable, why in ((True, Why.SERVED_ON_LESS), (False, Why.CAPPED)):
        for power_class in (PowerClass.STANDARD, PowerClass.PROTECTED):
            names = [each.name for each in by_class[power_class] if each.adjustable is adjustable]
            steps.append((names, objectives, why))
    return steps + [
        ([each.name for each in by_class[power_class]], floors, Why.BELOW_OBJECTIVE)
        for power_class in (PowerClass.STANDARD, PowerClass.PROTECTED)
    ]
