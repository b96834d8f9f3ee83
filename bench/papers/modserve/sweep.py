"""One fleet at one load, and the most load that it carries within the objective."""

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from bench.papers.modserve import asked
from bench.papers.modserve.asked import Request
from bench.papers.modserve.cluster import LATE, MODELS, Fleet, Stages, first_tokens

GPUS = 32
THEIRS = Fleet(GPUS // 4, 4)
"""What the paper sets its own against: four GPUs for everything, turn by turn."""
WARM_UP = 0.1
WITHIN = 0.99
HALVINGS = 7


@dataclass(frozen=True)
class Case:
    """One fleet, one trace."""

    model: str
    servers: int
    gpus_each: int
    encoders: int
    ordered: bool
    spread: bool
    seed: int
    count: int
    dataset: str | None
    windows: str | None
    azure: str | None
    rate: float = 0.0
    """Requests a second; the most within the objective is looked for at zero."""
    late: float = LATE
    encode_ratio: float = 1.0


def play(case: Case) -> dict[str, Any]:
    """Return what comes of a case at its rate, or at the most it carries."""
    if case.rate:
        return at_rate(case)
    low, high = 0.0, 1.0
    while _inside(replace(case, rate=high)) and high < 4096:
        low, high = high, 2.0 * high
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        if _inside(replace(case, rate=middle)):
            low = middle
        else:
            high = middle
    return at_rate(replace(case, rate=max(low, 1e-3)))


def at_rate(case: Case) -> dict[str, Any]:
    """Return the measures at one rate; a request is late by what it, or a mean one, takes alone on the paper's baseline."""
    requests = trace(case.model, case.seed, case.count, case.dataset, case.windows, case.azure)
    fleet = Fleet(case.servers, case.gpus_each, case.encoders, case.ordered, case.spread)
    stages = Stages(MODELS[case.model], fleet, case.encode_ratio)
    alone = Stages(MODELS[case.model], THEIRS, case.encode_ratio)
    each_alone = [alone.alone_seconds(each) for each in requests]
    # nobody's objective is shorter than a mean request's: engines work in steps that others are part of
    mean = sum(each_alone) / len(each_alone)
    objectives = [case.late * max(each, mean) for each in each_alone]
    found = first_tokens(requests, case.rate, fleet, stages)
    first = round(WARM_UP * len(requests))
    kept, bounds = found[first:], objectives[first:]
    ranked = sorted(kept)
    encode, prefill = _work(requests, stages)
    if fleet.encoders:
        busy = max(encode * case.rate / fleet.encoders, prefill * case.rate / fleet.servers)
    else:
        busy = (encode + prefill) * case.rate / fleet.servers
    return {
        "rate": case.rate,
        "p99": ranked[int(0.99 * (len(ranked) - 1))],
        "mean": sum(kept) / len(kept),
        "inside": sum(a <= b for a, b in zip(kept, bounds, strict=True)) / len(kept),
        "busy": busy,
        "encode_seconds": encode,
        "prefill_seconds": prefill,
        "encode_share": _encode_share(requests, stages),
    }


@lru_cache(maxsize=4)
def trace(
    model: str, seed: int, count: int, dataset: str | None, windows: str | None, azure: str | None
) -> tuple[Request, ...]:
    """Return the requests of a seed, images in the model's own tokens."""
    of = MODELS[model]
    return tuple(
        replace(each, images=tuple(map(of.image_tokens, each.images)))
        for each in asked.requests(seed, count, dataset, windows, azure)
    )


def _inside(case: Case) -> bool:
    return bool(at_rate(case)["inside"] >= WITHIN)


def _work(requests: tuple[Request, ...], stages: Stages) -> tuple[float, float]:
    """Return the mean seconds of encoding and of prefill of a request."""
    count = len(requests)
    return (
        sum(stages.encode_seconds(sum(each.images)) for each in requests) / count,
        sum(stages.prefill_seconds(stages.text_tokens(each)) for each in requests) / count,
    )


def _encode_share(requests: tuple[Request, ...], stages: Stages) -> float:
    """Return the mean share of encoding in the first token of requests with images, alone."""
    shares = [
        stages.encode_seconds(sum(each.images)) / stages.alone_seconds(each)
        for each in requests
        if each.images
    ]
    return sum(shares) / len(shares)
