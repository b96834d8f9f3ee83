"""Sums of floats that have the same bits on every Python, compiled or not: from the first number to the last.

The built-in ``sum`` makes up for rounding from Python 3.12 on, and neither before nor where it is compiled.
"""

from collections.abc import Iterable, Sequence


def in_order(numbers: Iterable[float]) -> float:
    """Return the sum of the numbers, each added to those before it."""
    total = 0.0
    for number in numbers:
        total += number
    return total


def of_products(one: Sequence[float], other: Sequence[float]) -> float:
    """Return the scalar product of two vectors, summed in order; the second is at least as long as the first."""
    total = 0.0
    for at, number in enumerate(one):
        total += number * other[at]
    return total
