"""One GPU under locks, limits and heat."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wattline.model.gpu import EventReason
from wattline.world.curve import SHAPES
from wattline.world.gpu import PRODUCTS, Gpu
from wattline.world.load import IDLE, LOADING, Load, compute_bound, memory_bound
from wattline.world.meter import Meter

LOADS = st.sampled_from([
    IDLE,
    LOADING,
    compute_bound(600.0),
    memory_bound(280.0),
    Load(0.02, 0.015, 0.004, 300.0, 600.0, 0.008),
    Load(0.004, 0.2, 0.002, 300.0, 600.0),
])  # fmt: skip


def h100(**options) -> Gpu:
    return Gpu(PRODUCTS["h100"], "GPU-1", **options)


def test_an_idle_gpu_draws_idle_power_and_says_so():
    gpu = h100()
    gpu.advance(600.0, IDLE)
    assert gpu.watts == pytest.approx(100.0, abs=2.0)
    assert gpu.celsius == pytest.approx(31.6, abs=0.5)
    assert (gpu.clock_mhz, gpu.reasons) == (345, EventReason.IDLE)


@pytest.mark.parametrize(
    ("product", "asked", "held"),
    [
        pytest.param("h200", 1980, 1830, id="an H200 cannot hold a lock above 1830"),
        pytest.param("h200", 1500, 1500, id="below that it can"),
        pytest.param("h100", 1980, 1980, id="an H100 can at full clock"),
        pytest.param("h100", 1000, 990, id="clocks come in steps of 15 MHz"),
        pytest.param("h100", 100, 345, id="no clock below the slowest"),
        pytest.param("h100-nvl", 1980, 1680, id="no clock above the fastest"),
    ],
)
def test_a_lock_is_held_as_far_as_the_product_can(product: str, asked: int, held: int):
    gpu = Gpu(PRODUCTS[product], "a")
    gpu.lock_clocks(345, asked)
    gpu.advance(2.0, memory_bound(100.0))
    assert gpu.clock_mhz == held


def test_a_reset_gives_the_h200_what_no_lock_can():
    gpu = Gpu(PRODUCTS["h200"], "a")
    gpu.lock_clocks(1980, 1980)
    gpu.advance(2.0, memory_bound(100.0))
    gpu.reset_clocks()
    gpu.advance(4.0, memory_bound(100.0))
    assert gpu.clock_mhz == 1980


def test_a_clock_change_settles_within_a_second_and_not_at_once():
    gpu = h100()
    gpu.advance(1.0, memory_bound(280.0))
    gpu.lock_clocks(345, 345)
    gpu.advance(1.1, memory_bound(280.0))
    assert 345 < gpu.clock_mhz < 1980
    gpu.advance(2.05, memory_bound(280.0))
    assert gpu.clock_mhz == 345


def test_a_limit_takes_the_clock_down_and_says_so():
    gpu = h100()
    gpu.set_limit(400.0)
    gpu.advance(10.0, compute_bound(600.0))
    assert gpu.watts <= 400.0
    assert gpu.watts > 390.0
    assert gpu.clock_mhz < 1980
    assert gpu.reasons == EventReason.SW_POWER_CAP


def test_a_limit_above_the_natural_draw_does_nothing():
    gpu = h100()
    gpu.set_limit(600.0)
    gpu.advance(10.0, memory_bound(280.0))
    assert (gpu.clock_mhz, gpu.reasons) == (1980, EventReason(0))


@pytest.mark.parametrize("product", PRODUCTS.values(), ids=lambda product: product.name)
def test_a_limit_is_kept_within_the_products_range(product):
    gpu = Gpu(product, "a")
    gpu.set_limit(1.0)
    assert gpu.limit_watts == product.min_watts
    gpu.set_limit(1e6)
    assert gpu.limit_watts == product.max_watts


def test_where_the_slowest_clock_draws_too_much_work_stops_part_of_the_time():
    gpu = h100()
    load = memory_bound(280.0)
    gpu.set_limit(200.0)
    gpu.advance(10.0, load)
    assert gpu.watts == pytest.approx(200.0, abs=0.5)
    assert gpu.clock_mhz == 345
    assert gpu.step_seconds_for(load) > 1.5


def test_heat_slows_the_clock_before_the_die_is_hurt():
    gpu = h100(inlet_celsius=55.0)
    gpu.advance(1200.0, compute_bound(600.0))
    assert gpu.clock_mhz < 1860
    assert gpu.reasons & EventReason.SW_THERMAL
    assert gpu.throttled_seconds > 100
    assert gpu.celsius < 90.0
    gpu.set_inlet(20.0)
    gpu.advance(2400.0, compute_bound(400.0))
    assert (gpu.clock_mhz, gpu.reasons) == (1980, EventReason(0))


def test_air_too_hot_for_the_clock_alone_is_a_hardware_slowdown():
    gpu = h100(inlet_celsius=75.0)
    gpu.advance(2.0, compute_bound(600.0))
    assert gpu.reasons & EventReason.HW_THERMAL
    assert gpu.reasons & EventReason.HW_SLOWDOWN
    assert gpu.clock_mhz <= 990


@given(st.lists(st.tuples(st.floats(0.01, 10.0), LOADS), max_size=10))
@settings(max_examples=40, deadline=None)
def test_energy_is_the_integral_of_power(stretches):
    gpu = h100()
    joules = 0.0
    for seconds, load in stretches:
        end = gpu.now_seconds + seconds
        while gpu.now_seconds < end:
            watts, start = gpu.watts_for(load), gpu.now_seconds
            gpu.advance(min(end, start + 0.2), load)
            joules += watts * (gpu.now_seconds - start)
    assert gpu.energy_joules == pytest.approx(joules)


@given(st.lists(st.floats(0.001, 0.4), min_size=30, max_size=60))
@settings(max_examples=30, deadline=None)
def test_the_average_is_that_of_the_last_second_on_the_grid(steps):
    gpu = h100()
    history = [(0.0, 0.0)]
    for number, seconds in enumerate(steps):
        gpu.advance(gpu.now_seconds + seconds, memory_bound(280.0) if number % 3 else IDLE)
        history.append((gpu.now_seconds, gpu.energy_joules))
    if gpu.now_seconds < 2.0:
        return
    tick = int(gpu.now_seconds * 10 + 1e-9) / 10

    def at(when: float) -> float:
        for (t0, e0), (t1, e1) in pairwise(history):
            if t0 <= when <= t1:
                return e0 + (e1 - e0) * (when - t0) / (t1 - t0)
        return history[-1][1]

    assert gpu.watts == pytest.approx(at(tick) - at(tick - 1.0), rel=0.02)


def test_readings_change_every_tenth_of_a_second():
    gpu = h100()
    gpu.advance(5.0, IDLE)
    seen = []
    for number in range(40):
        gpu.advance(5.0 + 0.02 * (number + 1), memory_bound(280.0))
        seen.append((round(gpu.watts, 6), round(gpu.instant_watts, 6)))
    assert 7 <= len(set(seen)) <= 9


@given(
    st.sampled_from(sorted(PRODUCTS)),
    st.sampled_from(sorted(SHAPES)),
    st.lists(st.tuples(LOADS, st.floats(200.0, 700.0), st.integers(300, 2000)), min_size=1, max_size=8),
    st.floats(15.0, 45.0),
)
@settings(max_examples=60, deadline=None)
def test_no_second_after_settling_is_above_limit_or_lock(product, shape, stretches, inlet):
    gpu = Gpu(PRODUCTS[product], "a", shape=SHAPES[shape], inlet_celsius=inlet)
    for load, limit, lock in stretches:
        gpu.set_limit(limit)
        gpu.lock_clocks(300, lock)
        gpu.advance(gpu.now_seconds + 1.0, load)
        for _ in range(8):
            gpu.advance(gpu.now_seconds + 1.0, load)
        assert gpu.instant_watts <= max(gpu.limit_watts, gpu.product.floor_watts) * 1.01
        assert gpu.clock_mhz <= max(lock, gpu.product.min_mhz)


def test_more_power_is_never_cooler():
    celsius = []
    for watts in range(0, 600, 50):
        gpu = h100()
        gpu.advance(300.0, memory_bound(float(watts)))
        celsius.append(gpu.celsius)
    assert celsius == sorted(celsius)


def test_the_die_warms_in_three_stages():
    gpu = h100()
    gpu.advance(10.0, IDLE)
    start = gpu.celsius
    rises = []
    for seconds in (1.0, 20.0, 600.0):
        gpu.advance(10.0 + seconds, compute_bound(550.0))
        rises.append(gpu.celsius - start)
    assert rises[0] == pytest.approx(13.0, abs=3.0)
    assert rises[1] == pytest.approx(24.0, abs=4.0)
    assert rises[2] == pytest.approx(37.0, abs=4.0)


def test_the_same_hours_in_one_call_or_many_are_the_same():
    one, many = h100(), h100()
    one.advance(3600.0, IDLE)
    for number in range(3600):
        many.advance(float(number + 1), IDLE)
    assert one.energy_joules == pytest.approx(many.energy_joules, rel=1e-3)
    assert one.celsius == pytest.approx(many.celsius, abs=0.1)


def test_a_sensor_that_covers_a_quarter_of_the_time_sees_what_happened_then():
    meter = Meter(0.0, 100.0, sampled_seconds=0.025)
    for until, watts in ((0.025, 700.0), (0.05, 100.0), (0.075, 100.0), (0.1, 100.0)):
        meter.add(until, watts)

    assert meter.instant_watts == pytest.approx(700.0)
