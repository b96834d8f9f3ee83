"""What a reader noticed in a trace and went on: counted, with the first place it saw."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Note:
    """One kind of peculiarity of a trace."""

    what: str
    """What it is and what was done about it."""
    count: int
    """How often it occurs."""
    first: str
    """Where it occurs first: file, and line where the format has lines."""

    def __str__(self) -> str:
        return f"{self.count:,} × {self.what} (first: {self.first})"


class Notes:
    """Counts peculiarities while a trace is read."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[int, str]] = {}

    def count(self, what: str, place: str | Path, times: int = 1) -> None:
        """Note that something occurred ``times`` more, at this place."""
        before, first = self._seen.get(what, (0, str(place)))
        if times:
            self._seen[what] = (before + times, first)

    def all(self) -> tuple[Note, ...]:
        """Return what was noticed, in the order in which it was."""
        return tuple(Note(what, count, first) for what, (count, first) in self._seen.items())
