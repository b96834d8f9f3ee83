"""``fair``: whose turn is next, by urgency of root runs and fair shares of tenants (SAGA's AFS, arXiv 2605.00528).

The paper: a tenant's urgency is its weight × the work left of its runs over the time to their deadline (submitted plus
1.5 × what the run should take), and its share of the service is its part of the sum of all urgencies.

Ours: urgency is counted per root run and capped, since it explodes near a deadline and is without a sign behind it: one
late tenant would take everything. Shares have a floor, and tenants take turns by stride (each turn costs one over the
share), so that between two turns of a waiting tenant lie at most ``bound`` turns of others. Inside a tenant the run goes
first that is soonest at the cap, a moment that does not move while it waits: a heap per tenant keeps the order, and who
comes after that moment overtakes no more.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil


@dataclass(frozen=True, slots=True)
class FairSpec:
    """Constants of the method."""

    deadline_factor: float = 1.5
    """Deadline over expected seconds of a run (paper)."""
    most_urgent: float = 4.0
    """Highest urgency of a run of weight 1: work left over time left [ours]. It starts at two thirds."""
    least_share: float = 0.05
    """Least share of a tenant that waits, where there are no more than one over it [ours]."""


@dataclass(frozen=True, slots=True)
class RunSeen:
    """A root run with a turn that waits."""

    submitted_seconds: float
    expected_seconds: float
    """What it takes alone, from its graph or from runs of its kind."""
    served_seconds: float = 0.0
    weight: float = 1.0

    @property
    def left_seconds(self) -> float:
        """Work that is left; a tenth of the run at least, where it takes longer than was expected."""
        return max(self.expected_seconds - self.served_seconds, 0.1 * self.expected_seconds)


@dataclass(frozen=True, slots=True)
class FairState:
    """What one turn hands to the next: how far each tenant has come, in turns over shares."""

    passes: Mapping[str, float]
    """Of tenants that wait, and of those that are gone and had more than they were due."""


@dataclass(frozen=True, slots=True)
class FairDecision:
    """Who is next, and what everybody's share is."""

    state: FairState
    tenant: str
    shares: Mapping[str, float]
    """Of the tenants that wait; they sum to 1."""


START = FairState({})


def deadline_seconds(spec: FairSpec, run: RunSeen) -> float:
    """Return when a run is due."""
    return run.submitted_seconds + spec.deadline_factor * run.expected_seconds


def urgency(spec: FairSpec, run: RunSeen, at_seconds: float) -> float:
    """Return how urgent a run is: work left over time left, at most the cap, which it keeps once it is late."""
    time_left = deadline_seconds(spec, run) - at_seconds
    capped = time_left * spec.most_urgent <= run.left_seconds
    return run.weight * (spec.most_urgent if capped else run.left_seconds / time_left)


def place(spec: FairSpec, run: RunSeen) -> float:
    """Return a run's key in its tenant's heap, least first: the moment from which it is as urgent as can be."""
    return deadline_seconds(spec, run) - run.left_seconds / (run.weight * spec.most_urgent)


def shares(spec: FairSpec, urgencies: Mapping[str, float]) -> dict[str, float]:
    """Return the tenants' parts of the service, none below the floor (or an even part, if that is less)."""
    if not urgencies:
        return {}
    floor = min(spec.least_share, 1.0 / len(urgencies))
    spare = 1.0 - floor * len(urgencies)
    whole = sum(urgencies.values())
    return {
        tenant: floor + spare * (value / whole if whole > 0.0 else 1.0 / len(urgencies))
        for tenant, value in urgencies.items()
    }


def bound(spec: FairSpec, tenants: int) -> int:
    """Return the most turns of others between two of a tenant that waits all the time, whatever they bring."""
    return (tenants - 1) * (ceil(1.0 / min(spec.least_share, 1.0 / tenants)) + 1)


def decide(
    spec: FairSpec, state: FairState, at_seconds: float, waiting: Mapping[str, Sequence[RunSeen]]
) -> FairDecision | None:
    """Return which tenant's first run is next; nobody where nobody waits.

    A tenant that comes (back) has saved nothing: it starts level with the one that is least far, or where it left off.
    """
    urgencies = {
        tenant: sum(urgency(spec, run, at_seconds) for run in runs)
        for tenant, runs in waiting.items()
        if runs
    }
    if not urgencies:
        return None
    parts = shares(spec, urgencies)
    known = [state.passes[tenant] for tenant in urgencies if tenant in state.passes]
    level = min(known, default=0.0)
    ahead = {tenant: done for tenant, done in state.passes.items() if done > level}
    passes = ahead | {tenant: max(state.passes.get(tenant, level), level) for tenant in urgencies}
    chosen = min(urgencies, key=lambda tenant: (passes[tenant], -parts[tenant], tenant))
    passes[chosen] += 1.0 / parts[chosen]
    return FairDecision(FairState(passes), chosen, parts)
