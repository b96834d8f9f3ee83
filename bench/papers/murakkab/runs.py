"""A day under each way to provide for it: what is on in every hour, what it draws and costs, and who is served well."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil, inf

from bench.papers.murakkab.demand import ACCURATE_RATIO, Day, day
from bench.papers.murakkab.library import (
    CODE,
    COST_PER_GPU_HOUR,
    LLAMA,
    PRODUCTS,
    QA,
    TOOL_SECONDS,
    Library,
    library,
)

from wattline.doors import highs
from wattline.model.catalogue import Plan, PowerRow, WorkClass
from wattline.policy.plan import Objective, PlanSeen, PlanSpec, Why, decide, value

HAND, HAND_SCALED, TUNED, TUNED_JOINT, SEPARATE, JOINT = (
    "static, hand-made", "hand-made, auto-scaled", "static, each workflow planned for the day", "static, all planned for the day",
    "each workflow planned every hour", "all planned together every hour",
)  # fmt: skip
MODES = (HAND, HAND_SCALED, TUNED, TUNED_JOINT, SEPARATE, JOINT)
BUFFER = 1.15
SOLVER_SECONDS = 120.0
GAP_RATIO = 0.005
ROOM = {"h100": 20_000, "a100": 20_000}
HAND_STRUCTURE = "debate 3×2"
HAND_BATCH = 32
CODER_BY_HAND = "Qwen3-Coder-30B-A3B-Instruct"


@dataclass(frozen=True, slots=True)
class Case:
    """One day in one way."""

    seed: int
    path: str | None
    hours: tuple[int, ...]
    """Of the day, that are played."""
    mode: str
    objective: str = Objective.ENERGY.value
    tier: str = "Good"
    products: tuple[str, ...] = PRODUCTS
    tool_seconds: float = TOOL_SECONDS
    row_watts: float | None = None
    """Budget of each of two rows; none: there is none."""


def play(case: Case) -> dict[str, float]:
    """Return totals of the hours that are played; GPUs are the most that are on."""
    shelf = library(case.tier, case.products, case.tool_seconds)
    rates = day(case.path, case.seed)
    hours = [_classes(shelf, rates, [hour]) for hour in case.hours]
    whole = _classes(shelf, rates, case.hours)
    spec = PlanSpec(Objective(case.objective), BUFFER, COST_PER_GPU_HOUR)
    if case.mode == HAND:
        plans = [_by_hand(shelf, whole)] * len(hours)
    elif case.mode == HAND_SCALED:
        plans = [_by_hand(shelf, hour) for hour in hours]
    elif case.mode in {TUNED, TUNED_JOINT}:
        plans = [_planned(spec, shelf, whole, case, apart=case.mode == TUNED)] * len(hours)
    else:
        plans = [_planned(spec, shelf, hour, case, apart=case.mode == SEPARATE) for hour in hours]
    if any(plan is None for plan in plans):
        return {
            "gpus": inf,
            "gpu_hours": inf,
            "kwh": inf,
            "cost": inf,
            "quality": 0.0,
            "served_well": 0.0,
            "full_kw": inf,
            "h100": inf,
        }
    kept = [(shelf, hour, plan) for hour, plan in zip(hours, plans, strict=True) if plan is not None]
    gpus = [_gpus(*one) for one in kept]
    return {
        "gpus": max(gpus),
        "gpu_hours": sum(gpus),
        "kwh": sum(value(PlanSpec(Objective.ENERGY, BUFFER), _seen(shelf, hour), plan) for _, hour, plan in kept) / 1e3,
        "cost": sum(value(PlanSpec(Objective.COST, BUFFER, COST_PER_GPU_HOUR), _seen(shelf, hour), plan) for _, hour, plan in kept),
        "quality": sum(_quality(hour, plan) for _, hour, plan in kept) / len(kept),
        "served_well": sum(_served_well(hour, plan) for _, hour, plan in kept) / len(kept),
        "full_kw": max(_full_watts(*one) for one in kept) / 1e3,
        "h100": max(_gpus(*one, gpu="h100") for one in kept),
    }  # fmt: skip


def _classes(shelf: Library, rates: Day, hours: Sequence[int]) -> list[WorkClass]:
    """Return four classes: each kind of work, asking for quality or for speed; six windows an hour."""
    found = []
    for work, mine in rates.items():
        windows = [mine[6 * hour + window] for hour in hours for window in range(6)]
        accurate = tuple(ACCURATE_RATIO * rate for rate in windows)
        quick = tuple((1 - ACCURATE_RATIO) * rate for rate in windows)
        found += [
            WorkClass(f"{work}, quality", accurate, shelf.options[work], shelf.least_quality[work]),
            WorkClass(
                f"{work}, speed",
                quick,
                shelf.options[work],
                shelf.basic_quality[work],
                shelf.most_seconds[work],
            ),
        ]
    return found


def _seen(shelf: Library, classes: Sequence[WorkClass], case: Case | None = None) -> PlanSeen:
    if case is None or case.row_watts is None:
        return PlanSeen(classes, shelf.engines, [PowerRow("all", ROOM)])
    rows = [PowerRow(name, ROOM, case.row_watts) for name in ("row a", "row b")]
    return PlanSeen(classes, shelf.engines, rows)


def _planned(
    spec: PlanSpec, shelf: Library, classes: Sequence[WorkClass], case: Case, *, apart: bool
) -> Plan | None:
    """Return a plan, of each workflow for itself or of all; none where there is none."""
    works = (
        [[one for one in classes if one.name.startswith(work)] for work in (QA, CODE)] if apart else [classes]
    )
    replicas: dict[tuple[str, str], int] = {}
    shares: dict[str, Mapping[str, float]] = {}
    for mine in works:
        decision = decide(spec, _seen(shelf, mine, case), highs.solver(SOLVER_SECONDS, gap_ratio=GAP_RATIO))
        if decision.plan is None:
            return None
        if decision.why is not Why.BEST:
            raise RuntimeError(f"{decision.why}: {decision.detail}; results would depend on the machine")
        for place, number in decision.plan.replicas.items():
            replicas[place] = replicas.get(place, 0) + number
        shares |= decision.plan.shares
    return Plan(replicas, shares)


def _by_hand(shelf: Library, classes: Sequence[WorkClass]) -> Plan:
    """Return what a developer writes down once: the best model on H100s at full clocks, for whoever asks."""
    engines = {engine.name: engine for engine in shelf.engines}
    units: dict[str, list[float]] = {}
    shares = {}
    for one in classes:
        model = LLAMA.split("/")[1] if one.name.startswith(QA) else CODER_BY_HAND
        option = next(
            option
            for option in one.options
            if option.name.startswith(f"{HAND_STRUCTURE} by {model} on ")
            and "h100 at 1980" in option.name
            and option.name.endswith(f", {HAND_BATCH} running")
        )
        shares[one.name] = {option.name: 1.0}
        for name, each in option.work.items():
            before = units.get(name, [0.0] * len(one.per_second))
            units[name] = [sum_ + rate * each for sum_, rate in zip(before, one.per_second, strict=True)]
    replicas = {
        (name, "all"): ceil(BUFFER * max(asked) / engines[name].per_second) for name, asked in units.items()
    }
    return Plan(replicas, shares)


def _gpus(shelf: Library, _: Sequence[WorkClass], plan: Plan, gpu: str | None = None) -> int:
    engines = {engine.name: engine for engine in shelf.engines}
    return sum(
        number * engines[name].gpus
        for (name, _), number in plan.replicas.items()
        if gpu in {None, engines[name].gpu}
    )


def _full_watts(shelf: Library, _: Sequence[WorkClass], plan: Plan) -> float:
    engines = {engine.name: engine for engine in shelf.engines}
    return sum(number * engines[name].watts for (name, _), number in plan.replicas.items())


def _quality(classes: Sequence[WorkClass], plan: Plan) -> float:
    """Return the mean quality of what is served."""
    total = weight = 0.0
    for one in classes:
        by_name = {option.name: option.quality for option in one.options}
        total += sum(one.per_second) * sum(
            share * by_name[name] for name, share in plan.shares[one.name].items()
        )
        weight += sum(one.per_second)
    return total / weight


def _served_well(classes: Sequence[WorkClass], plan: Plan) -> float:
    """Return the part of the requests that get what they ask for."""
    good = weight = 0.0
    for one in classes:
        kept = {option.name for option in one.good_enough}
        good += sum(one.per_second) * sum(
            share for name, share in plan.shares[one.name].items() if name in kept
        )
        weight += sum(one.per_second)
    return good / weight
