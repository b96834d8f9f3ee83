"""The paper's own model of a query's energy, drawn at random: everything here is arithmetic from its inputs."""

from dataclasses import dataclass
from math import exp, log

import numpy as np

NODE_KILOWATTS = 11.3
"""Most that a node of eight H100s draws [S]."""
POWER_SHARES = (0.4, 0.7, 0.9)
"""P5, centre and P95 of node power as a share of the most [S]. No lognormal has all three: ours has the centre as its median
and the ratio of the other two as its spread, and is clipped to 1."""
PUE_P5, PUE_P95 = 1.05, 1.40
"""[S]"""
NORMAL_P95 = 1.6449
SHORT_TOKENS, LONG_TOKENS = 300.0, 5000.0
"""Median answers, ordinary and with test-time scaling [S]."""
SHORT_RATE, LONG_RATE = 2300.0, 3050.0
"""Tokens per second of a node that the medians of the first version imply [C]; the paper's regression is unknown."""
LATER_SHORT_RATE, LATER_LONG_RATE = 2520.0, 3370.0
"""The same for the second version [C]."""


@dataclass(frozen=True, slots=True)
class Inputs:
    """One Monte Carlo."""

    seed: int
    draws: int
    median_tokens: float
    tokens_per_second: float


@dataclass(frozen=True, slots=True)
class Drawn:
    """Queries of one Monte Carlo."""

    watt_hours: np.ndarray
    power_above_most_ratio: float
    """Part of the draws of power that the clip takes down."""

    def quartiles(self) -> tuple[float, float, float]:
        """Return lower quartile, median and upper quartile in Wh."""
        low, middle, high = np.quantile(self.watt_hours, (0.25, 0.5, 0.75))
        return float(low), float(middle), float(high)


def lognormal(rng: np.random.Generator, median: float, low: float, high: float, draws: int) -> np.ndarray:
    """Return draws whose median is given and whose P95 is to P5 as ``high`` is to ``low``."""
    return np.exp(rng.normal(log(median), log(high / low) / (2 * NORMAL_P95), draws))


def pue(rng: np.random.Generator, draws: int) -> np.ndarray:
    """Return draws of the ratio of a building's power to that of its computers."""
    return lognormal(rng, exp((log(PUE_P5) + log(PUE_P95)) / 2), PUE_P5, PUE_P95, draws)


def watt_hours(
    pue_ratio: np.ndarray | float, kilowatts: np.ndarray | float, tokens: np.ndarray | float, rate: np.ndarray | float
) -> np.ndarray:  # fmt: skip
    """Return ``PUE × P / (3.6 × TPS) × L``: kilowatts times seconds are kilojoules, and 3.6 of those are a Wh."""
    return np.asarray(pue_ratio * kilowatts / (3.6 * rate) * tokens)


def play(inputs: Inputs) -> Drawn:
    """Return a Monte Carlo with one throughput for all queries."""
    rng = np.random.default_rng(inputs.seed)
    low, centre, high = POWER_SHARES
    shares = lognormal(rng, centre, low, high, inputs.draws)
    tokens = rng.exponential(inputs.median_tokens / log(2.0), inputs.draws)
    energy = watt_hours(
        pue(rng, inputs.draws), NODE_KILOWATTS * np.minimum(shares, 1.0), tokens, inputs.tokens_per_second
    )
    return Drawn(energy, float((shares > 1.0).mean()))
