"""A day of images and text, each with its own ups and downs, and how many GPUs it takes with replicas that follow."""

import csv
import gzip
from dataclasses import dataclass
from functools import lru_cache
from math import ceil, cos, pi
from pathlib import Path
from random import Random
from typing import Any

from wattline.policy import scale
from wattline.policy.scale import ScaleSeen, ScaleSpec, ScaleState

PERIOD_SECONDS = 300.0
WINDOW_SECONDS = 600.0
WINDOWS = 144
SPEC = ScaleSpec()


@dataclass(frozen=True)
class Day:
    """Work that comes and servers that do it."""

    seed: int
    rate: float
    """Mean requests a second."""
    windows: str | None
    image_work: float
    """Seconds of an encoder for a mean request (of any kind)."""
    text_work: float
    """Seconds of a text server."""
    one_work: float
    """Seconds of a server for all, for images and text of a mean request together."""
    one_image_share: float
    """Share of that which is of images' requests."""
    busy: float
    """Share of the time that encoders and text servers may be busy within the objective."""
    one_busy: float
    text_gpus: int
    one_gpus: int
    theirs_work: float
    """As for all, of the paper's own baseline."""
    theirs_busy: float
    theirs_gpus: int


def play(day: Day) -> dict[str, Any]:
    """Return GPU-hours of roles apart and of one kind of server, scaled and as many as the peak takes."""
    images, texts = courses(day.seed, day.windows)
    apart = [
        [day.rate * day.image_work * each for each in images],
        [day.rate * day.text_work * each for each in texts],
    ]
    one = [
        day.rate * day.one_work * (day.one_image_share * a + (1 - day.one_image_share) * b)
        for a, b in zip(images, texts, strict=True)
    ]
    theirs = [each * day.theirs_work / day.one_work for each in one]
    image, text, alike, old = (
        _followed(load, busy)
        for load, busy in (
            (apart[0], day.busy),
            (apart[1], day.busy),
            (one, day.one_busy),
            (theirs, day.theirs_busy),
        )
    )
    gpu_hours = PERIOD_SECONDS / 3600
    return {
        "ours": gpu_hours * (sum(image[0]) + day.text_gpus * sum(text[0])),
        "ours_peak": gpu_hours
        * len(one)
        * (_peak(apart[0], day.busy) + day.text_gpus * _peak(apart[1], day.busy)),
        "one": gpu_hours * day.one_gpus * sum(alike[0]),
        "one_peak": gpu_hours * day.one_gpus * len(one) * _peak(one, day.one_busy),
        "theirs": gpu_hours * day.theirs_gpus * sum(old[0]),
        "theirs_peak": gpu_hours * day.theirs_gpus * len(one) * _peak(theirs, day.theirs_busy),
        "attained": min(image[1], text[1]),
        "one_attained": alike[1],
    }


def courses(seed: int, windows: str | None) -> tuple[list[float], list[float]]:
    """Return images' and texts' rates by period over a day, each with a mean of one."""
    if windows is not None:
        recorded = _recorded(windows)
        first = WINDOWS * (seed % (len(recorded[1]) // WINDOWS))
        both = list(recorded[0]), list(recorded[1][first : first + WINDOWS])
    else:
        both = _drawn(seed, 8.0, bursts=6), _drawn(seed + 1000, 14.0, bursts=0)
    images, texts = ([each for value in course for each in (value, value)] for course in both)
    return [each * len(images) / sum(images) for each in images], [
        each * len(texts) / sum(texts) for each in texts
    ]


@lru_cache(maxsize=2)
def _recorded(windows: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return what ServeGen's clients of images, and those of one large text model, ask in each window."""
    found: dict[str, dict[int, float]] = {"mm-image": {}, "m-large": {}}
    with gzip.open(Path(windows), "rt", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if row["workload"] in found:
                at = int(float(row["start_s"]) / WINDOW_SECONDS)
                course = found[row["workload"]]
                course[at] = course.get(at, 0.0) + float(row["rate_rps"])
    images, texts = ([course.get(at, 0.0) for at in range(max(course) + 1)] for course in found.values())
    return tuple(images[:WINDOWS]), tuple(texts)


def _drawn(seed: int, peak_hour: float, *, bursts: int) -> list[float]:
    rng = Random(f"modserve day {seed}")
    course = [1.0 + 0.4 * cos((at / 6 - peak_hour) * pi / 12) + rng.gauss(0, 0.03) for at in range(WINDOWS)]
    for _ in range(bursts):
        first = rng.randrange(WINDOWS - 6)
        for at in range(first, first + rng.randint(2, 6)):
            course[at] += 0.6
    return course


def _peak(load: list[float], busy: float) -> int:
    return ceil(max(load) / busy)


def _followed(load: list[float], busy: float) -> tuple[list[int], float]:
    """Return the replicas paid for in each period as they follow, and the share of the load within their capacity.

    What is asked for at the end of a period serves from the end of the next, and is paid for meanwhile.
    """
    ordered = ready = max(SPEC.least, ceil(load[0] / busy))
    state, paid, served = ScaleState(), [], 0.0
    for period, came in enumerate(load):
        paid.append(ordered)
        inside = min(1.0, ready * busy / came) if came > 0 else 1.0
        served += inside * came
        decided = scale.decide(
            SPEC,
            state,
            ScaleSeen((period + 1) * PERIOD_SECONDS, ordered, came, busy, inside, ordered - ready),
        )
        state, ready, ordered = decided.state, min(ordered, decided.replicas), decided.replicas
    return paid, served / sum(load)
