"""What it takes to send a session's KV memory to another replica, where it is not computed again there."""

from dataclasses import dataclass
from math import exp, log
from random import Random

_Z95 = 1.6448536269514722
"""Standard deviations from the median to the 95th percentile of a normal distribution."""


@dataclass(frozen=True, slots=True)
class Migration:
    """How long a session's memory is on its way: by its bytes over a link, or as SAGA has measured it."""

    bytes_per_second: float | None = None
    """Of the link between replicas; without it the time is lognormal, whatever the bytes."""
    fixed_seconds: float = 0.0
    """Beside the bytes: finding, registering, telling."""
    median_seconds: float = 0.230
    """Of the lognormal [R: SAGA, arXiv 2605.00528: 230 ms, P95 890 ms]."""
    p95_seconds: float = 0.890

    def mover(self, seed: str) -> "Mover":
        """Return what draws the times of one simulation from a stream of its own."""
        return Mover(self, Random(seed))


class Mover:
    """Times of migrations, one after the other."""

    def __init__(self, migration: Migration, rng: Random) -> None:
        self._spec = migration
        self._rng = rng

    def seconds(self, size_bytes: float) -> float:
        """Return how long so many bytes are on their way."""
        spec = self._spec
        if spec.bytes_per_second is not None:
            return spec.fixed_seconds + size_bytes / spec.bytes_per_second
        sigma = log(spec.p95_seconds / spec.median_seconds) / _Z95
        return spec.median_seconds * exp(self._rng.gauss(0.0, sigma))
