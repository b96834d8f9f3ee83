"""The weather of a hall: some days of the warm half of a typical year, or generated ones."""

import gzip
from functools import lru_cache
from math import cos, pi
from pathlib import Path
from random import Random

FIRST_DAY, LAST_DAY = 121, 273
"""May to September: the part of the year that capacity is decided by."""


def hours(path: str | None, seed: int, days: int) -> list[float]:
    """Return the temperature outside, in °C, hour by hour from a day that is drawn."""
    rng = Random(f"weather {seed}")
    first = rng.randint(FIRST_DAY, LAST_DAY - days)
    if path is not None:
        return list(_year(path)[24 * first : 24 * (first + days)])
    found = []
    for _ in range(days):
        mean, swing = rng.gauss(27.0, 3.0), rng.uniform(4.0, 8.0)
        found += [mean + swing * cos((hour - 16) * pi / 12) for hour in range(24)]
    return found


@lru_cache(maxsize=4)
def _year(path: str) -> tuple[float, ...]:
    """Return the dry-bulb temperature of each hour of an EPW file."""
    with gzip.open(Path(path), "rt", encoding="latin-1") as file:
        rows = [line.split(",") for line in file]
    return tuple(float(row[6]) for row in rows[8:])
