"""Accounting: joules per turn and run, so that attributed + idle + foreign = the device's counter.

After "Energy Use of AI Inference" (arXiv 2509.20241), which counts the power of a whole node over the tokens of all
that it serves at once. Ours is how a window is divided: a turn's share is its weighted tokens over those of all. A
turn's uncached prompt tokens are spread evenly over [dispatch, first byte], its output tokens over [first, last]; a
window settles when the turns in it have ended. The draw of a GPU that does nothing is a bucket of its own, `idle`; the
share of sequences that the engine runs beyond ours is `foreign`.
"""

from collections import deque
from collections.abc import Hashable
from dataclasses import dataclass, field

DECODE_WEIGHT = 8.0
"""Energy of an output token in prefilled tokens.

Ours: we take it that a GPU prefills ~11 k tokens/s and decodes ~1.5 k tokens/s for the ~17 agents of KAIROS's mean
(arXiv 2604.16682), at nearly the same draw.
"""

MOST_WORK = 50_000
"""Turns remembered until a window comes for them; more only while nobody reads the counters."""


@dataclass(frozen=True, slots=True)
class Work:
    """What one turn did, known when it has ended."""

    run: Hashable
    dispatched_seconds: float
    first_seconds: float
    last_seconds: float
    prefilled_tokens: float
    """Prompt tokens that were not in the cache."""
    output_tokens: float

    def weight(self, start: float, end: float) -> float:
        """Return the weighted tokens of a window."""
        return _part(self.prefilled_tokens, self.dispatched_seconds, self.first_seconds, start, end) + (
            DECODE_WEIGHT * _part(self.output_tokens, self.first_seconds, self.last_seconds, start, end)
        )


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of time between two readings of the group's counters."""

    start_seconds: float
    end_seconds: float
    joules: float
    foreign_ratio: float = 0.0
    """Share of the engine's sequences that nobody here asked for."""


@dataclass(frozen=True, slots=True)
class Settled:
    """Where the joules of a window went."""

    runs: dict[Hashable, float]
    idle_joules: float
    foreign_joules: float


@dataclass(slots=True)
class Book:
    """Accounts of one replica: the GPUs of one group and the turns that ran on them."""

    idle_watts: float | None = None
    """Least draw seen without work; unknown until there was such a window."""
    idle_joules: float = 0.0
    foreign_joules: float = 0.0
    attributed_joules: float = 0.0
    settled_until_seconds: float = 0.0
    """End of the last window that was divided."""
    _open: dict[Hashable, float] = field(default_factory=dict)
    _done: deque[Work] = field(default_factory=lambda: deque(maxlen=MOST_WORK))
    _windows: deque[Window] = field(default_factory=deque)

    @property
    def unsettled_joules(self) -> float:
        """Joules of windows whose turns still run."""
        return sum(window.joules for window in self._windows)

    def started(self, turn: Hashable, at_seconds: float) -> None:
        """Note that a turn went to the engine; windows from then on wait for its end."""
        self._open[turn] = at_seconds

    def ended(self, turn: Hashable, work: Work | None) -> None:
        """Note what a turn did; none if it never reached the engine."""
        self._open.pop(turn, None)
        if work is not None:
            self._done.append(work)

    def read(self, window: Window) -> None:
        """Take the next window; windows come in order and do not overlap."""
        if window.end_seconds > window.start_seconds and window.joules >= 0:
            self._windows.append(window)

    def settle(self) -> list[Settled]:
        """Divide every window whose turns have all ended."""
        oldest_open = min(self._open.values(), default=float("inf"))
        out = []
        while self._windows and self._windows[0].end_seconds <= oldest_open:
            out.append(self._divide(self._windows.popleft()))
        if out:
            past = self.settled_until_seconds
            self._done = deque((work for work in self._done if work.last_seconds >= past), MOST_WORK)
        return out

    def _divide(self, window: Window) -> Settled:
        start, end = window.start_seconds, window.end_seconds
        self.settled_until_seconds = end
        weights: dict[Hashable, float] = {}
        for work in self._done:
            if work.dispatched_seconds < end and work.last_seconds >= start:
                weight = work.weight(start, end)
                if weight > 0:
                    weights[work.run] = weights.get(work.run, 0.0) + weight
        total = sum(weights.values())
        if total <= 0 and window.foreign_ratio <= 0:
            watts = window.joules / (end - start)
            self.idle_watts = watts if self.idle_watts is None else min(self.idle_watts, watts)
            idle, foreign, runs = window.joules, 0.0, {}
        else:
            idle = min(window.joules, (self.idle_watts or 0.0) * (end - start))
            busy = window.joules - idle
            foreign = busy * (window.foreign_ratio if total > 0 else 1.0)
            runs = {run: (busy - foreign) * weight / total for run, weight in weights.items()}
        self.idle_joules += idle
        self.foreign_joules += foreign
        self.attributed_joules += sum(runs.values())
        return Settled(runs, idle, foreign)


def _part(tokens: float, begin: float, finish: float, start: float, end: float) -> float:
    """Return the share of ``tokens``, spread evenly over [begin, finish], that falls into [start, end)."""
    if tokens <= 0:
        return 0.0
    if finish <= begin:
        return tokens if start <= begin < end else 0.0
    return tokens * max(0.0, min(finish, end) - max(begin, start)) / (finish - begin)
