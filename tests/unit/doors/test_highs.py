"""HiGHS behind its door: best, impossible, and absent."""

import sys

import pytest

from wattline.doors import highs
from wattline.model.milp import Outcome, Problem, Row, Solution


@pytest.mark.parametrize(
    ("problem", "solution"),
    [
        pytest.param(Problem((1.0,), (True,), (Row({0: 1.0}, least=1.5),)), Solution(Outcome.BEST, (2.0,)), id="whole numbers are whole"),
        pytest.param(Problem((1.0,), (False,), (Row({0: 1.0}, least=1.5),)), Solution(Outcome.BEST, (1.5,)), id="others need not be"),
        pytest.param(Problem((-1.0,), (False,), (Row({0: 1.0}, most=3.0),)), Solution(Outcome.BEST, (3.0,)), id="no more than the most"),
        pytest.param(Problem((1.0,), (False,), ()), Solution(Outcome.BEST, (0.0,)), id="without constraints nothing is best"),
        pytest.param(Problem((1.0,), (True,), (Row({0: 1.0}, least=2.0, most=1.0),)), Solution(Outcome.IMPOSSIBLE), id="what contradicts itself is impossible"),
        pytest.param(Problem((1.0,), (True,), (Row({}, least=1.0),)), Solution(Outcome.IMPOSSIBLE), id="so is something out of nothing"),
        pytest.param(Problem((), (), (Row({}, least=1.0),)), Solution(Outcome.IMPOSSIBLE), id="without any variable too"),
        pytest.param(Problem((), (), ()), Solution(Outcome.BEST, ()), id="nothing asked, nothing done"),
    ],
)  # fmt: skip
def test_what_is_found(problem, solution):
    found = highs.solver(10.0)(problem)
    assert found.outcome is solution.outcome
    assert found.values == (None if solution.values is None else pytest.approx(solution.values))


def test_without_scipy_there_is_no_solver(monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy.optimize", None)
    assert highs.solver(10.0) is None
