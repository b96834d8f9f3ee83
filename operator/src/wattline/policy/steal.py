"""``steal``: which waiting session moves to a replica that has less to do (SAGA, arXiv 2605.00528).

The paper: every 100 ms, where a replica's queue has been empty for 100 ms or the most loaded has more than twice the
load of the least loaded, the least loaded takes up to four sessions, each the oldest of an overloaded replica chosen at
random; load is half utilisation, half memory in use and 0.05 for each that waits.

Ours: nothing is chosen at random: the one with the longest queue gives. And the move has to pay: a session moves only
to where there is room for its turn, and only where it would wait longer than it takes to bring its context there (or to
compute it again there, where that is quicker). Without ``counts_cost`` it is the paper's rule.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum


class Why(StrEnum):
    """Why sessions move, or stay."""

    IDLE = "QueueEmpty"
    UNEVEN = "LoadUneven"
    EVEN = "LoadEven"
    COSTS_MORE = "MoveCostsMoreThanItSaves"
    NO_ROOM = "NoRoomThere"


@dataclass(frozen=True, slots=True)
class StealSpec:
    """Constants of the method, all the paper's."""

    idle_seconds: float = 0.1
    load_ratio: float = 2.0
    """Most load over least above which loads are uneven, and load over least above which a replica is overloaded."""
    queue: int = 2
    """Waiting sessions from which a replica counts as overloaded."""
    most: int = 4
    """Sessions that move in one period."""
    utilisation_weight: float = 0.5
    memory_weight: float = 0.5
    queued_weight: float = 0.05
    counts_cost: bool = True


@dataclass(frozen=True, slots=True)
class Queued:
    """A session whose turn waits."""

    session: str
    need_tokens: int
    """Memory that its turn needs."""
    move_seconds: float
    """To bring its context to another replica, or to compute it there, whichever is quicker."""
    wait_seconds: float
    """Until it is expected to start where it is."""


@dataclass(frozen=True, slots=True)
class ReplicaSeen:
    """One replica."""

    name: str
    utilisation: float
    memory_ratio: float
    """Share of memory that running turns and live sessions need."""
    free_tokens: int
    """Room for turns that come, given up contexts included."""
    idle_since_seconds: float | None
    """Since when nothing waits; none where something does."""
    waiting: Sequence[Queued] = ()
    """Next one first."""


@dataclass(frozen=True, slots=True)
class Move:
    """One session that moves."""

    session: str
    source: str
    target: str
    why: Why


@dataclass(frozen=True, slots=True)
class StealDecision:
    """What moves now."""

    moves: tuple[Move, ...]
    why: Why
    """Of the first move; where none is made, why not."""


def load(spec: StealSpec, replica: ReplicaSeen) -> float:
    """Return a replica's load as the paper weighs it."""
    return (
        spec.utilisation_weight * replica.utilisation
        + spec.memory_weight * replica.memory_ratio
        + spec.queued_weight * len(replica.waiting)
    )


def decide(spec: StealSpec, at_seconds: float, replicas: Sequence[ReplicaSeen]) -> StealDecision:
    """Return which sessions move; the head of a queue moves before those behind it, and who took gives nothing on."""
    takers: set[str] = set()
    now = {replica.name: replica for replica in replicas}
    moves: list[Move] = []
    why = Why.EVEN
    while len(moves) < spec.most:
        why, pair = _pair(spec, at_seconds, list(now.values()), takers)
        if pair is None:
            break
        thief, giver = pair
        head = giver.waiting[0]
        if spec.counts_cost and head.need_tokens > thief.free_tokens:
            why = Why.NO_ROOM
            break
        if spec.counts_cost and head.move_seconds >= head.wait_seconds:
            why = Why.COSTS_MORE
            break
        moves.append(Move(head.session, giver.name, thief.name, why))
        takers.add(thief.name)
        now[giver.name] = replace(giver, waiting=giver.waiting[1:])
        now[thief.name] = replace(
            thief, waiting=(*thief.waiting, head), free_tokens=thief.free_tokens - head.need_tokens
        )
    return StealDecision(tuple(moves), moves[0].why if moves else why)


def _pair(
    spec: StealSpec, at_seconds: float, replicas: list[ReplicaSeen], takers: set[str]
) -> tuple[Why, tuple[ReplicaSeen, ReplicaSeen] | None]:
    """Return who takes from whom, if anybody does."""
    if len(replicas) < 2:
        return Why.EVEN, None
    loads = {replica.name: load(spec, replica) for replica in replicas}
    idle = [
        replica
        for replica in replicas
        if not replica.waiting
        and replica.idle_since_seconds is not None
        and at_seconds - replica.idle_since_seconds > spec.idle_seconds
    ]
    least, most = min(loads.values()), max(loads.values())
    uneven = most > spec.load_ratio * least
    if not idle and not uneven:
        return Why.EVEN, None
    thief = min(idle or replicas, key=lambda replica: (loads[replica.name], replica.name))
    givers = [
        replica
        for replica in replicas
        if replica.name != thief.name
        and replica.name not in takers
        and replica.waiting
        and (loads[replica.name] > spec.load_ratio * least or len(replica.waiting) >= spec.queue)
        and (len(replica.waiting) > len(thief.waiting))
    ]
    if not givers:
        return Why.EVEN, None
    giver = max(givers, key=lambda replica: (len(replica.waiting), loads[replica.name], replica.name))
    return (Why.IDLE if idle else Why.UNEVEN), (thief, giver)
