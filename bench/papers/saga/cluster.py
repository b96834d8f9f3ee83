"""Workers under the ladder's policies: tasks arrive, ask, run tools and come back; every policy sees the same tasks."""

from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import inf
from random import Random

from bench.papers.saga.memory import Memory
from bench.papers.saga.worker import SLOTS, Turn, Worker, alone_seconds
from bench.papers.saga.workload import TOOLS, Task

from wattline.api.inferencepool import Memory as Shares
from wattline.model.survival import Survival
from wattline.policy import admit, fair, steal
from wattline.policy.retain import Kept, Mode, RetainSpec, hold
from wattline.sim.events import Events
from wattline.world.engines import ENGINES

PHYSICS = ENGINES["meta-llama/Llama-3.1-70B-Instruct", "a100", 4]
"""The paper's: Llama-3-70B on four A100."""
PRIOR_WEIGHT = 20.0
"""Tool calls that a prior is worth [ours]."""
LEAST_LOAD_RATIO = 2.0
"""A session leaves an overloaded home only for a worker with less than its load over this [ours]."""
DRAIN_SECONDS = 1800.0
MOVE_MEDIAN_SECONDS, MOVE_SIGMA = 0.230, 0.823
"""KV migration: lognormal of the paper's P50 and P95 [A, C]."""


@dataclass(frozen=True)
class Rules:
    """What of the method is on."""

    retain: RetainSpec
    shares_openings: bool = True
    knows_ends: bool = True
    holds: bool = False
    affinity: bool = True
    leaves_above: float | None = None
    """Load of its home above which a session goes elsewhere (theta); none: it never does."""
    steals: bool = False
    fair: bool = False
    admits: bool = False
    """New tasks wait while memory has no room for what the present ones will grow to (KAIROS, ours)."""


_ADMIT = admit.AdmitSpec(memory=Shares())

LADDER = {
    "LRU": Rules(RetainSpec(mode=Mode.LRU, whole=True), shares_openings=False, knows_ends=False),
    "prefix-LRU": Rules(RetainSpec(mode=Mode.LRU), knows_ends=False),
    "WA-LRU": Rules(RetainSpec(mode=Mode.WORKFLOW)),
    "TTL": Rules(RetainSpec(mode=Mode.WORKFLOW), holds=True),
    "full": Rules(RetainSpec(mode=Mode.NEXT_USE), holds=True, leaves_above=0.8, steals=True, fair=True),
    "full, admission": Rules(
        RetainSpec(mode=Mode.NEXT_USE), holds=True, leaves_above=0.8, steals=True, fair=True, admits=True
    ),
}
ABLATIONS = {
    "no affinity": Rules(RetainSpec(mode=Mode.NEXT_USE), holds=True, affinity=False, steals=True, fair=True),
    "LRU for next use": Rules(RetainSpec(mode=Mode.LRU), holds=True, leaves_above=0.8, steals=True, fair=True),
    "paper's WA-LRU for next use": Rules(RetainSpec(mode=Mode.WORKFLOW), holds=True, leaves_above=0.8, steals=True, fair=True),
    "no holds": Rules(RetainSpec(mode=Mode.NEXT_USE), leaves_above=0.8, steals=True, fair=True),
    "no stealing": Rules(RetainSpec(mode=Mode.NEXT_USE), holds=True, leaves_above=0.8, fair=True),
    "no fair turns": Rules(RetainSpec(mode=Mode.NEXT_USE), holds=True, leaves_above=0.8, steals=True),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Access:
    """A turn on a worker, as it was: what the frozen sequence is made of."""

    session: str
    arrived_seconds: float
    started_seconds: float
    ended_seconds: float
    tokens: int
    known_tokens: int
    tool: str
    last: bool


@dataclass(slots=True)
class Outcome:
    """What came of it."""

    seconds: list[float] = field(default_factory=list)
    """Of tasks that count, from arrival to end."""
    ratios: list[float] = field(default_factory=list)
    """The same over what the task takes alone."""
    unfinished: int = 0
    """Of those that count: open half an hour after the last arrival; they stand among the seconds with what they took so far."""
    finished: int = 0
    """Between warm-up and the end of arrivals."""
    live_ratio_sum: float = 0.0
    samples: int = 0
    moves: int = 0
    held_right: int = 0
    held: int = 0
    accesses: list[Access] = field(default_factory=list)
    """On the first worker."""


@dataclass(slots=True)
class _Live:
    task: Task
    arrived: float
    alone: float
    home: Worker | None = None
    step: int = 0
    served: float = 0.0
    counts: bool = True
    tokens: int = 0
    """Of its context, as it stands."""


class Cluster:
    """Plays tasks; ``moments`` are arrivals, or ``at_once`` tasks are open at any time."""

    def __init__(
        self,
        rules: Rules,
        workers: int,
        tasks: Sequence[Task],
        *,
        moments: Sequence[float] = (),
        at_once: int = 0,
        warm_up_seconds: float,
        end_seconds: float,
        seed: int,
        capacity_tokens: int = PHYSICS.capacity_tokens,
    ) -> None:
        self.rules = rules
        self.outcome = Outcome()
        self.events = Events()
        self.curves = {name: Survival.prior(*times, PRIOR_WEIGHT) for name, times in TOOLS.items()}
        self.workers = [
            Worker(
                f"w{index:02d}",
                PHYSICS,
                Memory(capacity_tokens, rules.retain, self.curves),
                rules.shares_openings,
            )
            for index in range(workers)
        ]
        self._fair = {worker.name: fair.START for worker in self.workers}
        self._rng = Random(seed)
        self._tasks = deque(tasks)
        self._live: dict[str, _Live] = {}
        self._warm_up, self._end, self._closed = warm_up_seconds, end_seconds, at_once > 0
        self._outside: deque[_Live] = deque()
        self._growth = admit.Growth()
        self._stealing = False
        for moment in moments:
            self.events.at(moment, self._arrives)
        for index in range(at_once):
            # Not all at the same moment: they would ask in step.
            self.events.at(index * 60.0 / at_once, self._arrives)
        self.events.every(5.0, self._sample, lambda: self.events.now_seconds < self._end)

    def run(self) -> Outcome:
        """Play everything: arrivals to their end; where tasks replace each other, to the end of time."""
        self.events.run(self._end if self._closed else self._end + DRAIN_SECONDS)
        for live in self._live.values():
            if live.counts and not self._closed:
                self.outcome.seconds.append(self.events.now_seconds - live.arrived)
                self.outcome.ratios.append(inf)
                self.outcome.unfinished += 1
        return self.outcome

    # Tasks.

    def _arrives(self) -> None:
        task, now = self._tasks.popleft(), self.events.now_seconds
        live = _Live(task, now, alone(task), counts=now >= self._warm_up)
        self._live[task.name] = live
        if self.rules.admits:
            self._outside.append(live)
            self._admit()
        else:
            self._asks(live)

    def _admit(self) -> None:
        """Let in who has waited longest where a worker has room for it once all have grown."""
        while self._outside:
            live = self._outside[0]
            inside = [one for one in self._live.values() if one.home is not None]
            for worker in sorted(self.workers, key=self._load):
                home = [one.tokens for one in inside if one.home is worker]
                seen = admit.AdmitSeen(
                    self.events.now_seconds,
                    sum(home),
                    worker.memory.capacity_tokens,
                    len(home),
                    live.task.steps[0].prompt_tokens,
                )
                if admit.decide(_ADMIT, self._growth, admit.AdmitState(), seen).admitted:
                    break
            else:
                return
            self._outside.popleft()
            live.home = worker
            self._asks(live)

    def _asks(self, live: _Live) -> None:
        step = live.task.steps[live.step]
        worker = self._worker_for(live)
        turn = Turn(
            live.task.name, live.task.tenant, step.prompt_tokens, step.known_tokens if live.step else 0,
            step.output_tokens, live.task.opening_tokens, self.events.now_seconds,
        )  # fmt: skip
        if live.home is not None and live.home is not worker:
            self._leaves(live)
        live.home = worker
        worker.memory.says(turn.session, tool=None, waiting_seconds=1.0, pinned_until_seconds=0.0)
        self._queue(worker, turn)

    def _worker_for(self, live: _Live) -> Worker:
        loads = {worker.name: self._load(worker) for worker in self.workers}
        least = min(self.workers, key=lambda worker: (loads[worker.name], worker.name))
        home = live.home
        if home is None or not self.rules.affinity:
            return least
        above = self.rules.leaves_above
        if above is None or loads[home.name] < above:
            return home
        return least if loads[least.name] * LEAST_LOAD_RATIO < loads[home.name] else home

    def _leaves(self, live: _Live) -> None:
        """A session leaves its home: what is there is garbage, known as such or not."""
        assert live.home is not None
        if self.rules.knows_ends:
            live.home.memory.drop(live.task.name)

    def _ended(self, worker: Worker, turn: Turn) -> None:
        live, now = self._live[turn.session], self.events.now_seconds
        step = live.task.steps[live.step]
        live.served += now - turn.started_seconds
        live.step += 1
        self._growth = self._growth.turn(turn.tokens - live.tokens if live.tokens else turn.output_tokens)
        live.tokens = turn.tokens
        last = live.step == len(live.task.steps)
        shared = turn.opening_tokens if self.rules.shares_openings else 0
        pinned = float("-inf")
        curve = self.curves.get(step.tool)
        if self.rules.holds and not last and curve is not None:
            ratio = worker.memory.running_tokens / worker.memory.capacity_tokens
            seconds = hold(self.rules.retain, curve, ratio).seconds
            pinned = now + seconds
            self.outcome.held += 1
            self.outcome.held_right += step.tool_seconds <= seconds
        worker.memory.leave(
            Kept(
                turn.session,
                turn.tokens - shared,
                now,
                step.tool,
                last and self.rules.knows_ends,
                pinned_until_seconds=pinned,
            )
        )
        if worker is self.workers[0]:
            self.outcome.accesses.append(
                Access(
                    turn.session, turn.arrived_seconds, turn.started_seconds, now, turn.tokens - shared,
                    max(0, turn.known_tokens - shared), step.tool, last,
                )
            )  # fmt: skip
        if last:
            self._done(live)
            return
        self.events.at(now + step.tool_seconds, lambda: self._returns(live, step.tool, step.tool_seconds))

    def _returns(self, live: _Live, tool: str, seconds: float) -> None:
        known = self.curves.get(tool)
        if known is None:
            known = Survival.prior(0.3, 5.0, 40.0, PRIOR_WEIGHT)
        self.curves[tool] = known.after(seconds)
        self._asks(live)

    def _done(self, live: _Live) -> None:
        now = self.events.now_seconds
        del self._live[live.task.name]
        self._growth = self._growth.end()
        self._admit()
        if live.counts:
            self.outcome.seconds.append(now - live.arrived)
            self.outcome.ratios.append((now - live.arrived) / live.alone)
        if self._warm_up <= now < self._end:
            self.outcome.finished += 1
        if self._closed and self._tasks:
            self.events.at(now, self._arrives)

    # Workers.

    def _queue(self, worker: Worker, turn: Turn, *, front: bool = False) -> None:
        (worker.waiting.appendleft if front else worker.waiting.append)(turn)
        worker.idle_since_seconds = None
        self._work(worker)
        if worker.waiting and self.rules.steals and not self._stealing:
            self._stealing = True
            self.events.at(self.events.now_seconds + 0.1, self._steal)

    def _work(self, worker: Worker) -> None:
        """Bring a worker up to now, let in who can start, and note when it is due again."""
        now = self.events.now_seconds
        worker.advance(now)
        for turn in worker.finish():
            self._ended(worker, turn)
        if worker.open:
            self._let_in(worker)
        due = worker.plan()
        worker.version += 1
        version = worker.version
        if due < float("inf"):
            self.events.at(due, lambda: self._work(worker) if worker.version == version else None)

    def _let_in(self, worker: Worker) -> None:
        now = self.events.now_seconds
        while worker.waiting and worker.running < SLOTS:
            state, turn = self._next(worker)
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
        if self.rules.retain.mode is not Mode.NEXT_USE or memory.free_tokens >= turn.tokens:
            return
        order = (
            sorted(worker.waiting, key=lambda one: self._place(one)[0]) if self.rules.fair else worker.waiting
        )
        for index, waiting in enumerate(order):
            memory.says(waiting.session, waiting_seconds=(index + 1) * worker.start_seconds)

    def _next(self, worker: Worker) -> tuple[fair.FairState, Turn]:
        state = self._fair[worker.name]
        if not self.rules.fair:
            return state, worker.waiting[0]
        first: dict[str, tuple[float, Turn, fair.RunSeen]] = {}
        for turn in worker.waiting:
            key, seen = self._place(turn)
            if turn.tenant not in first or key < first[turn.tenant][0]:
                first[turn.tenant] = key, turn, seen
        heads = {tenant: [seen] for tenant, (_, _, seen) in first.items()}
        decision = fair.decide(fair.FairSpec(), state, self.events.now_seconds, heads)
        assert decision is not None
        return decision.state, first[decision.tenant][1]

    def _place(self, turn: Turn) -> tuple[float, fair.RunSeen]:
        live = self._live[turn.session]
        seen = fair.RunSeen(live.arrived, live.alone, live.served)
        return fair.place(fair.FairSpec(), seen), seen

    def _load(self, worker: Worker) -> float:
        return steal.load(steal.StealSpec(), self._seen(worker, queue=False)) + 0.05 * len(worker.waiting)

    def _seen(self, worker: Worker, *, queue: bool = True) -> steal.ReplicaSeen:
        memory = worker.memory
        waiting: tuple[steal.Queued, ...] = ()
        if queue:
            wait = worker.room_in_seconds()
            waiting = tuple(
                steal.Queued(turn.session, turn.tokens, self._move_seconds(worker, turn), wait * (index + 1))
                for index, turn in enumerate(worker.waiting)
            )
        return steal.ReplicaSeen(
            worker.name,
            worker.running / SLOTS,
            memory.running_tokens / memory.capacity_tokens,
            memory.capacity_tokens - memory.running_tokens,
            worker.idle_since_seconds,
            waiting,
        )

    def _move_seconds(self, worker: Worker, turn: Turn) -> float:
        cached = worker.memory.cached_tokens(turn.session)
        return min(0.323, worker.prefill_seconds_of(cached)) if cached else 0.0

    def _steal(self) -> None:
        self._stealing = False
        if not any(worker.waiting for worker in self.workers):
            return
        by_name = {worker.name: worker for worker in self.workers}
        seen = [self._seen(worker) for worker in self.workers]
        for move in steal.decide(steal.StealSpec(), self.events.now_seconds, seen).moves:
            self._move(by_name[move.source], by_name[move.target], move.session)
        self._stealing = True
        self.events.at(self.events.now_seconds + 0.1, self._steal)

    def _move(self, source: Worker, target: Worker, session: str) -> None:
        turn = next(turn for turn in source.waiting if turn.session == session)
        source.waiting.remove(turn)
        turn.carried_tokens = source.memory.cached_tokens(session)
        source.memory.drop(session)
        self._live[session].home = target
        self.outcome.moves += 1
        seconds = (
            MOVE_MEDIAN_SECONDS * self._rng.lognormvariate(0.0, MOVE_SIGMA) if turn.carried_tokens else 0.0
        )
        self.events.at(self.events.now_seconds + seconds, lambda: self._queue(target, turn, front=True))

    def _sample(self) -> None:
        if self.events.now_seconds < self._warm_up:
            return
        for worker in self.workers:
            live = (
                sum(one.kept.tokens for name, one in worker.memory.away.items() if name in self._live)
                + worker.memory.running_tokens
            )
            self.outcome.live_ratio_sum += live / worker.memory.capacity_tokens
            self.outcome.samples += 1


def alone(task: Task) -> float:
    """Return what a task takes on an idle worker that has its tenant's opening."""
    seconds = sum(step.tool_seconds for step in task.steps[:-1])
    for step in task.steps:
        turn = Turn("", "", step.prompt_tokens, 0, step.output_tokens, 0, 0.0)
        seconds += alone_seconds(PHYSICS, turn, max(step.known_tokens, task.opening_tokens))
    return seconds


def mean_steps(tasks: Sequence[Task]) -> float:
    """Return the steps of a task on average."""
    return Counter(task.name for task in tasks for _ in task.steps).total() / len(tasks)
