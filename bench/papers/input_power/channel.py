"""What a neighbour learns from power readings: a content that changes at random, and how often it is guessed right."""

from math import floor
from random import Random

from bench.papers.input_power.row import operations

from wattline.world.meter import GRID_SECONDS, Meter

LOW, HIGH = 0.85, 0.95
NOISE_WATTS = 5.0
"""Standard deviation of a reading [R]."""
GRID, SECOND = "0.1 s", "1 s"


def guessed(seed: int, bit_seconds: float, window: str | float, bits: int = 400) -> float:
    """Return the share of contents that are guessed right from readings.

    ``window``: the driver's grid of 100 ms, its average of one second read at the end of each content, or an aggregate
    over so many seconds, from which all contents in it are guessed alike.
    """
    random = Random(f"channel {seed} {bit_seconds:g} {window}")
    now = operations()[-1]
    values = [random.random() < 0.5 for _ in range(bits)]

    def watts(high: bool) -> float:
        return now.idle_watts + (now.watts - now.idle_watts) * (HIGH if high else LOW)

    edge = (watts(False) + watts(True)) / 2
    if isinstance(window, float):
        right = 0.0
        each = max(1, floor(window / bit_seconds))
        for start in range(0, bits, each):
            part = values[start : start + each]
            mean = sum(watts(value) for value in part) / len(part) + random.gauss(0.0, NOISE_WATTS)
            ones = sum(part)
            right += ones if mean > edge else len(part) - ones
        return right / bits
    meter = Meter(0.0, edge)
    at, right = 0.0, 0.0
    for value in values:
        until = at + bit_seconds
        while at < until - 1e-9:
            at = min(until, at + GRID_SECONDS)
            meter.add(at, watts(value))
        reading = meter.instant_watts if window == GRID else meter.watts
        right += (reading + random.gauss(0.0, NOISE_WATTS) > edge) == value
    return right / bits
