"""What the gateway decided, in words: about pools and about runs, for whoever asks why."""

from collections.abc import Callable, Mapping

from wattline.gateway.pool import Pool
from wattline.gateway.turn import Turn
from wattline.loops.turns import Answer
from wattline.model.journal import Journal, about
from wattline.model.wire import DecisionsView
from wattline.policy import admit, route

KEPT_OF_RUNS = 1000
"""Decisions about runs that are remembered; they stand apart, so that many runs do not push out what is said of pools."""

LONG_SECONDS = 1.0
"""Waits shorter than this are nobody's question, in world seconds."""

_WHY = {
    admit.Why.CAPACITY_UNKNOWN: "no replica has said yet how much memory it has",
    admit.Why.ABOVE_GAMMA: "every replica's resident share is above admitBelow",
    admit.Why.ABOVE_BETA: "the context would take every replica above neverAbove",
    admit.Why.GROWTH: "what is free is kept for what the running agents will still grow by",
    admit.Why.THRASHING: "replicas recompute much already",
    route.Why.NONE_USABLE: "no replica answers",
}


class Telling:
    """Takes note of decisions; ``stamp`` is the time they carry."""

    def __init__(self, stamp: Callable[[], str]) -> None:
        self._pools = Journal(stamp)
        self._runs = Journal(stamp, KEPT_OF_RUNS)
        self._held: dict[str, str | None] = {}
        self._work: dict[str, dict[str, str | None]] = {}

    def view(self, of: str | None) -> DecisionsView:
        """Return what is remembered, oldest first; of one object if asked for."""
        both = (*self._pools.view(of).decisions, *self._runs.view(of).decisions)
        return DecisionsView(decisions=tuple(sorted(both, key=lambda each: each.at)))

    def pool(self, pool: Pool, what: str, why: str) -> None:
        """Note a decision about a pool."""
        meta = pool.declared.metadata
        self._pools.note(about("InferencePool", meta.namespace, meta.name), what, why)

    def workflow(self, name: str, what: str, why: str) -> None:
        """Note a decision about a workflow, by its full name."""
        namespace, _, own = name.rpartition("/")
        self._pools.note(about("AgentWorkflow", namespace or None, own), what, why)

    def run(self, run: str, what: str, why: str) -> None:
        """Note a decision about a run."""
        self._runs.note(about("Run", None, run), what, why)

    def seated(self, turn: Turn, answer: Answer, waited_seconds: float) -> None:
        """Note where a turn went, if it waited or went elsewhere than before."""
        if waited_seconds >= LONG_SECONDS:
            self.run(turn.session.root, f"a turn starts after {waited_seconds:.0f} s", str(answer.admitted))
        if answer.routed in {route.Why.REASSIGNED, route.Why.REPLICA_AWAY}:
            why = "its replica holds much more than this one"
            if answer.routed is route.Why.REPLICA_AWAY:
                why = "its replica is away or gets no work"
            what = f"session {turn.session.id} goes to {answer.replica}"
            self.pool(turn.pool, what, why)
            self.run(turn.session.root, what, why)

    def refused(self, turn: Turn, message: str) -> None:
        """Note that a turn was refused."""
        self.pool(turn.pool, "refused a turn", message)
        self.run(turn.session.root, "refused a turn", message)

    def look(self, pool: Pool, waiting: Mapping[str, float]) -> None:
        """Note what changed in a pool since the last look: whether turns are held, and which replicas get work.

        ``waiting`` is how long the turns that it holds have waited, by session.
        """
        held = str(pool.desk.held_because) if pool.desk.held_because and pool.desk.held else None
        if held != self._held.get(pool.name):
            self._held[pool.name] = held
            if held is None:
                self.pool(pool, "turns start at once again", "there is room")
            elif pool.desk.held_because is not None:
                longest = max(waiting.values(), default=0.0)
                why = _WHY.get(pool.desk.held_because, held)
                shares = "; ".join(_share(pool, name) for name in sorted(pool.replicas)[:4])
                self.pool(
                    pool,
                    "turns are held",
                    f"{held}: {why} ({shares}); {pool.desk.held} waiting, longest {longest:.0f} s",
                )
        now = {name: _work(pool, name) for name, replica in pool.replicas.items() if replica.declared}
        before = self._work.get(pool.name, {})
        for name in sorted({*now, *before}):
            if name not in now:
                self.pool(pool, f"replica {name} left", "it is none of the pool's any more")
            elif now[name] != before.get(name, "new"):
                cause = now[name]
                what = "gets work" if cause is None else "gets no work"
                self.pool(pool, f"replica {name} {what}", cause or "it answers, and its GPUs may be used")
        self._work[pool.name] = now

    def forget(self, pool: str) -> None:
        """Forget what a pool that is gone was like; decisions about it stay."""
        self._held.pop(pool, None)
        self._work.pop(pool, None)


def _share(pool: Pool, name: str) -> str:
    sample = pool.replicas[name].sample
    if sample is None or not sample.capacity_tokens:
        return f"{name}: unknown"
    return f"{name}: {100 * pool.desk.resident_tokens(name) / sample.capacity_tokens:.0f} % resident"


def _work(pool: Pool, name: str) -> str | None:
    """Return why a replica gets no work; None where it gets some."""
    replica = pool.replicas[name]
    if not replica.active:
        return pool.withheld.get(name) or "its pool asks for fewer replicas"
    return None if replica.sample is not None else "its engine does not answer"
