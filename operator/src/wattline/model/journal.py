"""The last decisions of one process, for whoever asks why."""

from collections import deque
from collections.abc import Callable

from wattline.model.wire import Decision, DecisionsView

KEPT = 200
"""Decisions that are remembered; ours, some kilobytes."""


def about(kind: str, namespace: str | None, name: str) -> str:
    """Return how a decision names its object."""
    return f"{kind}/{name}" if namespace is None else f"{kind}/{namespace}/{name}"


class Journal:
    """A ring of decisions; ``stamp`` is the time they carry. The same said again at once is kept once."""

    def __init__(self, stamp: Callable[[], str], kept: int = KEPT) -> None:
        self._stamp = stamp
        self._ring: deque[tuple[Decision, tuple[str, ...]]] = deque(maxlen=kept)
        self._said: dict[str, tuple[str, str]] = {}

    def note(self, of: str, what: str, why: str, *, also: tuple[str, ...] = ()) -> bool:
        """Remember a decision about an object; return False where it is the last one about it said again.

        It is kept once and is also found by the names of the other objects that it touches.
        """
        if self._said.get(of) == (what, why):
            return False
        self._said[of] = (what, why)
        self._ring.append((Decision(at=self._stamp(), about=of, what=what, why=why), also))
        if len(self._said) > 4 * (self._ring.maxlen or KEPT):
            kept = {each.about for each, _ in self._ring}
            self._said = {name: last for name, last in self._said.items() if name in kept}
        return True

    def view(self, of: str | None = None) -> DecisionsView:
        """Return what is remembered, oldest first; of one object if asked for, by its kind in any case."""
        return DecisionsView(
            decisions=tuple(
                each
                for each, also in self._ring
                if of is None or any(_same(name, of) for name in (each.about, *also))
            )
        )


def _same(one: str, other: str) -> bool:
    kind, _, name = one.partition("/")
    asked, _, other_name = other.partition("/")
    return (kind.lower(), name) == (asked.lower(), other_name)
