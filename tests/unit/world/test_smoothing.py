"""Smoothing: a device's floor, ramps and wait, and storage that gives back no more than it took."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wattline.world.smoothing import Smoother, SmoothingSettings, Storage


def draws(settings, asked, *, start=0.0, seconds=1.0):
    smoother = Smoother(settings, start)
    return [smoother.step(watts, seconds) for watts in asked]


@pytest.mark.parametrize(
    ("settings", "asked", "drawn"),
    [
        pytest.param(SmoothingSettings(), [500, 100], [500, 100], id="nothing set: as asked"),
        pytest.param(SmoothingSettings(floor_watts=300), [500, 100], [500, 300], id="never below the floor"),
        pytest.param(SmoothingSettings(up_watts_per_second=200), [500, 500, 500], [200, 400, 500], id="up in steps"),
        pytest.param(SmoothingSettings(down_watts_per_second=150), [500, 100, 100, 100], [500, 350, 200, 100], id="down in steps"),
        pytest.param(SmoothingSettings(hysteresis_seconds=2), [500, 100, 100, 100], [500, 500, 500, 100], id="down after a wait"),
        pytest.param(SmoothingSettings(hysteresis_seconds=2), [500, 100, 500, 100, 100, 100], [500, 500, 500, 500, 500, 100], id="which begins anew"),
        pytest.param(SmoothingSettings(ceiling_watts=400), [500], [400], id="never above the ceiling"),
    ],
)  # fmt: skip
def test_a_device(settings, asked, drawn):
    assert draws(settings, asked) == drawn


@given(
    asked=st.lists(st.floats(0, 800), min_size=2, max_size=60),
    up=st.floats(1, 500),
    down=st.floats(1, 500),
    floor=st.floats(0, 700),
)
def test_ramps_and_floor_are_kept_whatever_is_asked(asked, up, down, floor):
    settings = SmoothingSettings(floor, up, down)
    drawn = [floor, *draws(settings, asked, start=floor)]
    assert min(drawn) >= floor - 1e-9
    for one, other in pairwise(drawn):
        assert -down - 1e-6 <= other - one <= up + 1e-6


@given(
    drawn=st.lists(st.floats(0, 800), min_size=1, max_size=80),
    capacity=st.floats(0, 500),
    efficiency=st.floats(0.5, 1.0),
)
def test_storage_neither_makes_energy_nor_holds_more_than_it_can(drawn, capacity, efficiency):
    storage = Storage(capacity, drawn[0], efficiency_ratio=efficiency)
    before = storage.charge_joules
    grid = 0.0
    for watts in drawn:
        grid += storage.step(watts, 0.1) * 0.1
        assert -1e-6 <= storage.charge_joules <= capacity + 1e-6
        assert storage.grid_watts >= 0
    assert grid + before - storage.charge_joules >= 0.1 * sum(drawn) - 1e-6


def test_storage_flattens_what_it_can_hold_and_not_more():
    def swing(capacity):
        storage = Storage(capacity, 450.0, follow_seconds=5.0)
        grid = [storage.step(700.0 if step // 50 % 2 else 200.0, 0.01) for step in range(4000)]
        return max(grid[2000:]) - min(grid[2000:])

    assert swing(1000.0) < 0.2 * 500.0
    assert swing(0.0) == pytest.approx(500.0)
    assert swing(1000.0) < swing(60.0) < swing(0.0) + 1e-9


@pytest.mark.parametrize(("capacity", "efficiency"), [(-1.0, 0.9), (10.0, 0.0), (10.0, 1.1)])
def test_storage_that_cannot_be(capacity, efficiency):
    with pytest.raises(ValueError, match="no such storage"):
        Storage(capacity, 100.0, efficiency_ratio=efficiency)
