"""The workers' side: queues, who is let in next, loads as policies see them, and stealing."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import islice
from random import Random
from typing import overload

from bench.papers.saga.memory import Memory
from bench.papers.saga.outcome import Outcome
from bench.papers.saga.rules import Rules
from bench.papers.saga.waiting import Turn
from bench.papers.saga.worker import SLOTS, Worker

from wattline.model.survival import Survival
from wattline.policy import fair, steal
from wattline.policy.retain import Mode
from wattline.sim.events import Events
from wattline.world.physics import EnginePhysics

MOVE_MEDIAN_SECONDS, MOVE_SIGMA = 0.230, 0.823
"""KV migration: lognormal of the paper's P50 and P95 [A, C]."""
_STEAL, _FAIR = steal.StealSpec(), fair.FairSpec()


class Workers:
    """Workers that take turns as the rules say; what becomes of sessions is told to the tasks' side."""

    def __init__(
        self,
        rules: Rules,
        physics: EnginePhysics,
        count: int,
        capacity_tokens: int,
        curves: dict[str, Survival],
        events: Events,
        outcome: Outcome,
        rng: Random,
        *,
        ended: Callable[[Worker, Turn], None],
        moved: Callable[[str, Worker], None],
        seen: Callable[[Turn], fair.RunSeen],
    ) -> None:
        self.all = [
            Worker(
                f"w{index:02d}", physics, Memory(capacity_tokens, rules.retain, curves), rules.shares_openings
            )
            for index in range(count)
        ]
        self._rules, self._events, self._outcome, self._rng = rules, events, outcome, rng
        self._ended, self._moved, self._run_seen = ended, moved, seen
        self._fair = {worker.name: fair.START for worker in self.all}
        self._stealing = False

    def queue(self, worker: Worker, turn: Turn, *, front: bool = False) -> None:
        """Let a turn wait at a worker, and start if it can."""
        # While its turn waits, a task is served nothing: its place stays.
        turn.place = fair.place(_FAIR, self._run_seen(turn))
        worker.waiting.add(turn, front=front)
        worker.idle_since_seconds = None
        self._work(worker)
        if worker.waiting and self._rules.steals and not self._stealing:
            self._stealing = True
            self._events.at(self._events.now_seconds + 0.1, self._steal)

    def _work(self, worker: Worker) -> None:
        """Bring a worker up to now, let in who can start, and note when it is due again."""
        now = self._events.now_seconds
        worker.advance(now)
        for turn in worker.finish():
            self._ended(worker, turn)
        if worker.open:
            self._let_in(worker)
        due = worker.plan()
        worker.version += 1
        version = worker.version
        if due < float("inf"):
            self._events.at(due, partial(self._due, worker, version))

    def _due(self, worker: Worker, version: int) -> None:
        if worker.version == version:
            self._work(worker)

    def _let_in(self, worker: Worker) -> None:
        now = self._events.now_seconds
        while worker.waiting and worker.running < SLOTS:
            heads = worker.waiting.heads() if self._rules.fair else {"": worker.waiting.first}
            # Most of the time a full memory has room for nobody: then it does not matter whose turn it would be.
            if not any(map(worker.fits, heads.values())):
                break
            state, turn = self._next(worker, heads)
            if not worker.fits(turn):
                break
            self._foresee(worker, turn)
            if not worker.begin(turn, now):
                break
            self._fair[worker.name] = state
            worker.waiting.remove(turn)
        if not worker.waiting and worker.idle_since_seconds is None:
            worker.idle_since_seconds = now

    def _foresee(self, worker: Worker, turn: Turn) -> None:
        """Note when those that wait will start, where somebody has to give way for a turn."""
        if self._rules.retain.mode is Mode.NEXT_USE and worker.missing_tokens(turn) > 0:
            waiting = worker.waiting.by_place() if self._rules.fair else worker.waiting
            worker.memory.foresees((one.session for one in waiting), worker.start_seconds)

    def _next(self, worker: Worker, heads: Mapping[str, Turn]) -> tuple[fair.FairState, Turn]:
        """Return whose turn is next of those who are first of their tenants, and the turns taken with it."""
        state = self._fair[worker.name]
        if not self._rules.fair:
            return state, heads[""]
        seen = {tenant: [self._run_seen(turn)] for tenant, turn in heads.items()}
        decision = fair.decide(_FAIR, state, self._events.now_seconds, seen)
        assert decision is not None
        return decision.state, heads[decision.tenant]

    def load(self, worker: Worker) -> float:
        """Return the paper's load."""
        memory = worker.memory
        return (
            _STEAL.utilisation_weight * worker.running / SLOTS
            + _STEAL.memory_weight * memory.running_tokens / memory.capacity_tokens
            + _STEAL.queued_weight * len(worker.waiting)
        )

    def _seen(self, worker: Worker) -> steal.ReplicaSeen:
        memory = worker.memory
        return steal.ReplicaSeen(
            worker.name,
            worker.running / SLOTS,
            memory.running_tokens / memory.capacity_tokens,
            memory.capacity_tokens - memory.running_tokens,
            worker.idle_since_seconds,
            _Line(worker),
        )

    def _steal(self) -> None:
        self._stealing = False
        if not any(worker.waiting for worker in self.all):
            return
        by_name = {worker.name: worker for worker in self.all}
        seen = [self._seen(worker) for worker in self.all]
        for move in steal.decide(_STEAL, self._events.now_seconds, seen).moves:
            self._move(by_name[move.source], by_name[move.target], move.session)
        self._stealing = True
        self._events.at(self._events.now_seconds + 0.1, self._steal)

    def _move(self, source: Worker, target: Worker, session: str) -> None:
        turn = next(turn for turn in source.waiting if turn.session == session)
        source.waiting.remove(turn)
        turn.carried_tokens = source.memory.cached_tokens(session)
        source.memory.drop(session)
        self._moved(session, target)
        self._outcome.moves += 1
        seconds = (
            MOVE_MEDIAN_SECONDS * self._rng.lognormvariate(0.0, MOVE_SIGMA) if turn.carried_tokens else 0.0
        )
        self._events.at(self._events.now_seconds + seconds, lambda: self.queue(target, turn, front=True))


class _Line(Sequence[steal.Queued]):
    """A worker's queue as the policy sees it: how long it is, and those in front where it looks at them."""

    def __init__(self, worker: Worker, skipped: int = 0) -> None:
        self._worker, self._skipped = worker, skipped

    def __len__(self) -> int:
        return max(0, len(self._worker.waiting) - self._skipped)

    @overload
    def __getitem__(self, index: int) -> steal.Queued: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[steal.Queued]: ...
    def __getitem__(self, index: int | slice) -> steal.Queued | Sequence[steal.Queued]:
        if isinstance(index, slice):
            assert (index.stop, index.step) == (None, None)
            return _Line(self._worker, self._skipped + index.start)
        if index >= len(self):
            raise IndexError(index)
        at = self._skipped + index
        turn = next(islice(self._worker.waiting, at, None))
        wait = self._worker.room_in_seconds() * (at + 1)
        return steal.Queued(turn.session, turn.tokens, _move_seconds(self._worker, turn), wait)


def _move_seconds(worker: Worker, turn: Turn) -> float:
    cached = worker.memory.cached_tokens(turn.session)
    return min(0.323, worker.prefill_seconds_of(cached)) if cached else 0.0
