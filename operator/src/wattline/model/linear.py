"""Small systems of linear equations, as least squares make them."""

import math
from collections.abc import Sequence


def solved(matrix: Sequence[Sequence[float]], right: Sequence[float]) -> list[float]:
    """Return the ``x`` for which ``matrix · x = right``, by elimination; ``matrix`` is symmetric and positive definite.

    Raise `ValueError` where it is not positive definite as far as rounding tells: then there is no such ``x``, or many.
    What is not a number makes an answer that is none either.
    """
    size = len(right)
    rows, left = [list(row) for row in matrix], list(right)
    for pivot in range(size):
        if rows[pivot][pivot] <= 0.0:
            raise ValueError(f"a matrix that is not positive definite: pivot {pivot} is {rows[pivot][pivot]}")
        for row in range(pivot + 1, size):
            factor = rows[row][pivot] / rows[pivot][pivot]
            for column in range(pivot, size):
                rows[row][column] -= factor * rows[pivot][column]
            left[row] -= factor * left[pivot]
    found = [0.0] * size
    for row in reversed(range(size)):
        known = math.fsum(rows[row][column] * found[column] for column in range(row + 1, size))
        found[row] = (left[row] - known) / rows[row][row]
    return found
