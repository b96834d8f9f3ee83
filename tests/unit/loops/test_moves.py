"""Limits are lowered first, and raised only into watts that were read back as free (promise 1)."""

from math import fsum

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wattline.loops.moves import Standing, higher, lower
from wattline.model.bounds import bound_watts
from wattline.model.gpu import GpuIdentity

PRODUCT = "NVIDIA H100 80GB HBM3"


def standing(*limits: float | None) -> dict[str, Standing]:
    return {
        f"G{i}": Standing(GpuIdentity(f"G{i}", PRODUCT, 200.0, 700.0, 700.0, ()), limit)
        for i, limit in enumerate(limits)
    }


@pytest.mark.parametrize(
    ("limits", "wanted", "budget", "want_lower", "want_higher"),
    [
        pytest.param((700, 700), (400, 400), 2000, {"G0": 400, "G1": 400}, {}, id="down at once"),
        pytest.param((400, 400), (396, 400), 2000, {}, {}, id="a small cut is not worth a call"),
        pytest.param((400, 400), (396, 400), 810, {"G0": 396}, {}, id="unless the node is above its budget"),
        pytest.param(
            (400, 400), (396, 500), 2000, {"G0": 396}, {"G1": 500}, id="or another is to rise into it"
        ),
        pytest.param((400, 400), (400, 500), 816, {}, {}, id="no raise without room"),
        pytest.param((400, 400), (400, 500), 867, {}, {"G1": 450}, id="a raise as far as there is room"),
        pytest.param((400, 400), (400, 404), 2000, {}, {}, id="a small raise is not worth a call"),
        pytest.param((698, 400), (700, 400), 2000, {}, {"G0": 700}, id="but full power is"),
        pytest.param((None, 400), (400, 500), 1122, {"G0": 400}, {}, id="a limit not known counts at most"),
    ],
)
def test_moves(limits, wanted, budget, want_lower, want_higher):
    here, asked = standing(*limits), {f"G{i}": float(watts) for i, watts in enumerate(wanted)}

    assert lower(here, asked, budget) == want_lower
    assert higher(here, asked, budget) == pytest.approx(want_higher, abs=0.01)


def test_what_frees_most_is_lowered_first():
    cuts = lower(standing(700, 700, 700), {"G0": 600.0, "G1": 300.0, "G2": 500.0}, 2000)

    assert list(cuts) == ["G1", "G2", "G0"]


watts = st.floats(200, 700).map(lambda value: round(value, 3))


@given(pairs=st.lists(st.tuples(watts, watts), min_size=1, max_size=8), budget=st.floats(0, 6000))
def test_no_raise_ever_takes_the_sum_above_the_budget(pairs, budget):
    limits = {f"G{i}": now for i, (now, _) in enumerate(pairs)}
    asked = {f"G{i}": want for i, (_, want) in enumerate(pairs)}
    for move in (lower, higher):
        for uuid, value in move(standing(*limits.values()), asked, budget).items():
            raised, limits[uuid] = value > limits[uuid], value
            total = fsum(bound_watts(PRODUCT, limit, 700.0) for limit in limits.values())
            assert not raised or total <= budget + 1e-6
    assert all(
        limit <= max(was, asked[uuid]) for (uuid, limit), (was, _) in zip(limits.items(), pairs, strict=True)
    )
