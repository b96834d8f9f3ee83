"""Arrivals in time order, made while they are asked for: memory holds those of sessions under way."""

import heapq
from collections.abc import Callable, Iterator, Sequence
from itertools import count
from typing import TypeAlias

from wattline.model.runs import Arrival
from wattline.model.sums import in_order
from wattline.sim.recording import Calls, Part, Session, again

Dealt: TypeAlias = Iterator[tuple[float, int, int]]
"""Moments in ascending order, which session begins then, and its how many-th repetition that is."""


class Schedule:
    """The arrivals of one trace; every iteration makes the same anew.

    A later run of a session starts no sooner than the tools and the human alone would have let it; the player
    also lets it wait for the end of the one before. Nothing starts after the horizon.
    """

    def __init__(
        self,
        sessions: Sequence[Session],
        deal: Callable[[], Dealt],
        horizon_seconds: float,
        part: Part | None = None,
    ) -> None:
        self._sessions = sessions
        self._deal = deal
        self._horizon_seconds = horizon_seconds
        self._part = part

    def __iter__(self) -> Iterator[Arrival]:
        if isinstance(self._sessions, Calls):
            for at, index, play in self._deal():
                if at <= self._horizon_seconds:
                    yield Arrival(at, self._sessions.again(index, play, self._part).runs[0])
            return
        ahead: list[tuple[float, int, Arrival]] = []
        order = count()
        for at, index, play in self._deal():
            while ahead and ahead[0][0] <= at:
                yield heapq.heappop(ahead)[2]
            session = self._sessions[index]
            starts = _starts(at, session)
            if starts[0] > self._horizon_seconds:
                continue
            copy = again(session, play, self._part)
            for start, run in zip(starts, copy.runs, strict=True):
                if start <= self._horizon_seconds:
                    heapq.heappush(ahead, (start, next(order), Arrival(start, run)))
        while ahead:
            yield heapq.heappop(ahead)[2]

    def __len__(self) -> int:
        """Return how many there are, without making any."""
        if isinstance(self._sessions, Calls):
            return sum(at <= self._horizon_seconds for at, _, _ in self._deal())
        return sum(
            start <= self._horizon_seconds
            for at, index, _ in self._deal()
            for start in _starts(at, self._sessions[index])
        )


class Together:
    """The arrivals of several schedules in time order."""

    def __init__(self, schedules: tuple[Schedule, ...]) -> None:
        self._schedules = schedules

    def __iter__(self) -> Iterator[Arrival]:
        return heapq.merge(*self._schedules, key=lambda arrival: arrival.at_seconds)

    def __len__(self) -> int:
        return sum(len(schedule) for schedule in self._schedules)


def _starts(at: float, session: Session) -> list[float]:
    """Return when each run of a session that begins at ``at`` starts at the earliest."""
    out: list[float] = []
    start = at
    for run, think in zip(session.runs, session.think_seconds, strict=True):
        start += think
        out.append(start)
        start += in_order([turn.gap_seconds for turn in run.turns])
    return out
