"""One run of the mix under one order, as a case: what became of its first tokens."""

from dataclasses import dataclass
from functools import lru_cache

from bench.papers.medha.engine import GPUS, Objective, Served, physics, run, work_seconds
from bench.papers.medha.workload import LONG_MEDIAN, LONG_SHARE, mix
from bench.papers.study import Json

from wattline.policy.slack import Rule, SlackSpec
from wattline.world.physics import ATTENTION_SHARE

WARM_UP = 0.1
"""Of the arrivals, first in time, which do not count."""
DRAIN_SECONDS = 600.0
QUANTILES = (0.5, 0.9, 0.99)


@dataclass(frozen=True, slots=True)
class Case:
    """One run."""

    seed: int
    load: float
    """In shares of what the replica can compute of this mix."""
    seconds: float
    path: str | None
    rule: str = Rule.RELATIVE_SLACK.value
    fills: bool = True
    part: str = "all"
    """``short``: without the long ones; ``long``: only these."""
    gpus: int = GPUS
    """That it runs on; the load is still that of all."""
    attention_share: float = ATTENTION_SHARE
    median: float = LONG_MEDIAN
    within_seconds: float = 0.5
    within_times: float = 2.0
    error: float = 1.0
    budget_seconds: float = 0.02


@lru_cache(maxsize=16)
def capacity(attention_share: float, median: float, path: str | None) -> float:
    """Return how many requests of the mix a second has the work of one second."""
    model = physics(GPUS, attention_share)
    sample = mix(10_000, 20_000.0, 1.0, path, long_share=LONG_SHARE, median=median)
    return len(sample) / sum(work_seconds(model, 0, one.tokens, 0.02) for one in sample)


def played(case: Case) -> Json:
    """Return the quantiles of first tokens and what was finished."""
    rate = case.load * capacity(case.attention_share, case.median, case.path)
    share = 0.0 if case.part == "short" else LONG_SHARE
    asked = mix(case.seed, case.seconds, rate, case.path, long_share=share, median=case.median)
    if case.part == "long":
        asked = tuple(one for one in asked if one.long)
    spec = SlackSpec(rule=Rule(case.rule), fills=case.fills, budget_seconds=case.budget_seconds)
    outcome = run(
        spec,
        asked,
        case.seconds + DRAIN_SECONDS,
        model=physics(case.gpus, case.attention_share),
        objective=Objective(case.within_seconds, case.within_times),
        error=case.error,
    )
    counted = [one for one in outcome.served if one.asked.at_seconds >= WARM_UP * case.seconds]
    long = [one for one in counted if one.asked.long]
    end = case.seconds + DRAIN_SECONDS
    inside = [one.first_seconds is not None and one.first_seconds <= one.within_seconds for one in counted]
    in_time = [
        one
        for one in outcome.served
        if one.asked.long and one.first_seconds is not None and _done(one) <= case.seconds
    ]
    return {
        "requests": len(counted),
        "seconds": _quantiles([_first(one, end) for one in counted]),
        "normal": _quantiles([_first(one, end) / one.work_seconds for one in counted]),
        "long": _quantiles([_first(one, end) / one.work_seconds for one in long]),
        "inside": 100 * sum(inside) / max(1, len(inside)),
        "long_done": len(in_time),
        "long_asked": sum(one.asked.long for one in outcome.served),
        "unfinished": sum(one.first_seconds is None for one in outcome.served),
        "late": 100 * outcome.late_iterations,
        "peak_tokens": outcome.peak_tokens,
        "iterations": outcome.iterations,
    }


def _done(one: Served) -> float:
    return one.asked.at_seconds + (one.first_seconds or 0.0)


def _first(one: Served, end_seconds: float) -> float:
    """Return the wait for the first token, at least as long as it was seen to be."""
    return end_seconds - one.asked.at_seconds if one.first_seconds is None else one.first_seconds


def _quantiles(values: list[float]) -> list[float]:
    ranked = sorted(values) or [0.0]
    return [ranked[min(len(ranked) - 1, int(share * len(ranked)))] for share in QUANTILES]
