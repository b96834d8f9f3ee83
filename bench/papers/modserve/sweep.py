"""One fleet at one load, and the most load that it carries within the objective."""

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from bench.papers.modserve import asked
from bench.papers.modserve.asked import Request
from bench.papers.modserve.cluster import MODELS, Fleet, Stages, first_tokens

GPUS = 32
THEIRS = Fleet(GPUS // 4, 4)
"""What the paper sets its own against: four GPUs for everything, turn by turn; 32 of them on 128 GPUs [P §5.2]. Ours are
four of its sixteen machines, the fewest of its sweep over machines."""
LATE = 8.0
"""The objective is so many times what a request of the class takes alone on the paper's baseline; the paper's factor is not
given."""
MEDIAN_TEXT_TOKENS = 1_020
"""Of Azure's conversations."""
MEDIAN_BESIDE_TOKENS, MEDIAN_IMAGE_TOKENS = 106, 646
"""Of ServeGen's texts with images, and of the image where it is one, as it counts them: some 710 pixels square."""
WARM_UP = 0.1
WITHIN = 0.99
HALVINGS = 8


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
    image_share: float = asked.IMAGE_SHARE


def play(case: Case) -> dict[str, Any]:
    """Return what comes of a case at its rate, or at the most it carries; where the objective is missed even idle, at the least
    that would be told from none."""
    if case.rate:
        return at_rate(case)
    low, high = 0.0, _full(case)
    idle = at_rate(replace(case, rate=high / 2**HALVINGS))
    if idle["inside"] < WITHIN:
        return idle
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        if at_rate(replace(case, rate=middle))["inside"] >= WITHIN:
            low = middle
        else:
            high = middle
    return at_rate(replace(case, rate=low or idle["rate"]))


def at_rate(case: Case) -> dict[str, Any]:
    """Return the measures at one rate."""
    requests, fleet, stages = _parts(case)
    text, image = alone_seconds(case)
    objectives = [case.late * (image if each.images else text) for each in requests]
    found = first_tokens(requests, case.rate, fleet, stages)
    first = round(WARM_UP * len(requests))
    kept, bounds = found[first:], objectives[first:]
    ranked = sorted(kept)
    encode, prefill = _work(requests, stages)
    full = _full(case)
    return {
        "rate": case.rate,
        "p99": ranked[int(0.99 * (len(ranked) - 1))],
        "mean": sum(kept) / len(kept),
        "inside": sum(a <= b for a, b in zip(kept, bounds, strict=True)) / len(kept),
        "full": full,
        "busy": case.rate / full,
        "encode_seconds": encode,
        "prefill_seconds": prefill,
        "encode_share": _encode_share(requests, stages),
    }


def trace(case: Case) -> tuple[Request, ...]:
    """Return the requests of a case."""
    return _trace(case.model, case.seed, case.count, case.dataset, case.windows, case.azure, case.image_share)


@lru_cache(maxsize=4)
def _trace(
    model: str,
    seed: int,
    count: int,
    dataset: str | None,
    windows: str | None,
    azure: str | None,
    share: float,
) -> tuple[Request, ...]:
    """Return the requests of a seed, images in the model's own tokens."""
    of = MODELS[model]
    return tuple(
        replace(each, images=tuple(map(of.image_tokens, each.images)))
        for each in asked.requests(seed, count, dataset, windows, azure, share)
    )


def alone_seconds(case: Case) -> tuple[float, float]:
    """Return the time to the first token of a median text, and of a median request of one image, by themselves on the paper's
    baseline: its objectives are multiples of these two [P §5.1], whatever number of images a request has."""
    model = MODELS[case.model]
    stages = Stages(model, THEIRS, case.encode_ratio)
    image = Request(0.0, MEDIAN_BESIDE_TOKENS, (model.image_tokens(MEDIAN_IMAGE_TOKENS),), 1)
    return stages.alone_seconds(Request(0.0, MEDIAN_TEXT_TOKENS, (), 1)), stages.alone_seconds(image)


def _parts(case: Case) -> tuple[tuple[Request, ...], Fleet, Stages]:
    requests = trace(case)
    fleet = Fleet(case.servers, case.gpus_each, case.encoders, case.ordered, case.spread)
    return requests, fleet, Stages(MODELS[case.model], fleet, case.encode_ratio)


def _full(case: Case) -> float:
    """Return the requests a second that would keep the busier role busy all of the time, steps' own time aside."""
    requests, fleet, stages = _parts(case)
    encode, prefill = _work(requests, stages)
    if fleet.encoders:
        return min(fleet.encoders / encode, fleet.servers / prefill)
    return fleet.servers / (encode + prefill)


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
