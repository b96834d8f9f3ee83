"""What comes of a course of things, and its accesses, which a frozen sequence is made of."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Access:
    """A turn on a worker, as it was: what the frozen sequence is made of."""

    session: str
    arrived_seconds: float
    started_seconds: float
    ended_seconds: float
    tokens: int
    known_tokens: int
    tool: str
    last: bool


@dataclass(slots=True)
class Outcome:
    """What came of it."""

    seconds: list[float] = field(default_factory=list)
    """Of tasks that count, from arrival to end."""
    ratios: list[float] = field(default_factory=list)
    """The same over what the task takes alone."""
    unfinished: int = 0
    """Of those that count: open half an hour after the last arrival; they stand among the seconds with what they took so far."""
    finished: int = 0
    """Between warm-up and the end of arrivals."""
    live_ratio_sum: float = 0.0
    samples: int = 0
    moves: int = 0
    held_right: int = 0
    held: int = 0
    accesses: list[Access] = field(default_factory=list)
    """On the first worker."""
