"""Turns that wait at one worker: as they came, and each tenant's by their places."""

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain


@dataclass(slots=True, eq=False)
class Turn:
    """A step of a task that asks for the model; equal to itself alone."""

    session: str
    tenant: str
    prompt_tokens: int
    known_tokens: int
    """Of the prompt, computed before."""
    output_tokens: int
    opening_tokens: int
    arrived_seconds: float
    carried_tokens: int = 0
    """Of the known ones, brought along from another worker."""
    started_seconds: float = 0.0
    place: float = 0.0
    """Key in its tenant's heap, least first."""

    @property
    def tokens(self) -> int:
        """Memory that it needs."""
        return self.prompt_tokens + self.output_tokens


Placed = tuple[float, int, Turn]
"""Place, order of arrival, turn: no two are equal before the turn."""


class Waiting:
    """A queue that can be read in two orders without being sorted."""

    def __init__(self) -> None:
        self._turns: deque[Turn] = deque()
        self._placed: dict[str, list[Placed]] = {}
        self._numbers: dict[str, int] = {}
        self._first = self._last = 0

    def __len__(self) -> int:
        return len(self._turns)

    def __iter__(self) -> Iterator[Turn]:
        return iter(self._turns)

    @property
    def first(self) -> Turn:
        """Who came first; there must be somebody."""
        return self._turns[0]

    def add(self, turn: Turn, *, front: bool = False) -> None:
        """Let a turn wait behind all others, or before them; its place must not change while it does."""
        if front:
            self._first -= 1
            self._turns.appendleft(turn)
        else:
            self._last += 1
            self._turns.append(turn)
        number = self._numbers[turn.session] = self._first if front else self._last
        insort(self._placed.setdefault(turn.tenant, []), (turn.place, number, turn))

    def remove(self, turn: Turn) -> None:
        """Let a turn wait no more."""
        self._turns.remove(turn)
        placed = self._placed[turn.tenant]
        del placed[bisect_left(placed, (turn.place, self._numbers.pop(turn.session), turn))]
        if not placed:
            del self._placed[turn.tenant]

    def heads(self) -> dict[str, Turn]:
        """Return who is first of each tenant that waits; tenants as they are met from the front of the queue."""
        heads: dict[str, Turn] = {}
        for turn in self._turns:
            if turn.tenant not in heads:
                heads[turn.tenant] = self._placed[turn.tenant][0][2]
                if len(heads) == len(self._placed):
                    break
        return heads

    def by_place(self) -> list[Turn]:
        """Return all by their places; of equal ones who came first."""
        return [turn for _, _, turn in sorted(chain(*self._placed.values()))]
