"""A mixed-integer linear problem, and what a solver makes of it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from math import inf


@dataclass(frozen=True, slots=True)
class Row:
    """One constraint: ``least ≤ sum of coefficient × variable ≤ most``."""

    coefficients: Mapping[int, float]
    least: float = -inf
    most: float = inf


@dataclass(frozen=True, slots=True)
class Problem:
    """Minimise the costs; variables are zero or more."""

    costs: tuple[float, ...]
    """By variable."""
    whole: tuple[bool, ...]
    """Whether a variable is a whole number."""
    rows: tuple[Row, ...]


class Outcome(StrEnum):
    """How a solver ended."""

    BEST = "Best"
    LATE = "OutOfTime"
    """Its values, if it has any, keep the constraints and may not be the best."""
    IMPOSSIBLE = "Impossible"
    FAILED = "Failed"


@dataclass(frozen=True, slots=True)
class Solution:
    """What a solver found."""

    outcome: Outcome
    values: tuple[float, ...] | None = None
    """By variable."""


Solver = Callable[[Problem], Solution]
"""Solves a problem within the time that it allows itself."""
