"""Halls: warmer air for warmer weather, fuller aisles and hotter places, and hot air where fans want more than there is."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wattline.world.facility import Facility, Hall, Shape, Slot, sampled, weather_celsius

SMALL = Shape(rows=2, rows_per_aisle=1, servers_per_row=2)
EVEN = [Slot(0, 0, 0.0, 8.0, 1.0)] * 2 + [Slot(1, 1, 0.0, 8.0, 1.0)] * 2
HALL = Facility(SMALL, EVEN)
FULL = [8_100.0] * 4


@pytest.mark.parametrize(
    ("outside", "celsius"),
    [
        pytest.param(-10, 0.0, id="cold does not matter"),
        pytest.param(20, 0.75, id="mild matters a little"),
        pytest.param(35, 5.5, id="hot matters more"),
    ],
)
def test_the_weather_comes_in_in_pieces(outside, celsius):
    assert weather_celsius(outside) == pytest.approx(celsius)


def test_an_idle_hall_breathes_supply_air():
    assert HALL.inlets(10.0, [0.0] * 4) == pytest.approx([20.0] * 4)


def test_a_full_aisle_warms_itself_and_not_the_other():
    # 2 × 8.1 kW of 2 × 8.1 kW: 3 °C; air 2 wanted, 1.7 supplied: 0.3 / 1.7 × 40 °C
    inlets = HALL.inlets(10.0, [8_100.0, 8_100.0, 0.0, 0.0])

    assert inlets[:2] == pytest.approx([20 + 3 + 40 * (2 / 1.7 - 1)] * 2)
    assert inlets[2:] == pytest.approx([20.0] * 2)


def test_rows_add_up():
    assert HALL.row_draws([1.0, 2.0, 3.0, 4.0]) == [3.0, 7.0]


def test_servers_that_are_added_leave_the_others_as_they_are():
    few, many = sampled(Shape(), 7), sampled(Shape(added_ratio=0.5), 7)

    for row in range(4):
        old = [few.slots[index] for index in few.rows[row]]
        assert [many.slots[index] for index in many.rows[row]][: len(old)] == old
    assert many.row_watts == few.row_watts
    assert many.aisle_air == few.aisle_air
    assert sampled(Shape(), 8).slots != few.slots


def test_the_simulator_asks_by_name():
    hall = Hall(HALL, ["a", "b", "c"], [10.0, 35.0])

    assert hall(0.0, {"a": 0.0, "b": 0.0, "c": 0.0}) == pytest.approx({"a": 20.0, "b": 20.0, "c": 20.0})
    assert hall(3600.0, {"a": 0.0, "b": 0.0, "c": 0.0})["a"] == pytest.approx(25.5)
    with pytest.raises(ValueError, match="5 nodes for 4 places"):
        Hall(HALL, list("abcde"), [10.0])


@settings(max_examples=30)
@given(st.integers(0, 50), st.floats(-20, 45), st.data())
def test_more_watts_or_more_heat_never_cool(seed, outside, data):
    facility = sampled(SMALL, seed)
    watts = data.draw(st.lists(st.floats(0, 8_100), min_size=4, max_size=4))
    more = [each + data.draw(st.floats(0, 500)) for each in watts]

    assert all(a <= b + 1e-9 for a, b in zip(facility.inlets(outside, watts), facility.inlets(outside, more), strict=True))  # fmt: skip
    assert all(a <= b + 1e-9 for a, b in zip(facility.inlets(outside, watts), facility.inlets(outside + 5, watts), strict=True))  # fmt: skip
