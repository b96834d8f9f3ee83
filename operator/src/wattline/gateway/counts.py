"""What a gateway counts for its metrics."""

from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, field

SECONDS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0)
JOULES = (1e2, 3e2, 1e3, 3e3, 1e4, 3e4, 1e5, 3e5, 1e6, 3e6, 1e7)
"""Bounds of a run's energy: from a chat turn to days of a node."""


class Spread:
    """A histogram."""

    __slots__ = ("bounds", "counts", "sum")

    def __init__(self, bounds: tuple[float, ...] = SECONDS) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def observe(self, value: float) -> None:
        """Count a value."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.sum += value


@dataclass(slots=True)
class Counts:
    """Totals since the start, by pool or by workflow."""

    requests: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Pool and outcome: answered, refused, failed, broken, left."""
    refusals: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Pool and reason; the pool is empty where none was found for the request."""
    routed: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Pool and why a turn went where it went."""
    admitted: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Pool and why a turn was let in."""
    retries: Counter[str] = field(default_factory=Counter)
    tokens: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Pool and kind: prompt, cached, recomputed, completion."""
    runs_finished: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Pool of the last turn, and how the run ended: told, silent."""
    run_joules: dict[str, Spread] = field(default_factory=dict)
    """Pool of the last turn: energy of finished runs whose joules are all divided."""
    workflow_runs_finished: Counter[str] = field(default_factory=Counter)
    workflow_run_joules: dict[str, Spread] = field(default_factory=dict)
    workflow_tokens: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Workflow and kind, as above."""
    held_seconds: dict[str, Spread] = field(default_factory=dict)
    first_byte_seconds: dict[str, Spread] = field(default_factory=dict)
