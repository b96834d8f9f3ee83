"""The same Monte Carlo with throughput and power of our node in place of the paper's."""

from dataclasses import dataclass
from math import log

import numpy as np
from bench.papers.energy_per_query.montecarlo import pue, watt_hours
from bench.papers.energy_per_query.node import Choice, served
from scipy.interpolate import RegularGridInterpolator

LEAST_SHARE, MOST_SHARE = 0.1, 1.0
"""Between which a node's filling is drawn evenly; ours, for loads of a day."""
LEAST_TOKENS, MOST_TOKENS = 16.0, 30_000.0
"""Answers outside are taken for these."""


@dataclass(frozen=True, slots=True)
class Queries:
    """One Monte Carlo."""

    seed: int
    draws: int
    median_tokens: float
    long_ratio: float = 0.0
    """Part of the queries with answers of ``long_tokens``."""
    long_tokens: float = 5000.0
    overhead_watts: float = Choice().overhead_watts
    compute_ratio: float = Choice().compute_ratio
    bandwidth_ratio: float = 1.0
    least_share: float = LEAST_SHARE


def play(queries: Queries) -> dict[str, float]:
    """Return quartiles and mean in Wh, and the median of the node's watts as a share of 11.3 kW."""
    rng = np.random.default_rng(queries.seed)
    is_long = rng.random(queries.draws) < queries.long_ratio
    median = np.where(is_long, queries.long_tokens, queries.median_tokens)
    tokens = rng.exponential(1.0, queries.draws) * median / log(2.0)
    shares = rng.uniform(queries.least_share, MOST_SHARE, queries.draws)
    rate, watts = _node(queries, np.clip(tokens, LEAST_TOKENS, MOST_TOKENS), shares)
    energy = watt_hours(pue(rng, queries.draws), watts / 1e3, tokens, rate)
    low, middle, high = (float(value) for value in np.quantile(energy, (0.25, 0.5, 0.75)))
    return {
        "low": low,
        "median": middle,
        "high": high,
        "mean": float(energy.mean()),
        "power_share": float(np.median(watts)) / 11_300,
        "rate": float(np.median(rate)),
    }


def _node(queries: Queries, tokens: np.ndarray, shares: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return tokens per second and watts for each query, between points that were computed."""
    lengths = np.geomspace(LEAST_TOKENS, MOST_TOKENS, 16)
    fillings = np.linspace(queries.least_share, MOST_SHARE, 8)
    table = np.empty((lengths.size, fillings.size, 2))
    for row, length in enumerate(lengths):
        for column, share in enumerate(fillings):
            now = served(
                Choice(
                    share=float(share),
                    overhead_watts=queries.overhead_watts,
                    compute_ratio=queries.compute_ratio,
                    bandwidth_ratio=queries.bandwidth_ratio,
                ),
                float(length),
            )
            table[row, column] = log(now.tokens_per_second), now.watts
    points = np.column_stack([np.log(tokens), shares])
    found = RegularGridInterpolator((np.log(lengths), fillings), table)(points)
    return np.exp(found[:, 0]), found[:, 1]
