"""Where energy is least, and what service costs at other clocks: outcomes of the model, held within what is known."""

import pytest

from wattline.world.curve import PERSEUS, SHAPES
from wattline.world.engines import ENGINES
from wattline.world.knee import knee
from wattline.world.power import PowerModel
from wattline.world.steady import Service, steady

CODER = "Qwen/Qwen3-Coder-30B-A3B-Instruct"


@pytest.mark.parametrize("shape", SHAPES.values(), ids=lambda shape: shape.name)
@pytest.mark.parametrize("sequences", [1, 16, 48])
def test_energy_per_token_is_least_below_full_clock_and_above_the_slowest(shape, sequences: int):
    physics = ENGINES[CODER, "h100-nvl", 1]
    found = knee(
        physics, PowerModel(physics.product, shape), Service(sequences, 600, 200, cached_tokens=8000)
    )
    assert 600 < found.clock_mhz < 1500
    assert 0.05 < found.saving_ratio < 0.4
    assert 0.6 < found.rate_ratio <= 1.0


@pytest.mark.parametrize("sequences", [1, 8, 16])
def test_decode_on_an_h200_pays_seven_to_thirteen_percent_for_the_last_400_mhz(sequences: int):
    physics = ENGINES[CODER, "h200", 1]
    power = PowerModel(physics.product, PERSEUS)
    load = physics.step(sequences, sequences * 2000)
    fast, slow = (power.settled(load, power.index_of(mhz)) for mhz in (1980, 1590))
    assert 1.065 <= fast.watts / slow.watts <= 1.135
    assert power.step_seconds(load, slow) <= 1.001 * power.step_seconds(load, fast)


def test_more_sequences_cost_less_energy_a_token():
    physics = ENGINES[CODER, "h100", 2]
    power = PowerModel(physics.product, PERSEUS)
    joules = []
    for sequences in (1, 2, 4, 8, 16, 32):
        now = steady(physics, power, 1980, Service(sequences, 600, 200, cached_tokens=8000))
        joules.append(now.watts / now.tokens_per_second)
    assert joules == sorted(joules, reverse=True)
