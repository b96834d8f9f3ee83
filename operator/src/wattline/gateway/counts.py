"""What a gateway counts for its metrics."""

from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, field

SECONDS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0)


@dataclass(slots=True)
class Spread:
    """A histogram."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(SECONDS) + 1))
    sum: float = 0.0

    def observe(self, value: float) -> None:
        """Count a value."""
        self.counts[bisect_left(SECONDS, value)] += 1
        self.sum += value


@dataclass(slots=True)
class Counts:
    """Totals since the start, by pool."""

    requests: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Pool and outcome: answered, refused, failed, broken, left."""
    refusals: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Pool and reason."""
    routed: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Pool and why a turn went where it went."""
    admitted: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Pool and why a turn was let in."""
    retries: Counter[str] = field(default_factory=Counter)
    tokens: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Pool and kind: prompt, cached, recomputed, completion."""
    held_seconds: dict[str, Spread] = field(default_factory=dict)
    first_byte_seconds: dict[str, Spread] = field(default_factory=dict)
