"""Arithmetic of levers: what each does alone, what it adds to all the others, and what two do to each other.

Gains are of one outcome and one seed, positive where the lever helps. Cells are named by the levers that are on.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import prod

Levers = tuple[str, ...]
Gains = Mapping[Levers, float]
"""Of each cell against none; none itself gains 0."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One thing that levers move."""

    key: str
    says: str
    unit: str
    gain: Callable[[float, float], float]
    """From its value in the base and in the cell to what the cell gains."""


def saved(base: float, cell: float) -> float:
    """Return the saving in percent of the base."""
    return 100 * (1 - cell / base)


def more(base: float, cell: float) -> float:
    """Return by how much the cell has more."""
    return cell - base


def less(base: float, cell: float) -> float:
    """Return by how much the cell has less."""
    return base - cell


def fewer_points(base: float, cell: float) -> float:
    """Return by how many points of a hundred a share is less."""
    return 100 * (base - cell)


OUTCOMES = (
    Outcome("joules_per_run", "joules per finished run saved", "%", saved),
    Outcome("least_rate_p5", "P5 rate of the pool that has least", "tok/s", more),
    Outcome("ttft_p99", "P99 of the time to the first token, less", "s", less),
    Outcome("recomputed", "recomputed share of prefill, less", "points", fewer_points),
    Outcome("over_seconds", "seconds over a budget, less", "s", less),
    Outcome("max_celsius", "hottest GPU, less", "°C", less),
)


def gains(outcome: Outcome, cells: Mapping[Levers, Mapping[str, float]]) -> dict[Levers, float]:
    """Return what every cell gains against the one without levers."""
    base = cells[()][outcome.key]
    return {levers: outcome.gain(base, cell[outcome.key]) for levers, cell in cells.items()}


def alone(gained: Gains, levers: Levers) -> dict[str, float]:
    """Return each lever's gain where no other is on."""
    return {name: gained[name,] for name in levers}


def in_company(gained: Gains, levers: Levers) -> dict[str, float]:
    """Return what each lever adds to all the others."""
    return {name: gained[levers] - gained[tuple(each for each in levers if each != name)] for name in levers}


def interaction(gained: Gains, levers: Levers) -> float:
    """Return the gain of all together less the sum of the gains alone: below 0 they overlap, above they help each other."""
    return gained[levers] - sum(alone(gained, levers).values())


def independent(savings: Sequence[float]) -> float:
    """Return what savings in percent come to where each takes its share of what the others leave."""
    return 100 * (1 - prod(1 - each / 100 for each in savings))


def main_effects(values: Gains, factors: Levers) -> dict[str, float]:
    """Return each factor's effect over a full factorial: mean of the cells where it is on less that of the others."""
    return {name: _contrast(values, factors, (name,)) for name in factors}


def pairs(values: Gains, factors: Levers) -> dict[tuple[str, str], float]:
    """Return the two-way interactions: by how much more one gains where the other is on, over all other settings."""
    return {(a, b): 2 * _contrast(values, factors, (a, b)) for a, b in combinations(factors, 2)}


def explained(values: Gains, factors: Levers) -> dict[int, float]:
    """Return the share of the cells' variance that effects of each order carry: main effects, pairs, and more."""
    squares = {
        order: sum(_contrast(values, factors, names) ** 2 for names in combinations(factors, order))
        for order in range(1, len(factors) + 1)
    }
    whole = sum(squares.values())
    return {order: square / whole if whole else 0.0 for order, square in squares.items()}


def _contrast(values: Gains, factors: Levers, names: Levers) -> float:
    """Return the mean of the cells with an even number of the names off, less that of the rest."""
    total = 0.0
    for levers, value in values.items():
        off = sum(name not in levers for name in names)
        total += value if off % 2 == 0 else -value
    return total / 2 ** (len(factors) - 1)
