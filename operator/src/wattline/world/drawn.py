"""Worlds nobody has measured: an engine whose GPU follows a law drawn from a seed.

What a policy must not rely on is moved: how steeply power follows the clock, how much of it does not, where a decode step
stops waiting for memory and starts to wait for the clock, and how much memory a token of context takes.
"""

from dataclasses import dataclass, replace
from functools import partial
from random import Random

from wattline.world.curve import PowerShape
from wattline.world.engines import capacity_tokens
from wattline.world.physics import EnginePhysics

EXPONENTS = (1.05, 3.0)
"""Of the part of the power that follows the clock: 1.05 fits what KAIROS reports, 3 is voltage scaling by the book."""
INDEPENDENT_SHARES = (0.30, 0.75)
"""Of the power under full load, what does not follow the clock."""
CROSSOVERS = (0.35, 0.95)
"""Share of the fastest clock below which decoding is slowed by the clock [ours]."""
KV_RATIOS = (0.7, 1.3)
"""Memory of a token of context against the published architecture's."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """One such world."""

    exponent: float
    independent_share: float
    crossover: float
    kv_ratio: float
    physics: EnginePhysics
    shape: PowerShape


def drawn(base: EnginePhysics, rng: Random) -> Drawn:
    """Return ``base`` under a law drawn from ``rng``; the fitted batch and prompt times stay."""
    exponent, independent, crossover, kv_ratio = (
        rng.uniform(*span) for span in (EXPONENTS, INDEPENDENT_SHARES, CROSSOVERS, KV_RATIOS)
    )
    product = base.product
    reached = product.bandwidth_bytes_per_second * base.fit.bandwidth_share
    architecture = replace(
        base.architecture, kv_bytes_per_token=base.architecture.kv_bytes_per_token * kv_ratio
    )
    physics = replace(
        base,
        architecture=architecture,
        product=replace(product, on_chip_bytes_per_second=reached / crossover),
        capacity_tokens=capacity_tokens(architecture, product, base.gpus),
        source="drawn",
    )
    shape = PowerShape(
        "drawn",
        partial(_power, exponent, independent),
        _inverse,
        memory_clock_share=1.0,  # all of the draw follows the one law
    )
    return Drawn(exponent, independent, crossover, kv_ratio, physics, shape)


def _power(exponent: float, independent_share: float, ratio: float, idle_share: float) -> float:
    """Return power against that at full clock; a card that idles above the drawn share keeps what it idles at."""
    least = max(independent_share, idle_share)
    return float(least + (1.0 - least) * ratio**exponent)


def _inverse(ratio: float) -> float:
    return 1.0 / ratio
