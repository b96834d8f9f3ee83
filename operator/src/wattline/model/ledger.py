"""The ledger of resident tokens: what each replica must keep in its KV memory, tool gaps included.

A session holds its whole context on one replica from the start of its first turn until it ends, moves or is
put back to pending. A beginning that several sessions of a replica share counts once where equal extents
prove it, else fully. Extents may count in something other than tokens (the gateway's count in bytes of prompt
text); ``tokens_per_unit`` then values what is shared, while each session's own total stays what the engine said.
"""

from collections.abc import Hashable, Iterator

from wattline.model.context import Context
from wattline.model.context import tokens as units_of
from wattline.model.prefixtree import Held, PrefixTree

Session = Hashable
Replica = Hashable


class _Entry:
    __slots__ = ("last", "replica", "tokens", "units")

    def __init__(self, replica: Replica, last: Held, units: int, tokens: int) -> None:
        self.replica = replica
        self.last = last
        self.units = units
        self.tokens = tokens


class _Shelf:
    """What one replica holds."""

    __slots__ = ("changes", "sessions", "tokens", "tree", "units")

    def __init__(self) -> None:
        self.tree = PrefixTree()
        self.sessions: dict[Session, None] = {}
        self.tokens = 0
        self.units = 0
        self.changes = 0


class Ledger:
    """Resident tokens per replica and session."""

    def __init__(self, tokens_per_unit: float = 1.0) -> None:
        self.changes = 0
        """How often anything held has changed, or its value: what was computed of it still holds at the same count."""
        self._tokens_per_unit = tokens_per_unit
        self._valued = 0
        self._entries: dict[Session, _Entry] = {}
        self._shelves: dict[Replica, _Shelf] = {}

    @property
    def tokens_per_unit(self) -> float:
        """Tokens that one unit of an extent stands for; may be learnt while sessions are held."""
        return self._tokens_per_unit

    @tokens_per_unit.setter
    def tokens_per_unit(self, ratio: float) -> None:
        if ratio != self._tokens_per_unit:
            self._tokens_per_unit = ratio
            self._valued += 1
            self.changes += 1

    def hold(self, session: Session, replica: Replica, context: Context, tokens: int | None = None) -> None:
        """Make a session hold ``context`` on ``replica`` and nothing else anywhere.

        ``tokens`` is the context's length where it is known better than by its extents.
        """
        self.release(session)
        shelf = self._shelves.get(replica)
        if shelf is None:
            shelf = self._shelves[replica] = _Shelf()
        units = units_of(context)
        total = self._tokens(units, tokens)
        self._entries[session] = _Entry(replica, shelf.tree.hold(context), units, total)
        shelf.sessions[session] = None
        shelf.tokens += total
        shelf.units += units
        shelf.changes += 1
        self.changes += 1

    def correct(self, session: Session, tokens: int) -> None:
        """Set the length of a held context to what the engine counted, prompt and output so far."""
        entry = self._entries.get(session)
        if entry is not None:
            shelf = self._shelves[entry.replica]
            shelf.tokens += tokens - entry.tokens
            shelf.changes += 1
            self.changes += 1
            entry.tokens = tokens

    def release(self, session: Session) -> None:
        """Forget a session: it ended, moved or went back to pending."""
        entry = self._entries.pop(session, None)
        if entry is None:
            return
        shelf = self._shelves[entry.replica]
        shelf.tree.release(entry.last)
        shelf.tokens -= entry.tokens
        shelf.units -= entry.units
        shelf.changes += 1
        self.changes += 1
        del shelf.sessions[session]

    def drop(self, replica: Replica) -> tuple[Session, ...]:
        """Forget all that a replica held, because it lost its memory; return whose it was."""
        lost = tuple(self.sessions(replica))
        for session in lost:
            self.release(session)
        return lost

    def resident_tokens(self, replica: Replica) -> int:
        """Return the unique tokens that a replica must keep."""
        shelf = self._shelves.get(replica)
        if shelf is None:
            return 0
        if shelf.units == shelf.tree.units:
            return max(0, shelf.tokens)
        twice = (shelf.units - shelf.tree.units) * self._tokens_per_unit
        return max(0, shelf.tokens - int(twice))

    def added_tokens(
        self, session: Session, replica: Replica, context: Context, tokens: int | None = None
    ) -> int:
        """Return by how much the replica's resident tokens would grow if the session held ``context`` there."""
        total = self._tokens(units_of(context), tokens)
        entry = self._entries.get(session)
        if entry is not None and entry.replica == replica:
            return max(0, total - entry.tokens)
        shelf = self._shelves.get(replica)
        shared = 0 if shelf is None else shelf.tree.shared(context)
        return max(0, total - int(shared * self._tokens_per_unit))

    def changes_at(self, replica: Replica) -> int:
        """Return the like of ``changes`` for what one replica holds."""
        shelf = self._shelves.get(replica)
        return self._valued if shelf is None else self._valued + shelf.changes

    def tokens_of(self, session: Session) -> int:
        """Return the length of the context that a session holds, 0 if none."""
        entry = self._entries.get(session)
        return 0 if entry is None else entry.tokens

    def replica_of(self, session: Session) -> Replica | None:
        """Return where a session holds its context."""
        entry = self._entries.get(session)
        return None if entry is None else entry.replica

    def sessions(self, replica: Replica) -> Iterator[Session]:
        """Yield the sessions that a replica holds, longest held first."""
        shelf = self._shelves.get(replica)
        return iter(()) if shelf is None else iter(shelf.sessions)

    def session_count(self, replica: Replica) -> int:
        """Return how many sessions a replica holds."""
        shelf = self._shelves.get(replica)
        return 0 if shelf is None else len(shelf.sessions)

    def _tokens(self, units: int, tokens: int | None) -> int:
        return round(units * self._tokens_per_unit) if tokens is None else tokens
