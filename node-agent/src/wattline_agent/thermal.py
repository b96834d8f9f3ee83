"""How one GPU warms up under watts, learned while it works: what its temperature will be ten seconds from now. Pure.

The temperature moves with lagged power: what is drawn now warms the die at once, its package within seconds and its
heat sink within a minute or more. So a change over ten seconds is a sum of the changes of the power as seen through a
few lags, each times its degrees to a watt, plus what the watts do not explain (the air that comes in). The degrees to a
watt are fitted by least squares over what this GPU did; older observations count less, a small ridge keeps what was
never excited at zero, and none is negative. Nothing of the device is assumed but the lags, which are a fixed ladder.

The input is the energy counter, so the mean power of an interval is exact whatever happened in it. A prediction counts
only while those made ten seconds ago came true (``Fit.trusted``).
"""

from dataclasses import dataclass, replace
from math import exp, sqrt

from wattline.model.gpu import GpuReading
from wattline.model.linear import solved

AHEAD_SECONDS = 10.0
"""How far ahead: the clock comes down in steps a second apart, so a few of them are taken before the heat comes."""

LAGS_SECONDS = (0.0, 3.0, 12.0, 60.0)
"""Ours: a ladder around the time constants that step responses show (below a second and 3 to 8 s: A100, 3090 and 4090 in
GPU_Power_Benchmark) and the slower one of a heat sink, which no public data has. Zero is the power of now."""

SAMPLE_SECONDS = 1.0
"""Samples for the fit are this far apart: the driver's average power is one of a second."""

GAP_SECONDS = 3.0
"""After a longer pause between two readings the comparison over ten seconds starts anew."""

MOST_WATTS = 5_000.0
"""Ours: several times what any GPU draws. A counter that goes faster is wrong, and would wash out what was learned."""

MEMORY = 0.995
"""Ours: weight of the next observation's predecessors; half is forgotten after 140 informative seconds."""

RIDGE = 4000.0
"""Ours, in square watts: below some seconds of a change of 60 W nothing counts as learned."""

EXCITED_WATTS = 15.0
"""Ours: a change of power below this teaches nothing but noise, and must not wash out what was learned."""

MOST_CELSIUS_PER_WATT = 0.3
"""Ours: bound of each fitted share; the sums that are known are 0.03 to 0.11."""

DRIFT_SECONDS = 10.0
"""Time constant of what the watts do not explain."""

MOST_DRIFT_CELSIUS = 5.0
"""Ours: bound of what the unexplained may add in ten seconds."""

TRUST_CELSIUS = 1.5
"""Ours: a quarter of the margin at which tightening starts; readings are whole degrees, which alone makes about 0.4."""

TRUST_SECONDS = 60.0
"""Time constant over which errors are judged."""

TRUST_SAMPLES = 30
"""Ours: fewer comparisons say nothing."""

_COUNT = len(LAGS_SECONDS)
_REACH = tuple(1.0 if lag == 0 else 1.0 - exp(-AHEAD_SECONDS / lag) for lag in LAGS_SECONDS)
"""How much of its way to constant power each lag goes in the time looked ahead."""

Vector = tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Sample:
    """One second as it was, and what was believed then."""

    at_seconds: float
    celsius: float
    lagged_watts: Vector
    weights: Vector
    drift_celsius: float


@dataclass(frozen=True, slots=True)
class Fit:
    """What is known of one GPU; bounded: eleven samples, a few sums."""

    samples: tuple[Sample, ...] = ()
    """Those of the last ten seconds, oldest first."""
    energy_joules: float = 0.0
    """Counter at the last sample."""
    weights: Vector = (0.0,) * _COUNT
    """Degrees to a watt of each lag."""
    moments: tuple[Vector, ...] = ((0.0,) * _COUNT,) * _COUNT
    products: Vector = (0.0,) * _COUNT
    drift_celsius: float = 0.0
    """What ten seconds brought lately beyond what the watts explain."""
    square_error: float = 0.0
    compared: int = 0

    @property
    def error_celsius(self) -> float:
        """Return how far predictions of the last minute were off, root mean square, given the watts that came."""
        return sqrt(self.square_error)

    @property
    def trusted(self) -> bool:
        """Whether predictions have come true: thirty comparisons, and an error of at most 1.5 °C."""
        return self.compared >= TRUST_SAMPLES and self.error_celsius <= TRUST_CELSIUS

    def rise_celsius(self, watts: float) -> float:
        """Return the degrees that ten seconds at ``watts`` add; never less than zero, zero while nothing is known."""
        if not self.samples:
            return 0.0
        last = self.samples[-1]
        way = sum(
            weight * reach * (watts - lagged)
            for weight, reach, lagged in zip(self.weights, _REACH, last.lagged_watts, strict=True)
        )
        return max(0.0, way + max(0.0, self.drift_celsius))


def step(fit: Fit, reading: GpuReading) -> Fit:
    """Return what is known after one reading; those less than a second apart change nothing."""
    if not fit.samples:
        return _begin(fit, reading)
    last = fit.samples[-1]
    elapsed = reading.at_seconds - last.at_seconds
    joules = reading.energy_joules - fit.energy_joules
    if 0 <= elapsed < SAMPLE_SECONDS and joules >= 0:
        return fit
    if not 0 <= elapsed <= GAP_SECONDS or joules < 0:
        return _begin(fit, reading)
    watts = joules / elapsed
    if watts > MOST_WATTS:
        return _begin(fit, reading)
    lagged = tuple(
        watts if lag == 0 else was + (watts - was) * (1.0 - exp(-elapsed / lag))
        for was, lag in zip(last.lagged_watts, LAGS_SECONDS, strict=True)
    )
    now = Sample(reading.at_seconds, reading.celsius, lagged, fit.weights, fit.drift_celsius)
    since = now.at_seconds - AHEAD_SECONDS
    kept = (*fit.samples, now)
    first = next(index for index, each in enumerate(kept) if each.at_seconds >= since - SAMPLE_SECONDS / 2)
    then = kept[first]
    fit = replace(fit, samples=kept[first:], energy_joules=reading.energy_joules)
    return fit if then.at_seconds > since + SAMPLE_SECONDS / 2 else _compare(fit, then, now)


def _begin(fit: Fit, reading: GpuReading) -> Fit:
    """Start the history anew, as if the power had been so for long; what was fitted stays."""
    steady = (min(reading.watts, MOST_WATTS),) * _COUNT
    sample = Sample(reading.at_seconds, reading.celsius, steady, fit.weights, 0.0)
    return replace(fit, samples=(sample,), energy_joules=reading.energy_joules, drift_celsius=0.0)


def _compare(fit: Fit, then: Sample, now: Sample) -> Fit:
    """Judge what was believed ten seconds ago by what came, given the watts that came, and learn from it."""
    moved = tuple(b - a for a, b in zip(then.lagged_watts, now.lagged_watts, strict=True))
    came = now.celsius - then.celsius
    error = came - _dot(then.weights, moved) - then.drift_celsius
    seconds = now.at_seconds - fit.samples[-2].at_seconds
    weight = min(1.0, seconds / TRUST_SECONDS)
    square = fit.square_error + weight * (error * error - fit.square_error)
    unexplained = came - _dot(fit.weights, moved)
    share = min(1.0, seconds / DRIFT_SECONDS)
    drift = fit.drift_celsius + share * (unexplained - fit.drift_celsius)
    drift = max(-MOST_DRIFT_CELSIUS, min(MOST_DRIFT_CELSIUS, drift))
    fit = replace(fit, square_error=square, compared=fit.compared + 1, drift_celsius=drift)
    if max(map(abs, moved)) < EXCITED_WATTS:
        return fit
    moments = tuple(
        tuple(MEMORY * was + a * b for was, b in zip(row, moved, strict=True))
        for row, a in zip(fit.moments, moved, strict=True)
    )
    target = came - then.drift_celsius
    products = tuple(MEMORY * was + a * target for was, a in zip(fit.products, moved, strict=True))
    return replace(fit, moments=moments, products=products, weights=_weights(moments, products))


def _weights(moments: tuple[Vector, ...], products: Vector) -> Vector:
    """Return the least squares with ridge; a lag that would come out negative is left out."""
    active = list(range(_COUNT))
    while active:
        found = solved(
            [[moments[i][j] + (RIDGE if i == j else 0.0) for j in active] for i in active],
            [products[i] for i in active],
        )
        worst = min(range(len(active)), key=found.__getitem__)
        if found[worst] >= 0:
            known = dict(zip(active, found, strict=True))
            return tuple(min(known.get(i, 0.0), MOST_CELSIUS_PER_WATT) for i in range(_COUNT))
        del active[worst]
    return (0.0,) * _COUNT


def _dot(one: Vector, other: Vector) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))
