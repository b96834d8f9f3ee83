"""What happens to a fleet while it is played: replicas that go and come, budgets and air that change."""

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

from wattline.sim.rungs import Rung


class Do(StrEnum):
    """What happens to a replica."""

    STOP = "stop"
    """It ends at once, as a process that is killed or a node that fails: what ran there is asked again."""
    DRAIN = "drain"
    """It gets no new work and ends when nothing runs there any more."""
    START = "start"
    """It loads, and gets work when it is ready; its memory is empty. One that is there is started anew."""
    SLEEP = "sleep"
    """It drains and copies its weights to the host (vLLM's level 1)."""
    DEEP_SLEEP = "deep-sleep"
    """It drains and drops its weights (level 2)."""
    WAKE = "wake"
    """It gets its weights back, and work when it is ready; its memory is empty. One that still drains goes on."""


@dataclass(frozen=True, slots=True)
class ReplicaChange:
    """Something happens to one replica."""

    at_seconds: float
    pool: str
    """Full name."""
    replica: str
    do: Do
    rung: Rung | None = None
    """With `Do.START`: what it serves from then on; what it served at first when none. Runs keep their turns, only
    their success changes."""


@dataclass(frozen=True, slots=True)
class BudgetChange:
    """A domain's budget is another from now on: a row that loses a feed, an emergency, a price."""

    at_seconds: float
    domain: str
    watts: float
    """Of the whole domain, as its spec would say: overheads and reserved watts are paid from it."""


@dataclass(frozen=True, slots=True)
class InletChange:
    """The air that comes into nodes has another temperature from now on."""

    at_seconds: float
    celsius: float
    nodes: tuple[str, ...] = ()
    """All of them when empty."""


Change = ReplicaChange | BudgetChange | InletChange


def problem(
    change: Change,
    replicas: Collection[tuple[str, str]],
    domains: Collection[str],
    nodes: Collection[str],
) -> str | None:
    """Return what stands against a change in a fleet of these parts, with a remedy; none if nothing does."""
    at = f"change at {change.at_seconds:g} s"
    if not change.at_seconds >= 0:
        return f"{at}: expected seconds from the start, 0 or more"
    match change:
        case ReplicaChange():
            if change.rung is not None and change.do is not Do.START:
                return f"{at}: a rung changes when a replica starts; say so, or take the rung away"
            if (change.pool, change.replica) in replicas:
                return None
            there = [name for pool, name in replicas if pool == change.pool]
            return (
                f"{at}: no replica {change.replica} of a served pool {change.pool}; there is: {_list(there)}"
            )
        case BudgetChange():
            if change.domain not in domains:
                return f"{at}: no PowerDomain {change.domain}; there is: {_list(domains)}"
            return None if change.watts > 0 else f"{at}: expected a budget of more than 0 W"
        case InletChange():
            unknown = sorted(set(change.nodes) - set(nodes))
            return f"{at}: no node {unknown[0]} has GPUs; there is: {_list(nodes)}" if unknown else None


def _list(names: Collection[str]) -> str:
    return ", ".join(sorted(names)) or "none"
