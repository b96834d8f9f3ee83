"""Worlds drawn from a seed: inside their ranges, the same for the same seed, and physics that move as they say."""

from random import Random

import pytest

from wattline.world.drawn import CROSSOVERS, EXPONENTS, INDEPENDENT_SHARES, KV_RATIOS, drawn
from wattline.world.engines import ENGINES
from wattline.world.power import PowerModel

BASE = ENGINES["Qwen/Qwen3-Coder-30B-A3B-Instruct", "h100", 1]


def one(seed):
    return drawn(BASE, Random(seed))


@pytest.mark.parametrize("seed", range(20))
def test_every_draw_lies_in_its_range(seed):
    world = one(seed)
    for value, (least, most) in (
        (world.exponent, EXPONENTS), (world.independent_share, INDEPENDENT_SHARES),
        (world.crossover, CROSSOVERS), (world.kv_ratio, KV_RATIOS),
    ):  # fmt: skip
        assert least <= value <= most


def test_the_same_seed_draws_the_same_world():
    assert one(3).physics == one(3).physics
    assert one(3).exponent != one(4).exponent


@pytest.mark.parametrize("seed", range(5))
def test_decoding_is_slowed_by_the_clock_below_the_crossover_alone(seed):
    world = one(seed)
    step = world.physics.step(16, 16 * 4000)
    above, below = (world.crossover + 1e-6, world.crossover * 0.9)
    assert step.step_seconds(1 / above) == pytest.approx(step.step_seconds(1.0))
    assert step.step_seconds(1 / below) > step.step_seconds(1.0) * 1.01


@pytest.mark.parametrize("seed", range(5))
def test_what_does_not_follow_the_clock_is_the_share_that_was_drawn(seed):
    world = one(seed)
    power = world.shape.total_power_ratio
    assert power(1.0, 0.1) == pytest.approx(1.0)
    assert power(1e-6, 0.1) == pytest.approx(world.independent_share, abs=1e-3)


@pytest.mark.parametrize("seed", range(5))
def test_power_rises_with_the_clock(seed):
    world = one(seed)
    model = PowerModel(world.physics.product, world.shape)
    load = world.physics.step(16, 16 * 4000, prefill_tokens=2000, prefill_context_tokens=4000)
    watts = [model.watts(load, index, 50.0) for index in range(len(model.clocks_mhz))]
    assert watts == sorted(watts)


def test_thicker_contexts_leave_room_for_fewer_tokens():
    for seed in range(10):
        world = one(seed)
        assert (world.physics.capacity_tokens < BASE.capacity_tokens) is (world.kv_ratio > 1)
