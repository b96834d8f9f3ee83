"""How much longer something takes, given how long it has taken: a histogram on a logarithmic grid, no shape assumed.

A lognormal fitted to the median and P95 of tool times misses their tails by a factor of four (ours, from the quantiles
of code execution in SAGA's repository, bettyguo/SAGA: P50 180 ms, P95 2.4 s, P99 28 s and not the 7 s of the fit), and
for a tool that is still running only the tail matters.
"""

from bisect import bisect_right
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, pairwise
from math import erf, log, sqrt

EDGES_SECONDS: tuple[float, ...] = (0.0, *(0.001 * 1.35**step for step in range(51)))
"""Bins 35 % wide from a millisecond to 55 minutes; longer counts as that [ours]."""
_WIDTHS = [after - before for before, after in pairwise(EDGES_SECONDS)]


@dataclass(frozen=True)
class Survival:
    """Weights of durations by bin."""

    weights: tuple[float, ...]
    """One for each bin between two edges."""

    @classmethod
    def prior(cls, p50_seconds: float, p95_seconds: float, p99_seconds: float, weight: float) -> "Survival":
        """Return what is assumed before anything was seen, worth ``weight`` observations.

        Lognormal up to the P95, a Pareto tail through P95 and P99 above it.
        """
        sigma = log(p95_seconds / p50_seconds) / 1.6449
        shape = log(5.0) / log(p99_seconds / p95_seconds)

        def beyond(seconds: float) -> float:
            if seconds <= 0.0:
                return 1.0
            if seconds < p95_seconds:
                return float(0.5 - 0.5 * erf(log(seconds / p50_seconds) / (sigma * sqrt(2.0))))
            return float(0.05 * (p95_seconds / seconds) ** shape)

        shares = [beyond(edge) for edge in EDGES_SECONDS[:-1]] + [0.0]
        return cls(tuple(weight * (before - after) for before, after in pairwise(shares)))

    def after(self, seconds: float, memory: float = 1000.0) -> "Survival":
        """Return what is known after one more that took so long; observations fade over ``memory`` of them."""
        at = min(bisect_right(EDGES_SECONDS, max(seconds, 0.0)), len(self.weights)) - 1
        fade = 1.0 - 1.0 / memory if sum(self.weights) > memory else 1.0
        weights = list(self.weights) if fade == 1.0 else [weight * fade for weight in self.weights]
        weights[at] += 1.0
        return Survival(tuple(weights))

    def beyond(self, seconds: float) -> float:
        """Return the share that takes longer; durations are even inside a bin."""
        if seconds >= EDGES_SECONDS[-1]:
            return 0.0
        index = bisect_right(EDGES_SECONDS, seconds) - 1
        return self._inside(index, seconds)

    def ends_within(self, seconds: float, elapsed_seconds: float = 0.0) -> float:
        """Return the chance that one which has taken ``elapsed_seconds`` ends in the next ``seconds``."""
        return self.within(seconds, elapsed_seconds)[0]

    def mean_remaining(self, most_seconds: float, elapsed_seconds: float = 0.0) -> float:
        """Return how much longer it takes on average, counting no more than ``most_seconds``."""
        return self.within(most_seconds, elapsed_seconds)[1]

    def within(self, seconds: float, elapsed_seconds: float = 0.0) -> tuple[float, float]:
        """Return both of these at once: the chance, and the mean."""
        left, area = self._at(elapsed_seconds)
        if left <= 0.0:
            return 0.0, seconds
        beyond, rest = self._at(elapsed_seconds + seconds)
        return 1.0 - beyond / left, min(seconds, max(0.0, area - rest) / left)

    def quantile(self, share: float, elapsed_seconds: float = 0.0) -> float:
        """Return after how much longer such a share of those that still run has ended."""
        target = self.beyond(elapsed_seconds) * (1.0 - share)
        beyond = self._beyond
        low, high = 0, len(beyond) - 1
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if beyond[middle] > target else (low, middle)
        fall = beyond[low] - beyond[high]
        part = (beyond[low] - target) / fall if fall > 0.0 else 1.0
        at = EDGES_SECONDS[low] + min(1.0, max(0.0, part)) * (EDGES_SECONDS[high] - EDGES_SECONDS[low])
        return max(0.0, at - elapsed_seconds)

    @cached_property
    def _beyond(self) -> tuple[float, ...]:
        sums = list(accumulate(reversed(self.weights), initial=0.0))
        whole = sums[-1]
        return tuple([total / whole for total in reversed(sums)])

    @cached_property
    def _areas(self) -> tuple[float, ...]:
        """Integral of the share beyond from each edge on."""
        beyond = self._beyond
        strips = [
            width * (high + low) / 2.0
            for width, high, low in zip(_WIDTHS, beyond[:-1], beyond[1:], strict=True)
        ]
        return tuple(reversed(list(accumulate(reversed(strips), initial=0.0))))

    def _at(self, seconds: float) -> tuple[float, float]:
        """Return the share beyond ``seconds`` and its integral from there on."""
        if seconds >= EDGES_SECONDS[-1]:
            return 0.0, 0.0
        index = bisect_right(EDGES_SECONDS, seconds) - 1
        here, low = self._inside(index, seconds), self._beyond[index + 1]
        return here, self._areas[index + 1] + (EDGES_SECONDS[index + 1] - seconds) * (here + low) / 2.0

    def _inside(self, index: int, seconds: float) -> float:
        high, low = self._beyond[index], self._beyond[index + 1]
        return high - (high - low) * (seconds - EDGES_SECONDS[index]) / _WIDTHS[index]
