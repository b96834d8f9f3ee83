"""What a pool's desk is asked, what it answers, and what it remembers of sessions and replicas."""

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import NamedTuple

from wattline.model.context import Context
from wattline.policy import admit, route
from wattline.policy.admit import AdmitSpec
from wattline.policy.route import RouteSpec


@dataclass(frozen=True, slots=True)
class DeskSpec:
    """What the user asks for."""

    admit: AdmitSpec
    route: RouteSpec
    admission: bool = True
    patience_seconds: float = 20.0
    """An owed turn that waited this long for memory gets that of sessions whose tool has run longest. Ours: a tool
    that takes minutes, or an agent whose sub-agents wait, must not hold everybody else's answers back."""


class Ask(NamedTuple):
    """One turn that wants to run."""

    turn: Hashable
    session: Hashable
    context: Context
    tokens: int | None = None
    """Length of the context where it is known better than by its extents."""
    owed: bool = False
    """Its session is new, yet it must not be refused: a sub-agent of an accepted run."""
    adopted: bool = False
    """Start and count it at once, whatever the memory: an earlier gateway had accepted it."""
    behind_seconds: float = 0.0
    """How much later than it did it seems to come where turns wait (policy.order)."""


class Answer(NamedTuple):
    """What becomes of a turn; no replica means that it can never run here."""

    turn: Hashable
    replica: str | None
    routed: route.Why
    admitted: admit.Why


@dataclass(slots=True)
class Seat:
    """A session that was let in."""

    inside: bool
    home: str
    order: int = 0
    """Sessions that were let in before it, and one."""
    turns: int = 0
    """Turns that ended."""
    turns_at_home: int = 0
    running: int = 0
    idle_since_seconds: float = 0.0
    tokens: int = 0
    """Length of its context at its last turn's end."""


@dataclass(slots=True)
class ReplicaState:
    """One replica as the desk knows it."""

    usable: bool = False
    capacity_tokens: int | None = None
    state: admit.AdmitState = field(default_factory=admit.AdmitState)
    counted_at: int = -1
    """Which changes of the ledger the two numbers below were counted after."""
    resident_tokens: int = 0
    sessions: int = 0


@dataclass(slots=True)
class Waiting:
    """A turn that is held."""

    ask: Ask
    since_seconds: float
