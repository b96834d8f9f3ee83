"""``plan``: which models on which GPUs at which clocks serve which kinds of work, in how many replicas (Murakkab, arXiv 2508.18298).

The paper: a workflow names what is to be done; a catalogue has many ways to do each, with quality, latency and tokens; an
integer program picks ways and replicas for the least energy or cost under quality and latency objectives and the GPUs
there are. Its capacity has a factor that is never defined, it sizes for the sum of all peaks, and tools are free.

Ours has no factor: what runs together in an epoch has to fit in that epoch, so that work whose peaks differ in time
shares replicas, and nothing else is gained by planning it together. An option may use several engines, tools among
them. Clocks are part of an engine, replicas are placed in rows, and no row's replicas draw more than its watts at full
load. Without a solver, or where it is late, a greedy plan keeps the same constraints; a plan that is impossible says why.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from itertools import zip_longest
from math import ceil, inf
from typing import NamedTuple

from wattline.model.catalogue import EngineKind, Option, Plan, PowerRow, WorkClass
from wattline.model.milp import Outcome, Problem, Row, Solution, Solver

_WHOLE = 1e-6
"""How far from a whole number a solver's replicas may be."""


class Objective(StrEnum):
    """What is made least."""

    ENERGY = "Energy"
    COST = "Cost"
    GPUS = "Gpus"


class Why(StrEnum):
    """How a plan came about, or why there is none."""

    BEST = "Best"
    SOLVER_LATE = "SolverOutOfTime"
    NO_SOLVER = "NoSolver"
    NO_OPTION = "NoOptionGoodEnough"
    NO_GPUS = "NotEnoughGpus"
    NO_WATTS = "NotEnoughWatts"
    NOT_FOUND = "NotFound"


@dataclass(frozen=True, slots=True)
class PlanSpec:
    """What a plan is made for."""

    objective: Objective = Objective.ENERGY
    buffer_ratio: float = 1.15
    """Capacity over demand; the paper's alpha."""
    cost_per_gpu_hour: Mapping[str, float] = field(default_factory=dict)
    """By type; 1 where nothing is said."""


@dataclass(frozen=True, slots=True)
class PlanSeen:
    """What is to be done, and with what; epochs are equally long."""

    classes: Sequence[WorkClass]
    engines: Sequence[EngineKind]
    rows: Sequence[PowerRow]


@dataclass(frozen=True, slots=True)
class PlanDecision:
    """A plan, or none."""

    plan: Plan | None
    why: Why
    detail: str = ""
    """One sentence a person can read."""


class _Place(NamedTuple):
    """Variables of the problem come in this order: replicas by engine and row, then rates by class, option and epoch."""

    engine: EngineKind
    row: PowerRow


class _Use(NamedTuple):
    work: WorkClass
    option: Option
    epoch: int


def decide(spec: PlanSpec, seen: PlanSeen, solve: Solver | None) -> PlanDecision:
    """Return the plan with the least of the objective, or why there is none."""
    without = [work.name for work in seen.classes if any(work.per_second) and not work.good_enough]
    if without:
        return PlanDecision(None, Why.NO_OPTION, f"no option keeps what {', '.join(without)} asks for")
    if solve is None:
        return _greedy(spec, seen, Why.NO_SOLVER)
    places, uses = _places(seen), _uses(seen)
    solution = solve(_problem(spec, seen, places, uses))
    if solution.outcome is Outcome.IMPOSSIBLE:
        return _impossible(spec, seen, solve)
    if solution.outcome is Outcome.BEST and solution.values is not None:
        return PlanDecision(_read(solution.values, places, uses), Why.BEST)
    late = None if solution.values is None else _read(solution.values, places, uses)
    greedy = _greedy(spec, seen, Why.SOLVER_LATE)
    plans = [plan for plan in (late, greedy.plan) if plan is not None]
    if not plans:
        return PlanDecision(None, Why.NOT_FOUND, f"the solver was out of time, and {greedy.detail}")
    return PlanDecision(min(plans, key=lambda plan: value(spec, seen, plan)), Why.SOLVER_LATE)


def value(spec: PlanSpec, seen: PlanSeen, plan: Plan) -> float:
    """Return what a plan costs: mean watts, money per hour, or GPUs."""
    engines = {engine.name: engine for engine in seen.engines}
    total = sum(number * _standing(spec, engines[name]) for (name, _), number in plan.replicas.items())
    if spec.objective is not Objective.ENERGY:
        return total
    for work in seen.classes:
        mean = sum(work.per_second) / max(1, len(work.per_second))
        for option in work.options:
            total += mean * plan.shares[work.name].get(option.name, 0.0) * _joules(option, engines)
    return total


def _standing(spec: PlanSpec, engine: EngineKind) -> float:
    match spec.objective:
        case Objective.ENERGY:
            return engine.idle_watts
        case Objective.COST:
            return engine.gpus * spec.cost_per_gpu_hour.get(engine.gpu, 1.0)
        case Objective.GPUS:
            return engine.gpus


def _joules(option: Option, engines: Mapping[str, EngineKind]) -> float:
    """Return what a request draws above idle."""
    return sum(
        units * (engines[name].watts - engines[name].idle_watts) / engines[name].per_second
        for name, units in option.work.items()
    )


def _places(seen: PlanSeen) -> list[_Place]:
    return [
        _Place(engine, row)
        for engine in seen.engines
        for row in seen.rows
        if row.gpus.get(engine.gpu, 0) >= engine.gpus
    ]


def _uses(seen: PlanSeen) -> list[_Use]:
    known = {engine.name for engine in seen.engines}
    return [
        _Use(work, option, epoch)
        for work in seen.classes
        for option in work.good_enough
        if option.work.keys() <= known
        for epoch in range(len(work.per_second))
    ]


def _problem(spec: PlanSpec, seen: PlanSeen, places: list[_Place], uses: list[_Use]) -> Problem:
    engines = {engine.name: engine for engine in seen.engines}
    epochs = max((len(work.per_second) for work in seen.classes), default=0)
    costs = [_standing(spec, place.engine) for place in places]
    energy = spec.objective is Objective.ENERGY
    costs += [_joules(use.option, engines) / epochs if energy else 0.0 for use in uses]
    rates: dict[tuple[str, int], dict[int, float]] = {}
    asked: dict[tuple[str, int], dict[int, float]] = {}
    for index, use in enumerate(uses, start=len(places)):
        rates.setdefault((use.work.name, use.epoch), {})[index] = 1.0
        for name, units in use.option.work.items():
            asked.setdefault((name, use.epoch), {})[index] = units * spec.buffer_ratio
    held: dict[str, dict[int, float]] = {}
    for index, place in enumerate(places):
        held.setdefault(place.engine.name, {})[index] = -place.engine.per_second
    rows = [
        Row(rates.get((work.name, epoch), {}), least=rate, most=rate)
        for work in seen.classes
        for epoch, rate in enumerate(work.per_second)
    ]
    rows += [Row({**units, **held.get(name, {})}, most=0.0) for (name, _), units in asked.items()]
    for row in seen.rows:
        here = [(index, place.engine) for index, place in enumerate(places) if place.row is row]
        rows += [
            Row({index: engine.gpus for index, engine in here if engine.gpu == gpu}, most=number)
            for gpu, number in row.gpus.items()
        ]
        if row.watts < inf:
            rows.append(Row({index: engine.watts for index, engine in here}, most=row.watts))
    return Problem(tuple(costs), (True,) * len(places) + (False,) * len(uses), tuple(rows))


def _read(values: Sequence[float], places: list[_Place], uses: list[_Use]) -> Plan:
    replicas = {
        (place.engine.name, place.row.name): round(number)
        for place, number in zip(places, values, strict=False)
        if number > _WHOLE
    }
    served: dict[str, dict[str, float]] = {use.work.name: {} for use in uses}
    for use, rate in zip(uses, values[len(places) :], strict=True):
        if rate > 0:
            mine = served[use.work.name]
            mine[use.option.name] = mine.get(use.option.name, 0.0) + rate
    return Plan(replicas, {name: _parts(options) for name, options in served.items()})


def _parts(rates: Mapping[str, float]) -> dict[str, float]:
    total = sum(rates.values())
    return {name: rate / total for name, rate in rates.items()} if total else {}


def _impossible(spec: PlanSpec, seen: PlanSeen, solve: Solver) -> PlanDecision:
    """Say what is missing: without budgets it is watts if a plan exists, GPUs if not."""
    free = PlanSeen(seen.classes, seen.engines, [PowerRow(row.name, row.gpus) for row in seen.rows])
    watts = sum(row.watts for row in seen.rows)
    if watts < inf or any(row.watts < inf for row in seen.rows):
        found = _solved(spec, free, solve)
        if found is not None:
            engines = {engine.name: engine for engine in seen.engines}
            drawn = sum(number * engines[name].watts for (name, _), number in found.replicas.items())
            return PlanDecision(
                None, Why.NO_WATTS, f"without budgets {drawn:.0f} W would do, rows have {watts:.0f} W"
            )
    have = {gpu: sum(row.gpus.get(gpu, 0) for row in seen.rows) for row in seen.rows for gpu in row.gpus}
    said = ", ".join(f"{number} {gpu}" for gpu, number in sorted(have.items()))
    return PlanDecision(None, Why.NO_GPUS, f"what has to run does not fit on {said or 'no GPUs'}")


def _solved(spec: PlanSpec, seen: PlanSeen, solve: Solver) -> Plan | None:
    places, uses = _places(seen), _uses(seen)
    solution: Solution = solve(_problem(spec, seen, places, uses))
    return None if solution.values is None else _read(solution.values, places, uses)


def _greedy(spec: PlanSpec, seen: PlanSeen, why: Why) -> PlanDecision:
    """Give each class, the busiest first, the cheapest option for which replicas can still be placed."""
    engines = {engine.name: engine for engine in seen.engines}
    room = _Room.of(seen)
    shares: dict[str, Mapping[str, float]] = {work.name: {} for work in seen.classes}

    def cost(work: WorkClass, option: Option, then: "_Room") -> float:
        standing = sum(number * _standing(spec, engines[name]) for (name, _), number in then.replicas.items())
        mean = sum(work.per_second) / len(work.per_second)
        return standing + (mean * _joules(option, engines) if spec.objective is Objective.ENERGY else 0.0)

    for work in sorted(seen.classes, key=lambda one: -max(one.per_second, default=0.0)):
        if not any(work.per_second):
            continue
        options = [one for one in work.good_enough if one.work.keys() <= engines.keys()]

        tried = [
            (option, then) for option in options for then in [room.with_option(spec, work, option)] if then
        ]
        if not tried:
            return PlanDecision(None, Why.NOT_FOUND, f"no option of {work.name} fits beside the others")
        taken, room = min(tried, key=lambda one: cost(work, *one))
        shares[work.name] = {taken.name: 1.0}
    return PlanDecision(Plan(room.replicas, shares), why)


@dataclass(frozen=True, slots=True)
class _Room:
    """What is left while options are taken one after the other."""

    engines: Mapping[str, EngineKind]
    gpus: Mapping[tuple[str, str], int]
    """Free, by row and type."""
    watts: Mapping[str, float]
    """Free, by row."""
    replicas: Mapping[tuple[str, str], int] = field(default_factory=dict)
    asked: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    """Units of each engine, by epoch."""

    @classmethod
    def of(cls, seen: PlanSeen) -> "_Room":
        return cls(
            {engine.name: engine for engine in seen.engines},
            {(row.name, gpu): number for row in seen.rows for gpu, number in row.gpus.items()},
            {row.name: row.watts for row in seen.rows},
        )

    def with_option(self, spec: PlanSpec, work: WorkClass, option: Option) -> "_Room | None":
        """Return what is left once a class takes an option, or none where its replicas find no place."""
        room = self
        for name, units in option.work.items():
            more = (rate * units * spec.buffer_ratio for rate in work.per_second)
            asked = tuple(a + b for a, b in zip_longest(room.asked.get(name, ()), more, fillvalue=0.0))
            room = replace(room, asked={**room.asked, name: asked})
            there = sum(number for (one, _), number in room.replicas.items() if one == name)
            for _ in range(ceil(max(asked) / self.engines[name].per_second - _WHOLE) - there):
                placed = room.placed(self.engines[name])
                if placed is None:
                    return None
                room = placed
        return room

    def placed(self, engine: EngineKind) -> "_Room | None":
        """Return what is left with one more replica, in the first row that has room."""
        for row, watts in self.watts.items():
            free = self.gpus.get((row, engine.gpu), 0)
            if watts >= engine.watts and free >= engine.gpus:
                place = engine.name, row
                return replace(
                    self,
                    gpus={**self.gpus, (row, engine.gpu): free - engine.gpus},
                    watts={**self.watts, row: watts - engine.watts},
                    replicas={**self.replicas, place: self.replicas.get(place, 0) + 1},
                )
        return None
