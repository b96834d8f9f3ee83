"""A day of requests in windows of ten minutes: recorded rates of two services where they are present, drawn ones else."""

from collections.abc import Mapping
from functools import lru_cache
from math import pi, sin
from pathlib import Path
from random import Random

from bench.papers.murakkab.library import CODE, QA

from wattline.sim import tables
from wattline.sim.moments import moment

SERVICES = {QA: "m-large", CODE: "m-small"}
WINDOW_SECONDS = 600.0
WINDOWS = 144
"""Of a day."""
MEAN_PER_SECOND = 12.0
"""Of each kind of work, over the day; ours."""
ACCURATE_RATIO = 0.7
"""Of the requests, that ask for quality; the others for speed [S]."""
Day = Mapping[str, tuple[float, ...]]
"""Requests a second by kind of work and window."""


def day(path: str | None, number: int) -> Day:
    """Return the rates of a day, scaled to the mean."""
    found = {
        work: (_recorded(path) if path else _drawn(number))[work][number % 13 * WINDOWS :]
        for work in SERVICES
    }
    scaled = {}
    for work, rates in found.items():
        mine = rates[:WINDOWS]
        scaled[work] = tuple(rate * MEAN_PER_SECOND * len(mine) / sum(mine) for rate in mine)
    return scaled


@lru_cache(maxsize=2)
def _recorded(path: str) -> Day:
    """Return the summed rates of ServeGen's clients, two weeks of them."""
    rates = {work: [0.0] * (14 * WINDOWS) for work in SERVICES}
    works = {service: work for work, service in SERVICES.items()}
    for row in tables.rows(Path(path)):
        work = works.get(row["workload"])
        window = int(float(row["start_s"]) / WINDOW_SECONDS)
        if work is not None and window < 14 * WINDOWS:
            rates[work][window] += float(row["rate_rps"])
    return {work: tuple(mine) for work, mine in rates.items()}


def _drawn(number: int) -> Day:
    """Return two weeks of daily waves, code six hours ahead of questions, with noise."""
    rng = Random(f"murakkab {number}")
    return {
        work: tuple(
            (1.0 + 0.6 * sin(2 * pi * (window / WINDOWS + shift))) * rng.uniform(0.85, 1.15)
            for window in range(14 * WINDOWS)
        )
        for work, shift in ((QA, 0.0), (CODE, 0.25))
    }


def above(path: Path, buffer_ratio: float) -> float:
    """Return the part of the minutes of an Azure trace that exceed the mean of their ten minutes by more than a buffer."""
    moments = [at for row in tables.rows(path) for at in [moment(row["TIMESTAMP"])] if at is not None]
    minutes = [0] * (int((moments[-1] - moments[0]) / 60) + 1)
    for at in moments:
        minutes[int((at - moments[0]) / 60)] += 1
    whole = [minutes[start : start + 10] for start in range(0, len(minutes) - 9, 10)]
    over = sum(count > buffer_ratio * sum(ten) / 10 for ten in whole for count in ten)
    return over / (10 * len(whole))
