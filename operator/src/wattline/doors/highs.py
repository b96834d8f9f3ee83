"""HiGHS through scipy, which a base installation has not: ``solver`` says so by returning none."""

from functools import partial

from wattline.model.milp import Outcome, Problem, Solution, Solver

_OUTCOMES = {0: Outcome.BEST, 1: Outcome.LATE, 2: Outcome.IMPOSSIBLE}


def solver(seconds: float, *, gap_ratio: float = 1e-4) -> Solver | None:
    """Return a solver that stops after so many seconds, or so near the best; none where scipy is not installed."""
    try:
        import scipy.optimize  # noqa: F401, PLC0415 - asked for by few installations, and slow to load
    except ImportError:
        return None
    return partial(_solve, seconds, gap_ratio)


def _solve(seconds: float, gap_ratio: float, problem: Problem) -> Solution:
    import numpy as np  # noqa: PLC0415 - as above, for this and the next two
    from scipy.optimize import LinearConstraint, milp  # noqa: PLC0415
    from scipy.sparse import csr_array  # noqa: PLC0415

    if not problem.costs:
        fits = all(row.least <= 0 <= row.most for row in problem.rows)
        return Solution(Outcome.BEST, ()) if fits else Solution(Outcome.IMPOSSIBLE)
    places = [
        (index, column, value)
        for index, row in enumerate(problem.rows)
        for column, value in row.coefficients.items()
    ]
    indices, columns, values = zip(*places, strict=True) if places else ((), (), ())
    matrix = csr_array((values, (indices, columns)), shape=(len(problem.rows), len(problem.costs)))
    found = milp(
        np.array(problem.costs),
        integrality=np.array(problem.whole, dtype=int),
        constraints=LinearConstraint(
            matrix, [row.least for row in problem.rows], [row.most for row in problem.rows]
        )
        if problem.rows
        else None,
        options={"time_limit": seconds, "mip_rel_gap": gap_ratio},
    )
    answer = None if found.x is None else tuple(float(value) for value in found.x)
    return Solution(_OUTCOMES.get(found.status, Outcome.FAILED), answer)
