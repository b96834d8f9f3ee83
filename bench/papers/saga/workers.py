"""The workers' side: queues, who is let in next, loads as policies see them, and stealing."""

from collections.abc import Callable
from itertools import islice
from random import Random

from bench.papers.saga.memory import Memory
from bench.papers.saga.outcome import Outcome
from bench.papers.saga.rules import Rules
from bench.papers.saga.worker import SLOTS, Turn, Worker

from wattline.model.survival import Survival
from wattline.policy import fair, steal
from wattline.policy.retain import Mode
from wattline.sim.events import Events
from wattline.world.physics import EnginePhysics

MOVE_MEDIAN_SECONDS, MOVE_SIGMA = 0.230, 0.823
"""KV migration: lognormal of the paper's P50 and P95 [A, C]."""
_STEAL, _FAIR = steal.StealSpec(), fair.FairSpec()
_BEHIND = steal.Queued("", 0, 0.0, 0.0)


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
        (worker.waiting.appendleft if front else worker.waiting.append)(turn)
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
            self._events.at(due, lambda: self._work(worker) if worker.version == version else None)

    def _let_in(self, worker: Worker) -> None:
        now = self._events.now_seconds
        while worker.waiting and worker.running < SLOTS:
            state, turn = self._next(worker)
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
        memory = worker.memory
        if self._rules.retain.mode is not Mode.NEXT_USE or memory.free_tokens >= turn.tokens:
            return
        order = sorted(worker.waiting, key=lambda one: one.place) if self._rules.fair else worker.waiting
        for index, waiting in enumerate(order):
            memory.says(waiting.session, waiting_seconds=(index + 1) * worker.start_seconds)

    def _next(self, worker: Worker) -> tuple[fair.FairState, Turn]:
        state = self._fair[worker.name]
        if not self._rules.fair:
            return state, worker.waiting[0]
        first: dict[str, Turn] = {}
        for turn in worker.waiting:
            if turn.tenant not in first or turn.place < first[turn.tenant].place:
                first[turn.tenant] = turn
        heads = {tenant: [self._run_seen(turn)] for tenant, turn in first.items()}
        decision = fair.decide(_FAIR, state, self._events.now_seconds, heads)
        assert decision is not None
        return decision.state, first[decision.tenant]

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
        wait = worker.room_in_seconds()
        # No more than so many move at once: of those behind them only the number counts.
        head = [
            steal.Queued(turn.session, turn.tokens, self._move_seconds(worker, turn), wait * (index + 1))
            for index, turn in enumerate(islice(worker.waiting, _STEAL.most))
        ]
        return steal.ReplicaSeen(
            worker.name,
            worker.running / SLOTS,
            memory.running_tokens / memory.capacity_tokens,
            memory.capacity_tokens - memory.running_tokens,
            worker.idle_since_seconds,
            (*head, *(_BEHIND,) * (len(worker.waiting) - len(head))),
        )

    def _move_seconds(self, worker: Worker, turn: Turn) -> float:
        cached = worker.memory.cached_tokens(turn.session)
        return min(0.323, worker.prefill_seconds_of(cached)) if cached else 0.0

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
