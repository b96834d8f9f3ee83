"""Planning: the least of the objective, by a solver and by hand; what is shared, what is kept, and why there is no plan."""

from dataclasses import replace
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from wattline.doors import highs
from wattline.model.catalogue import EngineKind, Option, PowerRow, Tier, WorkClass, at_tier
from wattline.model.milp import Outcome, Solution
from wattline.policy.plan import Objective, PlanSeen, PlanSpec, Why, decide, value

SOLVE = highs.solver(10.0)
GPUS = PlanSpec(objective=Objective.GPUS, buffer_ratio=1.0)
ENERGY = PlanSpec(buffer_ratio=1.0)
BIG = EngineKind("big", "h100", 4, 10.0, 2400.0, 500.0)
SMALL = EngineKind("small", "a100", 1, 2.0, 350.0, 80.0)
WELL, FAST = Option("well", 0.9, 20.0, {"big": 1.0}), Option("fast", 0.7, 5.0, {"small": 1.0})


def row(name="row", watts=1e9, **gpus):
    return PowerRow(name, gpus or {"h100": 16, "a100": 16}, watts)


def work(*rates, name="w", options=(WELL, FAST), **asks):
    return WorkClass(name, tuple(rates), options, **asks)


ROW = row()


def seen(*classes, engines=(BIG, SMALL), rows=(ROW,)):
    return PlanSeen(classes, engines, rows)


@pytest.mark.parametrize("solve", [SOLVE, None], ids=["solver", "greedy"])
@pytest.mark.parametrize(
    ("spec", "now", "replicas"),
    [
        pytest.param(GPUS, seen(work(4.0)), {("small", "row"): 2}, id="two small GPUs are fewer than four big ones"),
        pytest.param(GPUS, seen(work(4.0, least_quality=0.8)), {("big", "row"): 1}, id="unless more quality is asked for"),
        pytest.param(GPUS, seen(work(4.0, least_quality=0.6, most_seconds=10.0)), {("small", "row"): 2}, id="or it has to be quick"),
        pytest.param(GPUS, seen(work(4.0, 1.0)), {("small", "row"): 2}, id="the busiest epoch counts"),
        pytest.param(replace(GPUS, buffer_ratio=1.15), seen(work(4.0)), {("small", "row"): 3}, id="and the buffer"),
        pytest.param(GPUS, seen(work(4.0), rows=[row(h100=16)]), {("big", "row"): 1}, id="a GPU type that is gone is planned around"),
        pytest.param(GPUS, seen(work(4.0), rows=[row("a", a100=1), row("b", a100=1, h100=0)]), {("small", "a"): 1, ("small", "b"): 1}, id="replicas go where there is room"),
        pytest.param(GPUS, seen(work(4.0), rows=[row("a", 350.0, a100=8), row("b", 400.0, a100=8)]), {("small", "a"): 1, ("small", "b"): 1}, id="and watts"),
        pytest.param(GPUS, seen(work(0.0, least_quality=1.0)), {}, id="who asks for nothing gets nothing"),
        pytest.param(PlanSpec(Objective.COST, 1.0, {"a100": 9.0}), seen(work(4.0)), {("big", "row"): 1}, id="what is dear is left"),
        pytest.param(GPUS, seen(work(2.0, options=[Option("both", 1.0, 1.0, {"big": 1.0, "small": 3.0})])), {("big", "row"): 1, ("small", "row"): 3}, id="an option may need several engines"),
    ],
)  # fmt: skip
def test_what_is_planned(solve, spec, now, replicas):
    decision = decide(spec, now, solve)
    assert decision.why is (Why.NO_SOLVER if solve is None else Why.BEST)
    assert decision.plan.replicas == replicas


@pytest.mark.parametrize(
    ("now", "why", "detail"),
    [
        pytest.param(seen(work(1.0, least_quality=0.95)), Why.NO_OPTION, "no option keeps what w asks for", id="nothing in the catalogue is good enough"),
        pytest.param(seen(work(99.0), rows=[row(a100=2)]), Why.NO_GPUS, "does not fit on 2 a100", id="too few GPUs"),
        pytest.param(seen(work(4.0), rows=[row(watts=500.0)]), Why.NO_WATTS, "rows have 500 W", id="too few watts"),
        pytest.param(seen(work(4.0), rows=[row(l4=9)]), Why.NO_GPUS, "9 l4", id="none of a type that any engine runs on"),
        pytest.param(seen(work(4.0), rows=[]), Why.NO_GPUS, "no GPUs", id="no GPUs at all"),
    ],
)  # fmt: skip
def test_why_there_is_no_plan(now, why, detail):
    decision = decide(GPUS, now, SOLVE)
    assert (decision.plan, decision.why) == (None, why)
    assert detail in decision.detail


def test_peaks_apart_share_replicas_and_peaks_together_do_not():
    day, night = work(4.0, 0.0, name="day", options=[FAST]), work(0.0, 4.0, name="night", options=[FAST])

    def gpus(*classes):
        return value(GPUS, seen(*classes), decide(GPUS, seen(*classes), SOLVE).plan)

    assert gpus(day, night) == 2 < gpus(day) + gpus(night) == 4
    noon = replace(day, name="noon")
    assert gpus(day, noon) == gpus(day) + gpus(noon)


def test_a_solver_that_is_late_is_beaten_by_greed_or_kept():
    now = seen(work(4.0))
    late = decide(GPUS, now, lambda problem: Solution(Outcome.LATE))
    assert (late.why, late.plan.replicas) == (Why.SOLVER_LATE, {("small", "row"): 2})
    wasteful = decide(GPUS, now, lambda problem: Solution(Outcome.LATE, (1.0, 0.0, 4.0, 0.0)))
    assert wasteful.plan.replicas == {("small", "row"): 2}
    nothing = decide(GPUS, seen(work(99.0), rows=[row(a100=2)]), lambda problem: Solution(Outcome.LATE))
    assert (nothing.plan, nothing.why) == (None, Why.NOT_FOUND)


def test_cheaper_clocks_are_taken_where_they_suffice():
    slow = EngineKind("small@900", "a100", 1, 1.6, 220.0, 80.0)
    options = [FAST, replace(FAST, name="slow", seconds=7.0, work={"small@900": 1.0})]
    decision = decide(ENERGY, seen(work(1.5, options=options), engines=[SMALL, slow]), SOLVE)
    assert decision.plan.shares == {"w": {"slow": 1.0}}
    hurried = work(1.5, options=options, most_seconds=6.0)
    assert decide(ENERGY, seen(hurried, engines=[SMALL, slow]), SOLVE).plan.shares == {"w": {"fast": 1.0}}


@pytest.mark.parametrize(
    ("tier", "quality"), [(Tier.BEST, 1.0), (Tier.GOOD, 1.0), (Tier.FAIR, 0.8), (Tier.BASIC, 0.5)]
)
def test_a_tier_is_a_percentile_of_what_there_is(tier, quality):
    assert at_tier([0.1 * step for step in range(11)], tier) == pytest.approx(quality)


engines = st.lists(
    st.builds(
        lambda index, gpus, rate, watts: EngineKind(
            f"e{index}", "abc"[index], gpus, rate, watts, 0.2 * watts
        ),
        st.integers(0, 2),
        st.integers(1, 3),
        st.floats(0.5, 4.0),
        st.floats(100, 900),
    ),
    min_size=1,
    max_size=3,
    unique_by=lambda engine: engine.name,
)


@st.composite
def seens(draw):
    kinds = draw(engines)
    epochs = draw(st.integers(1, 2))
    options = [
        Option(f"o{number}", 1.0, 1.0, {kind.name: draw(st.floats(0.2, 2.0)) for kind in some})
        for number, some in enumerate(
            draw(st.lists(st.lists(st.sampled_from(kinds), min_size=1, unique=True), min_size=1, max_size=2))
        )
    ]
    classes = [
        work(
            *(draw(st.one_of(st.just(0.0), st.floats(0.1, 3.0))) for _ in range(epochs)),
            name=f"w{index}",
            options=options,
        )
        for index in range(draw(st.integers(1, 2)))
    ]
    rows = [
        PowerRow(f"r{index}", {gpu: draw(st.integers(0, 4)) for gpu in "abc"}, draw(st.floats(0, 4000)))
        for index in range(draw(st.integers(1, 2)))
    ]
    return PlanSeen(classes, kinds, rows)


def keeps(spec, now, plan):
    """Whether a plan keeps rows' watts and GPUs, and holds what comes."""
    kinds = {kind.name: kind for kind in now.engines}
    for one in now.rows:
        here = {name: number for (name, where), number in plan.replicas.items() if where == one.name}
        assert sum(kinds[name].watts * number for name, number in here.items()) <= one.watts + 1e-3
        for gpu, most in one.gpus.items():
            assert (
                sum(kinds[name].gpus * number for name, number in here.items() if kinds[name].gpu == gpu)
                <= most
            )
    for each in now.classes:
        if any(each.per_second):
            assert sum(plan.shares[each.name].values()) == pytest.approx(1.0)


@settings(max_examples=60, deadline=None)
@given(now=seens(), spec=st.sampled_from([GPUS, ENERGY]))
def test_no_row_is_ever_exceeded_and_greed_never_beats_the_solver(now, spec):
    best, greedy = decide(spec, now, SOLVE), decide(spec, now, None)
    for decision in (best, greedy):
        if decision.plan is not None:
            keeps(spec, now, decision.plan)
    if greedy.plan is not None:
        assert best.plan is not None
        least, most = value(spec, now, best.plan), value(spec, now, greedy.plan)
        assert least <= most * 1.001 + 1e-3


def by_hand(spec, now):
    """Try every number of replicas on one row; rates are linear."""
    kinds, each, here = now.engines, now.classes[0], now.rows[0]
    best = None
    for numbers in product(*(range(here.gpus.get(kind.gpu, 0) // kind.gpus + 1) for kind in kinds)):
        if sum(n * kind.watts for n, kind in zip(numbers, kinds, strict=True)) > here.watts:
            continue
        fixed = sum(
            n * (kind.gpus if spec is GPUS else kind.idle_watts)
            for n, kind in zip(numbers, kinds, strict=True)
        )
        costs = [
            0.0 if spec is GPUS else sum(u * (k.watts - k.idle_watts) / k.per_second for k in kinds for u in [one.work.get(k.name, 0.0)])
            for one in each.options
        ]  # fmt: skip
        found = linprog(
            costs,
            A_ub=[[one.work.get(kind.name, 0.0) for one in each.options] for kind in kinds],
            b_ub=[n * kind.per_second for n, kind in zip(numbers, kinds, strict=True)],
            A_eq=[[1.0] * len(costs)],
            b_eq=[each.per_second[0]],
        )
        if found.success and (best is None or fixed + found.fun < best):
            best = fixed + found.fun
    return best


@settings(max_examples=25, deadline=None)
@given(now=seens(), spec=st.sampled_from([GPUS, ENERGY]))
def test_the_solver_finds_what_trying_everything_finds(now, spec):
    one = now.classes[0]
    tiny = PlanSeen([replace(one, per_second=one.per_second[:1])], now.engines, now.rows[:1])
    best, tried = decide(spec, tiny, SOLVE), by_hand(spec, tiny)
    if tried is None:
        assert best.plan is None
    else:
        assert value(spec, tiny, best.plan) == pytest.approx(tried, rel=1e-3, abs=1e-3)
