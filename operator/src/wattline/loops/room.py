"""What the replicas of a pool hold, and which of them has room for a turn.

A turn that waits is looked at again after every event, on every replica. So what a replica holds is counted only where
that has changed, and where nobody has room it is not asked who would be chosen.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from wattline.loops.turns import Ask, DeskSpec, ReplicaState
from wattline.model.ledger import Ledger
from wattline.policy import admit, route


@dataclass(slots=True)
class _Denial:
    """A turn for which nobody had room, and all that this depended on; it stands until any of that is another."""

    turn: Hashable
    because: admit.Why
    spec: DeskSpec
    growth: admit.Growth
    changes: int
    held: int


class Room:
    """The replicas of one pool, over the ledger of what its sessions hold."""

    def __init__(self, replicas: Sequence[str], ledger: Ledger) -> None:
        self.ledger = ledger
        self.replicas = {name: ReplicaState() for name in replicas}
        self._asking: Ask | None = None
        self._added: dict[str, tuple[int, int]] = {}
        """What the turn that asks would add to each replica, and at which count of changes."""
        self._changes = 0
        """How often anything was noted of a replica."""
        self._denial: _Denial | None = None

    # what is noted

    def note(self, name: str, *, usable: bool, capacity_tokens: int | None) -> None:
        """Note how a replica is."""
        seen = self.replicas.setdefault(name, ReplicaState())
        seen.usable, seen.capacity_tokens = usable, capacity_tokens
        self._changes += 1

    def forget(self, name: str) -> None:
        """Forget a replica that left for good."""
        self.replicas.pop(name, None)
        self._changes += 1

    def learn(self, name: str, state: admit.AdmitState) -> None:
        """Note what admission knows of a replica."""
        self.replicas[name].state = state
        self._changes += 1

    # what is seen

    def usable(self, name: str) -> bool:
        """Return whether a replica is here, answers, and has said how much it holds."""
        seen = self.replicas.get(name)
        return seen is not None and seen.usable and seen.capacity_tokens is not None

    def emptiest(self) -> str:
        """Return the replica that must keep least; an empty name where there is none."""
        return min(self.replicas, key=self.ledger.resident_tokens, default="")

    def seen(self, ask: Ask, growth: admit.Growth) -> list[route.ReplicaSeen]:
        """Return all replicas as they stand for a turn."""
        return [self.look(ask, name, growth) for name in self.replicas]

    def look(self, ask: Ask, name: str, growth: admit.Growth) -> route.ReplicaSeen:
        """Return a replica as it stands for a turn."""
        known = self._counted(name)
        resident, added = known.resident_tokens, self._added_to(ask, name, known)
        expected = growth.peak_tokens(resident + added, known.sessions + 1)
        return route.ReplicaSeen(name, known.usable, resident, known.capacity_tokens, added, expected)

    def glance(self, name: str) -> route.ReplicaSeen:
        """Return a replica as it stands, whoever asks: all that is needed to know that a session stays."""
        known = self._counted(name)
        return route.ReplicaSeen(name, known.usable, known.resident_tokens, known.capacity_tokens, 0.0)

    # what is decided

    def verdict(
        self,
        spec: DeskSpec,
        growth: admit.Growth,
        seen: route.ReplicaSeen | None,
        at_seconds: float,
        *,
        returning: bool,
    ) -> admit.AdmitDecision:
        """Return whether a turn may start on a replica as it stands for it."""
        if seen is None:
            return admit.AdmitDecision(admitted=False, why=admit.Why.CAPACITY_UNKNOWN)
        known = self._counted(seen.name)
        return admit.decide(
            spec.admit,
            growth,
            known.state,
            admit.AdmitSeen(
                at_seconds,
                seen.resident_tokens,
                seen.capacity_tokens if seen.usable else None,
                known.sessions,
                seen.added_tokens,
                returning,
            ),
        )

    def full(
        self, spec: DeskSpec, growth: admit.Growth, ask: Ask, at_seconds: float, *, returning: bool
    ) -> admit.Why | None:
        """Return what the fullest usable replica says where none has room but one may later, else nothing."""
        denial = self._denial
        if (
            denial is not None
            and denial.turn == ask.turn
            and denial.growth is growth
            and denial.spec is spec
            and denial.changes == self._changes
            and denial.held == self.ledger.changes
        ):
            return denial.because
        rule = spec.admit
        room, alone = admit.Why.ROOM, admit.Why.ALONE
        too_large, thrashing = admit.Why.TOO_LARGE, admit.Why.THRASHING
        because, fullest, hopeless, passes = admit.Why.CAPACITY_UNKNOWN, 0.0, True, False
        for name, known in self.replicas.items():
            if not known.usable:
                continue
            self._count(name, known)
            resident, capacity = known.resident_tokens, known.capacity_tokens
            added = self._added_to(ask, name, known)
            why = admit.verdict(
                rule, growth, known.state, at_seconds, resident, capacity, known.sessions, added, returning=returning
            )  # fmt: skip
            if why is room or why is alone:
                return None
            hopeless = hopeless and why is too_large
            passes = passes or why is thrashing
            share = resident / capacity if capacity else 1.0
            if share >= fullest:
                because, fullest = why, share
        if hopeless:
            return None
        if not passes:
            self._denial = _Denial(ask.turn, because, spec, growth, self._changes, self.ledger.changes)
        return because

    # how

    def _added_to(self, ask: Ask, name: str, known: ReplicaState) -> int:
        """Return what a turn would add to a replica that was counted."""
        if self._asking is not ask:
            self._asking = ask
            self._added.clear()
        kept = self._added.get(name)
        if kept is not None and kept[0] == known.counted_at:
            return kept[1]
        added = self.ledger.added_tokens(ask.session, name, ask.context, ask.tokens)
        self._added[name] = known.counted_at, added
        return added

    def _counted(self, name: str) -> ReplicaState:
        known = self.replicas[name]
        self._count(name, known)
        return known

    def _count(self, name: str, known: ReplicaState) -> None:
        """Count what a replica holds, where that has changed."""
        changes = self.ledger.changes_at(name)
        if known.counted_at != changes:
            known.counted_at = changes
            known.resident_tokens = self.ledger.resident_tokens(name)
            known.sessions = self.ledger.session_count(name)
