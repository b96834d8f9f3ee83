"""Tasks of agents: generated after the paper's tables, or the recorded ones."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import accumulate
from math import exp, log, sqrt
from pathlib import Path
from random import Random

from wattline.model.context import shared_tokens, tokens
from wattline.sim import traces
from wattline.sim.recording import Shared

TOOLS = {
    "code": (0.18, 2.4, 28.0),
    "file": (0.045, 0.32, 1.2),
    "web": (0.85, 4.5, 45.0),
    "database": (0.12, 0.89, 3.5),
}
"""P50, P95 and P99 in seconds [A]."""
MIX = {"code": 0.4, "file": 0.3, "web": 0.2, "database": 0.1}
"""Share of the calls [R: the paper's mix is not known]."""
_TOOLS, _MIXED = list(MIX), list(accumulate(MIX.values()))
LONGEST_TOOL_SECONDS = 600.0
"""A tool is given up then [R]."""
LONGEST_CONTEXT = 32_768
"""The paper's."""
OPENING_TOKENS = 2_000
"""Prompt that all agents of a tenant share [R]."""
TENANTS = 4


@dataclass(frozen=True, slots=True)
class Step:
    """One call of the model, and the tool after it."""

    prompt_tokens: int
    known_tokens: int
    """Leading tokens of the prompt that the task had computed before."""
    output_tokens: int
    tool: str
    tool_seconds: float


@dataclass(frozen=True, slots=True)
class Task:
    """One agent task."""

    name: str
    tenant: str
    opening_tokens: int
    """Leading tokens of every prompt that all tasks share."""
    steps: tuple[Step, ...]


def tool_seconds(tool: str, rng: Random, variation: float | None = None) -> float:
    """Return a tool's time: lognormal to P95 and Pareto above or, with ``variation``, lognormal of that CV."""
    p50, p95, p99 = TOOLS[tool]
    sigma = log(p95 / p50) / 1.6449
    if variation is not None:
        mean = p50 * exp(sigma * sigma / 2)
        spread = sqrt(log(1 + variation * variation))
        return min(LONGEST_TOOL_SECONDS, rng.lognormvariate(log(mean) - spread * spread / 2, spread))
    if rng.random() < 0.05:
        shape = log(5) / log(p99 / p95)
        return min(LONGEST_TOOL_SECONDS, p95 * (1 - rng.random()) ** (-1 / shape))
    while True:
        seconds = p50 * exp(sigma * rng.gauss(0.0, 1.0))
        if seconds <= p95:
            return seconds


def generated(name: str, rng: Random, variation: float | None = None) -> Task:
    """Return a task of about 37 steps whose context grows by what is generated and observed."""
    count = max(1, round(rng.lognormvariate(3.55, 0.45)))
    prompt = OPENING_TOKENS + rng.randint(1_000, 5_000)
    known = 0
    steps: list[Step] = []
    for _ in range(count):
        output = min(2_000, max(20, round(rng.lognormvariate(4.7, 0.8))))
        if prompt + output > LONGEST_CONTEXT:
            break
        tool = rng.choices(_TOOLS, cum_weights=_MIXED)[0]
        steps.append(Step(prompt, known, output, tool, tool_seconds(tool, rng, variation)))
        known = prompt + output
        prompt = known + rng.randint(100, 600)
    return Task(name, f"tenant-{rng.randrange(TENANTS)}", OPENING_TOKENS, tuple(steps))


@cache
def recorded(data: Path) -> tuple[Task, ...]:
    """Return the recorded runs that stay within the paper's context, as tasks; a tool's class is its name."""
    out = []
    for run in traces.load(data).runs:
        first = run.turns[0].context[0]
        opening = first.tokens if isinstance(first.stream, Shared) else 0
        steps: list[Step] = []
        before = None
        for turn in run.turns:
            known = shared_tokens((*before.context, before.output), turn.context) if before else 0
            tool = turn.tool.split("+")[0] or "any"
            step = Step(tokens(turn.context), known, turn.output.tokens, tool, min(turn.gap_seconds, 600.0))
            steps.append(step)
            before = turn
        if max(step.prompt_tokens + step.output_tokens for step in steps) <= 2 * LONGEST_CONTEXT:
            out.append(Task(run.id, f"tenant-{len(out) % TENANTS}", opening, tuple(steps)))
    return tuple(out)


def tools_share(tasks: Sequence[Task], alone: Sequence[float]) -> float:
    """Return the part of the tasks' time alone that is tools'."""
    return sum(step.tool_seconds for task in tasks for step in task.steps[:-1]) / sum(alone)


class Stream:
    """Tasks in a seeded order, the same for every policy; made when they are first asked for."""

    def __init__(self, seed: int, data: Path | None, variation: float | None = None) -> None:
        self._rng = Random(seed)
        self._recorded = None if data is None else recorded(data)
        self._variation = variation
        self._tasks: list[Task] = []

    def first(self, count: int) -> Sequence[Task]:
        """Return so many, always the same ones."""
        while len(self._tasks) < count:
            self._tasks.append(self._next(len(self._tasks)))
        return self._tasks[:count]

    def _next(self, index: int) -> Task:
        if self._recorded is None:
            return generated(f"task-{index}", self._rng, self._variation)
        one = self._recorded[self._rng.randrange(len(self._recorded))]
        return Task(f"{one.name}#{index}", one.tenant, one.opening_tokens, one.steps)


def stream(seed: int, count: int, data: Path | None, variation: float | None = None) -> Sequence[Task]:
    """Return the first tasks of a stream."""
    return Stream(seed, data, variation).first(count)
