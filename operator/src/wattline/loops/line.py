"""Turns that wait in line for memory, in the order in which they are tried.

What is gone through is yielded: of a generator expression the compiled build makes a list.
"""

from bisect import bisect_left, insort
from collections.abc import Hashable, Iterator

from wattline.loops.turns import Waiting


class Line:
    """First come, first served; a turn whose ask says so stands as if it had come later, or earlier."""

    def __init__(self) -> None:
        self._places: dict[Hashable, tuple[float, int]] = {}
        self._order: list[tuple[float, int, Hashable]] = []
        self._waiting: dict[Hashable, Waiting] = {}
        self._joined = 0

    def __len__(self) -> int:
        return len(self._order)

    def __iter__(self) -> Iterator[Hashable]:
        for _, _, turn in self._order:
            yield turn

    def join(self, waiting: Waiting, at_seconds: float) -> None:
        """Let a turn stand in line from ``at_seconds`` on; equals stand in the order in which they joined."""
        turn = waiting.ask.turn
        self.leave(turn)
        self._joined += 1
        place = self._places[turn] = (at_seconds + waiting.ask.behind_seconds, self._joined)
        self._waiting[turn] = waiting
        insort(self._order, (*place, turn), key=_place)

    def leave(self, turn: Hashable) -> None:
        """Let a turn go, if it stands here."""
        place = self._places.pop(turn, None)
        if place is not None:
            del self._waiting[turn]
            del self._order[bisect_left(self._order, place, key=_place)]

    def first(self) -> Waiting:
        """Return the turn that is next."""
        return self._waiting[self._order[0][2]]

    def waiting(self) -> Iterator[Waiting]:
        """Yield every turn, next one first."""
        for turn in self:
            yield self._waiting[turn]


def _place(entry: tuple[float, int, Hashable]) -> tuple[float, int]:
    return entry[0], entry[1]
