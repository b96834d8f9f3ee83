"""The tasks' side: they arrive, ask a worker, run tools and come back; every rung of the ladder sees the same tasks."""

from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from math import inf
from random import Random

from bench.papers.saga.outcome import Access, Outcome
from bench.papers.saga.rules import Rules
from bench.papers.saga.waiting import Turn
from bench.papers.saga.worker import Worker, alone_seconds
from bench.papers.saga.workers import Workers
from bench.papers.saga.workload import TOOLS, Task

from wattline.api.inferencepool import Memory as Shares
from wattline.model.survival import Survival
from wattline.policy import admit, fair
from wattline.policy.retain import Kept, hold
from wattline.sim.events import Events
from wattline.world.engines import ENGINES

PHYSICS = ENGINES["meta-llama/Llama-3.1-70B-Instruct", "a100", 4]
"""The paper's: Llama-3-70B on four A100."""
PRIOR_WEIGHT = 20.0
"""Tool calls that a prior is worth [ours]."""
LEAST_LOAD_RATIO = 2.0
"""A session leaves an overloaded home only for a worker with less than its load over this [ours]."""
DRAIN_SECONDS = 1800.0


_ADMIT = admit.AdmitSpec(memory=Shares())


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
    begun: int = 0
    """Step from which on it is played."""


class Cluster:
    """Plays tasks; ``moments`` are arrivals, or ``at_once`` tasks are open at any time.

    ``under_way`` tasks stand anywhere between their first step and their last when it begins; they do not count.
    """

    def __init__(
        self,
        rules: Rules,
        workers: int,
        tasks: Sequence[Task],
        *,
        moments: Sequence[float] = (),
        at_once: int = 0,
        under_way: int = 0,
        warm_up_seconds: float,
        end_seconds: float,
        seed: int,
        capacity_tokens: int = PHYSICS.capacity_tokens,
    ) -> None:
        self.rules = rules
        self.outcome = Outcome()
        self.events = Events()
        self.curves = {name: Survival.prior(*times, PRIOR_WEIGHT) for name, times in TOOLS.items()}
        self._rng = Random(seed)
        self._side = Workers(
            rules, PHYSICS, workers, capacity_tokens, self.curves, self.events, self.outcome, self._rng,
            ended=self._ended, moved=self._moved, seen=self._seen,
        )  # fmt: skip
        self.workers = self._side.all
        self._tasks = deque(tasks)
        self._live: dict[str, _Live] = {}
        self._warm_up, self._end, self._closed = warm_up_seconds, end_seconds, at_once > 0
        self._outside: deque[_Live] = deque()
        self._growth = admit.Growth()
        standing = Random(seed + 1)
        for index in range(under_way):
            self.events.at(index * 60.0 / under_way, partial(self._arrives, standing.random()))
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

    def _arrives(self, done: float = 0.0) -> None:
        """Begin the next task, or go on with it where such a share of it is done."""
        task, now = self._tasks.popleft(), self.events.now_seconds
        step = int(done * len(task.steps))
        live = _Live(task, now, alone(task), step=step, counts=now >= self._warm_up, begun=step)
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
            for worker in sorted(self.workers, key=self._side.load):
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
            live.task.name, live.task.tenant, step.prompt_tokens, step.known_tokens if live.step > live.begun else 0,
            step.output_tokens, live.task.opening_tokens, self.events.now_seconds,
        )  # fmt: skip
        if live.home is not None and live.home is not worker:
            self._leaves(live)
        live.home = worker
        worker.memory.asks(turn.session)
        self._side.queue(worker, turn)

    def _worker_for(self, live: _Live) -> Worker:
        home, above = live.home, self.rules.leaves_above
        if (
            home is not None
            and self.rules.affinity
            and (above is None or (at_home := self._side.load(home)) < above)
        ):
            return home
        loads = {worker.name: self._side.load(worker) for worker in self.workers}
        least = min(self.workers, key=lambda worker: (loads[worker.name], worker.name))
        if home is None or not self.rules.affinity:
            return least
        return least if loads[least.name] * LEAST_LOAD_RATIO < at_home else home

    def _leaves(self, live: _Live) -> None:
        """A session leaves its home: what is there is garbage, known as such or not."""
        assert live.home is not None
        if self.rules.knows_ends:
            live.home.memory.drop(live.task.name)

    def _moved(self, session: str, target: Worker) -> None:
        """A session was stolen: it stays where it went."""
        self._live[session].home = target

    def _seen(self, turn: Turn) -> fair.RunSeen:
        live = self._live[turn.session]
        return fair.RunSeen(live.arrived, live.alone, live.served)

    def _ended(self, worker: Worker, turn: Turn) -> None:
        live, now = self._live[turn.session], self.events.now_seconds
        step = live.task.steps[live.step]
        live.served += now - turn.started_seconds
        live.step += 1
        if self.rules.admits:
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
        if self.rules.learns:
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


@lru_cache(maxsize=10_000)
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
