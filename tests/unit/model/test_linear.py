"""Small linear systems: what is solved holds, and what has no one answer is said."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wattline.model.linear import solved

NUMBER = st.floats(-100.0, 100.0)


@st.composite
def systems(draw):
    """A matrix as least squares with a ridge make it, and a right side."""
    size = draw(st.integers(1, 5))
    vector = st.lists(NUMBER, min_size=size, max_size=size)
    rows = draw(st.lists(vector, min_size=1, max_size=8))
    matrix = [
        [sum(row[i] * row[j] for row in rows) + (1.0 if i == j else 0.0) for j in range(size)]
        for i in range(size)
    ]
    return matrix, draw(vector)


@given(systems())
def test_the_answer_times_the_matrix_is_the_right_side(system):
    matrix, right = system

    found = solved(matrix, right)

    for row, want in zip(matrix, right, strict=True):
        terms = [a * x for a, x in zip(row, found, strict=True)]
        assert math.fsum(terms) == pytest.approx(want, abs=1e-9 * (1 + sum(map(abs, terms))))


def test_what_it_is_given_stays_as_it_is():
    matrix, right = [[2.0, 1.0], [1.0, 3.0]], [3.0, 4.0]

    assert solved(matrix, right) == pytest.approx([1.0, 1.0])
    assert (matrix, right) == ([[2.0, 1.0], [1.0, 3.0]], [3.0, 4.0])


def test_of_nothing_there_is_nothing_to_solve():
    assert solved([], []) == []


@pytest.mark.parametrize(
    "matrix",
    [
        pytest.param([[0.0]], id="nothing is seen of it"),
        pytest.param([[4.0, 2.0], [2.0, 1.0]], id="one equation twice: many answers"),
        pytest.param([[1.0, 2.0], [2.0, 1.0]], id="not positive definite"),
    ],
)
def test_where_there_is_no_one_answer_it_is_said(matrix):
    with pytest.raises(ValueError, match="not positive definite"):
        solved(matrix, [1.0] * len(matrix))


def test_what_is_not_a_number_does_not_pass_for_an_answer():
    assert all(map(math.isnan, solved([[math.nan, 1.0], [1.0, 2.0]], [1.0, 1.0])))
