"""Routing: the replica of a turn.

``wattline`` is KAIROS (arXiv 2604.16682, algorithms 2 and 3) over SAGA's affinity (arXiv 2605.00528): a session
stays where its KV memory is; new ones go to the first replica with room while all are below half full
(a lightly loaded GPU draws ~100 W more than an idle one at any clock), else to the emptiest; after 8 turns on a
replica that holds twice what the emptiest does, a session moves at a turn boundary.

Ours: room and emptiness are those that the sessions will leave once they have grown, as admission foresees it: young
agents are small and share their opening, so that a dozen seem to fit where four will fill the memory. And a session
moves only off a replica that takes no new agents (past gamma, and past the consolidation share). Before that memory is not what limits anybody, a move costs the whole context again, and the ratio to an empty neighbour is
infinite: consolidated agents would be sent away as soon as they grow. Nor does a session move where the move itself
would reverse the imbalance. A replica that is away, stale or of unknown capacity counts as full.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from wattline.api.inferencepool import Routing
from wattline.api.memory import Memory


class Mode(StrEnum):
    """How replicas are chosen."""

    ROUND_ROBIN = "round-robin"
    AFFINITY = "affinity"
    WATTLINE = "wattline"


class Why(StrEnum):
    """Why a turn goes where it goes."""

    NEXT_IN_TURN = "NextInTurn"
    STAYS = "ContextIsThere"
    EMPTIEST = "Emptiest"
    CONSOLIDATED = "Consolidated"
    REASSIGNED = "Reassigned"
    REPLICA_AWAY = "ReplicaAway"
    NONE_USABLE = "NoReplicaUsable"


@dataclass(frozen=True, slots=True)
class RouteSpec:
    """What the user asks for."""

    routing: Routing
    memory: Memory
    mode: Mode = Mode.WATTLINE


class RouteState(NamedTuple):
    """What is remembered of a pool between decisions."""

    dispatched: int = 0
    """Turns given out so far, for round robin."""


class ReplicaSeen(NamedTuple):
    """One replica as it stands, and what the asking context would add there."""

    name: str
    usable: bool
    """It answers and its metrics are fresh."""
    resident_tokens: float
    capacity_tokens: float | None
    added_tokens: float
    expected_tokens: float = 0.0
    """What its sessions and the asking one will hold together once they have grown, as far as that is foreseen."""

    @property
    def share(self) -> float:
        """Resident share of the capacity; full where that is unknown."""
        if not self.usable or not self.capacity_tokens:
            return 1.0
        return self.resident_tokens / self.capacity_tokens

    @property
    def expected_share(self) -> float:
        """Resident share of the capacity with the context, once all have grown; full where that is unknown."""
        if not self.usable or not self.capacity_tokens:
            return 1.0
        return max(self.resident_tokens + self.added_tokens, self.expected_tokens) / self.capacity_tokens

    def room(self, share: float) -> bool:
        """Return whether the context fits below a share of the capacity."""
        if not self.usable or not self.capacity_tokens:
            return False
        return self.resident_tokens + self.added_tokens <= share * self.capacity_tokens


class Ask(NamedTuple):
    """The session that asks."""

    home: str | None = None
    """Replica that holds its context, or held it last; none for a first turn."""
    turns_at_home: int = 0


class RouteDecision(NamedTuple):
    """Where the turn goes; nowhere if no replica can be used."""

    state: RouteState
    replica: str | None
    why: Why


def decide(spec: RouteSpec, state: RouteState, ask: Ask, replicas: Sequence[ReplicaSeen]) -> RouteDecision:
    """Return the replica for a turn; ties go to the earlier one, so that the order of replicas is the order of use."""
    usable = [replica for replica in replicas if replica.usable]
    state_after = RouteState(state.dispatched + 1)
    if not usable:
        return RouteDecision(state, None, Why.NONE_USABLE)
    if spec.mode is Mode.ROUND_ROBIN:
        chosen = usable[state.dispatched % len(usable)]
        return RouteDecision(state_after, chosen.name, Why.NEXT_IN_TURN)
    home = next((replica for replica in usable if replica.name == ask.home), None)
    if home is not None:
        better = _better(spec, ask, home, usable)
        if better is not None:
            return RouteDecision(state_after, better.name, Why.REASSIGNED)
        return RouteDecision(state_after, home.name, Why.STAYS)
    chosen, why = _fresh(spec, usable)
    return RouteDecision(state_after, chosen.name, why if ask.home is None else Why.REPLICA_AWAY)


def _fresh(spec: RouteSpec, usable: Sequence[ReplicaSeen]) -> tuple[ReplicaSeen, Why]:
    below = spec.routing.consolidate_below
    if spec.mode is Mode.WATTLINE and all(replica.share < below for replica in usable):
        packed = next((replica for replica in usable if replica.expected_share <= below), None)
        if packed is not None:
            return packed, Why.CONSOLIDATED
    return min(usable, key=lambda replica: replica.expected_share), Why.EMPTIEST


def kept(state: RouteState, home: ReplicaSeen) -> RouteDecision:
    """Return what ``decide`` does for a session that stays, whatever the other replicas look like."""
    return RouteDecision(RouteState(state.dispatched + 1), home.name, Why.STAYS)


def stays(spec: RouteSpec, ask: Ask, home: ReplicaSeen) -> bool:
    """Return whether a session stays at home whatever the other replicas look like."""
    rule = spec.routing
    if not home.usable or spec.mode is Mode.ROUND_ROBIN:
        return False
    if spec.mode is Mode.AFFINITY or ask.turns_at_home < rule.reassign_after_turns:
        return True
    return home.share < max(rule.consolidate_below, spec.memory.admit_below)


def _better(
    spec: RouteSpec, ask: Ask, home: ReplicaSeen, usable: Sequence[ReplicaSeen]
) -> ReplicaSeen | None:
    """Return where a session had better move, if the rule asks for it."""
    emptiest = min(usable, key=lambda replica: replica.share)
    if emptiest is home or stays(spec, ask, home):
        return None
    ratio = spec.routing.reassign_ratio
    if home.share < ratio * emptiest.share or not emptiest.room(spec.memory.admit_below):
        return None
    after = emptiest.resident_tokens + emptiest.added_tokens
    return emptiest if after <= home.resident_tokens else None
