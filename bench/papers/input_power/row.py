"""A row of GPUs whose draw depends on what they compute: contents that drift, a plan every few minutes, watts every ten seconds."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import erf, exp, sqrt

import numpy as np
from numpy.typing import NDArray

from wattline.policy.quantile import Claim, Key, QuantileSpec, Ratios, decide
from wattline.world.curve import PERSEUS
from wattline.world.engine import ENGINES
from wattline.world.power import PowerModel
from wattline.world.steady import Service, steady

EPOCH_SECONDS = 10.0
PLAN_EPOCHS = 30
SAMPLE_EPOCHS = 3
"""Residuals are learnt every half minute."""
TENANTS = 4
REPLICAS = 32
CALIBRATED = 0.9
"""Content on which the power model was fitted: realistic data."""
WARM_UP = 0.25
Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class World:
    """How contents differ."""

    low: float = 0.8
    high: float = 1.0
    """Bounds of the factor on dynamic power."""
    tenant_share: float = 0.5
    """Of that range, which tenants differ by; within the rest their content drifts."""
    correlation: float = 0.5
    """Of the drifts of two replicas [R]."""
    drift_seconds: float = 600.0
    """How long a content lasts [R]."""
    error_ratio: float = 0.01
    """Standard deviation of what else a model gets wrong, each epoch anew [R]."""
    budget_ratio: float = 0.85
    """Of what the model predicts for all at full clock."""
    calibrated: float = CALIBRATED


@dataclass(frozen=True, slots=True)
class Operation:
    """A replica at one clock by the model."""

    watts: float
    idle_watts: float
    tokens_per_second: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a budget."""

    violated: float
    """Share of the epochs over it."""
    worst: float
    """Most that was drawn above it, as a share of it."""
    unused: float
    """Mean share of it that was not drawn."""
    tokens_per_second: float
    throttled: float = 0.0
    """Share of replicas and epochs held down by a limit of their own."""


Planner = Callable[[dict[Key, Ratios], Sequence[Claim], float], float]
"""Watts that a plan sets aside, from what was learnt, the claims, and the correlation measured so far."""


@lru_cache(maxsize=1)
def operations() -> tuple[Operation, ...]:
    """Return what a replica of Qwen3-14B on an H100 draws and does in steady service, by clock, slowest first."""
    physics = ENGINES[("Qwen/Qwen3-14B", "h100", 1)]
    power = PowerModel(physics.product, PERSEUS)
    service = Service(48.0, 1500.0, 300.0)
    out = []
    for mhz in power.clocks_mhz:
        found = steady(physics, power, mhz, service)
        out.append(Operation(found.watts, physics.product.idle_watts, found.tokens_per_second))
    return tuple(out)


def contents(seed: int, world: World, epochs: int) -> Array:
    """Return the content factor of each replica in each epoch: a drift around its tenant's own."""
    rng = np.random.default_rng([seed, 10])
    middle, half = (world.low + world.high) / 2, (world.high - world.low) / 2
    own = middle + half * world.tenant_share * rng.uniform(-1.0, 1.0, TENANTS)
    keep = exp(-EPOCH_SECONDS / world.drift_seconds)
    fresh = sqrt(1.0 - keep * keep)
    common, apart = rng.standard_normal(), rng.standard_normal(REPLICAS)
    tenants = np.arange(REPLICAS) % TENANTS
    out = np.empty((epochs, REPLICAS))
    for epoch in range(epochs):
        common = keep * common + fresh * rng.standard_normal()
        apart = keep * apart + fresh * rng.standard_normal(REPLICAS)
        normal = sqrt(world.correlation) * common + sqrt(1.0 - world.correlation) * apart
        even = np.array([erf(value / sqrt(2.0)) for value in normal])
        out[epoch] = own[tenants] + half * (1.0 - world.tenant_share) * even
    return out


def keys(*, pooled: bool = False) -> list[Key]:
    """Return whose content each replica computes."""
    return [
        Key("qwen3-14b", "bf16", "" if pooled else f"tenant-{index % TENANTS}") for index in range(REPLICAS)
    ]


def played(
    seed: int, world: World, epochs: int, planner: Planner, *, pooled: bool = False, spec: QuantileSpec, limits: bool = False
) -> Outcome:  # fmt: skip
    """Plan every five minutes the fastest common clock whose watts fit the budget, and see what is drawn.

    With ``limits`` every GPU has its share of the budget as its own power limit: nothing is over, some are held down.
    """
    table = operations()
    factor = contents(seed, world, epochs)
    errors = 1.0 + world.error_ratio * np.random.default_rng([seed, 11]).standard_normal((epochs, REPLICAS))
    budget = world.budget_ratio * REPLICAS * table[-1].watts
    whose = keys(pooled=pooled)
    seen: dict[Key, Ratios] = {}
    history: list[Array] = []
    clock = 0
    drawn, tokens, held = np.zeros(epochs), np.zeros(epochs), np.zeros(epochs)
    for epoch in range(epochs):
        if epoch % PLAN_EPOCHS == 0:
            correlation = _correlation(history)
            clock = _fastest(table, budget, whose, seen, planner, correlation)
        now = table[clock]
        dynamic = (now.watts - now.idle_watts) * factor[epoch] / world.calibrated
        watts = (now.idle_watts + dynamic) * errors[epoch]
        if epoch % SAMPLE_EPOCHS == 0:
            for key, measured in zip(whose, watts, strict=True):
                seen[key] = seen.get(key, Ratios()).after(spec, now.watts, float(measured))
            history.append(watts / now.watts)
        if limits:
            share = budget / REPLICAS
            over = watts > share
            held[epoch] = over.mean()
            slower = np.where(over, _slowed(table, clock, share / watts), now.tokens_per_second)
            tokens[epoch] = slower.sum()
            watts = np.minimum(watts, share)
        else:
            tokens[epoch] = REPLICAS * now.tokens_per_second
        drawn[epoch] = watts.sum()
    after = int(WARM_UP * epochs)
    drawn = drawn[after:]
    return Outcome(
        violated=float((drawn > budget).mean()),
        worst=float(max(0.0, drawn.max() / budget - 1.0)),
        unused=float(1.0 - drawn.mean() / budget),
        tokens_per_second=float(tokens[after:].mean()),
        throttled=float(held[after:].mean()),
    )


def _fastest(
    table: Sequence[Operation], budget: float, whose: Sequence[Key], seen: dict[Key, Ratios], planner: Planner, correlation: float
) -> int:  # fmt: skip
    """Return the fastest clock whose plan fits; the slowest where none does."""
    low, high = 0, len(table)
    while high - low > 1:
        middle = (low + high) // 2
        claims = [Claim(key, table[middle].watts) for key in whose]
        if planner(seen, claims, correlation) <= budget:
            low = middle
        else:
            high = middle
    return low


def _slowed(table: Sequence[Operation], clock: int, ratios: Array) -> Array:
    """Return the tokens of replicas whose draw has to fall to a share of itself: those of the clock that draws so little."""
    watts = np.array([one.watts for one in table])
    tokens = np.array([one.tokens_per_second for one in table])
    return np.interp(ratios * watts[clock], watts, tokens)


def _correlation(history: Sequence[Array]) -> float:
    """Return the correlation of the residuals of two replicas, on average, as far as it was seen; 1 while too little was."""
    if len(history) < 120:
        return 1.0
    values = np.array(history[-2000:])
    values = values - values.mean(axis=0)
    single = float((values**2).mean(axis=0).sum())
    total = float((values.sum(axis=1) ** 2).mean())
    deviations = np.sqrt((values**2).mean(axis=0))
    cross = float(deviations.sum() ** 2 - (deviations**2).sum())
    return min(1.0, max(0.0, (total - single) / cross)) if cross > 0 else 1.0


def by_quantile(spec: QuantileSpec) -> Planner:
    """Return the policy as it is."""
    return lambda seen, claims, _: decide(spec, seen, claims).watts


def by_measured(spec: QuantileSpec) -> Planner:
    """Return the policy with the correlation that was measured."""
    return lambda seen, claims, correlation: decide(
        QuantileSpec(spec.exceed_ratio, spec.most_ratio, spec.memory_samples, spec.least_samples, correlation), seen, claims
    ).watts  # fmt: skip


def by_mean(spec: QuantileSpec, margin: float = 0.0) -> Planner:
    """Return a plan with the mean, and a margin."""
    return lambda seen, claims, _: decide(spec, seen, claims).mean_watts * (1.0 + margin)


def by_model(most: float = 0.0) -> Planner:
    """Return a plan with the model alone, and a margin."""
    return lambda _seen, claims, _: sum(claim.predicted_watts for claim in claims) * (1.0 + most)
