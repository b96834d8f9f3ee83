"""What the device process counts: writes and how long they took, drifts, failures, and the last moves with their why."""

from bisect import bisect_left
from collections import Counter, deque
from dataclasses import dataclass, field

WRITE_BOUNDS_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
"""Ours: a setter that works takes a millisecond to tens of them, one that waits for a driver lock takes seconds."""
PASS_BOUNDS_SECONDS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.4, 1.0, 5.0)
"""Ours: around the 200 ms that a pass may take."""
MOVES = 256
"""Ours: more than the moves of one view's memory on a node of sixteen GPUs."""


@dataclass(slots=True)
class Spread:
    """How durations are spread: a histogram."""

    bounds_seconds: tuple[float, ...]
    counts: list[int] = field(default_factory=list)
    """One per bound, and one for what is above all of them."""
    total_seconds: float = 0.0

    def __post_init__(self) -> None:
        self.counts = [0] * (len(self.bounds_seconds) + 1)

    def note(self, seconds: float) -> None:
        """Count one duration."""
        self.counts[bisect_left(self.bounds_seconds, seconds)] += 1
        self.total_seconds += seconds


@dataclass(frozen=True, slots=True)
class Moved:
    """A setting of a GPU that we changed, read back where it can be."""

    at_seconds: float
    number: int
    """Counts the moves of this process: tells two of one instant apart."""
    uuid: str
    what: str
    why: str


@dataclass(slots=True)
class Tally:
    """How often what happened."""

    actuations: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    """Writes: actuator, direction, result."""
    drifts: Counter[str] = field(default_factory=Counter)
    """Settings of ours that were found changed, by cause."""
    failures: Counter[str] = field(default_factory=Counter)
    """Readings that failed, by reason."""
    mismatches: int = 0
    """Writes that read back as something else."""
    reopened: int = 0
    """Times the driver was opened again."""
    writes: dict[str, Spread] = field(default_factory=dict)
    """How long the driver took to take a write, by actuator."""
    passes: Spread = field(default_factory=lambda: Spread(PASS_BOUNDS_SECONDS))
    """How long a safety pass took."""
    moves: deque[Moved] = field(default_factory=lambda: deque(maxlen=MOVES))
    moved: int = 0

    def took(self, actuator: str, seconds: float) -> None:
        """Count how long one write took."""
        self.writes.setdefault(actuator, Spread(WRITE_BOUNDS_SECONDS)).note(seconds)

    def move(self, uuid: str, what: str, why: str, now: float) -> None:
        """Remember a change of a setting."""
        self.moved += 1
        self.moves.append(Moved(now, self.moved, uuid, what, why))

    def recent(self, now: float, seconds: float) -> tuple[Moved, ...]:
        """Return the moves of the last seconds."""
        return tuple(each for each in self.moves if now - each.at_seconds <= seconds)
