"""All levers together: arithmetic of effects, the same day for every cell, and cells that are what they say."""

from dataclasses import replace

import pytest
from bench.papers import page
from bench.papers.study import Form
from bench.papers.together import PAPER, effects
from bench.papers.together.cells import (
    FACTORS,
    LEVERS,
    Case,
    but,
    factorial,
    only,
    outcomes,
    resting,
    scenario,
)
from bench.papers.together.fleet import PEAK_HOUR, POOLS, ROW_A, emergency, rate
from hypothesis import given
from hypothesis import strategies as st

from wattline.api.inferencepool import Objective
from wattline.sim.changes import BudgetChange, Do, ReplicaChange
from wattline.sim.life import Stage
from wattline.sim.simulate import simulate
from wattline.sim.steer import PoolLook, ReplicaLook

CASE = Case((), 1, 0.02, (None, None, None))
AB = ("a", "b")


def cells(none, a, b, both):
    return {(): none, ("a",): a, ("b",): b, AB: both}


def test_two_levers_by_hand():
    # 100 J; a saves 20, b saves 30, both together 40: they overlap by 10
    joules = cells(*({"j": value} for value in (100.0, 80.0, 70.0, 60.0)))
    gained = effects.gains(effects.Outcome("j", "", "%", effects.saved), joules)

    assert gained == pytest.approx(cells(0.0, 20.0, 30.0, 40.0))
    assert effects.alone(gained, AB) == pytest.approx({"a": 20.0, "b": 30.0})
    assert effects.in_company(gained, AB) == pytest.approx({"a": 10.0, "b": 20.0})
    assert effects.interaction(gained, AB) == pytest.approx(-10.0)
    assert effects.independent([20.0, 30.0]) == pytest.approx(44.0)
    assert effects.main_effects(gained, AB) == pytest.approx({"a": 15.0, "b": 25.0})
    assert effects.pairs(gained, AB) == pytest.approx({AB: -10.0})


@given(st.lists(st.floats(-100, 100), min_size=3, max_size=3))
def test_levers_that_only_add_up_have_no_interaction(each):
    names = ("a", "b", "c")
    gains = dict(zip(names, each, strict=True))
    values = {
        chosen: sum(gains[name] for name in chosen)
        for chosen in ((), *((n,) for n in names), AB, ("a", "c"), ("b", "c"), names)
    }

    assert effects.main_effects(values, names) == pytest.approx(gains, abs=1e-9)
    assert list(effects.pairs(values, names).values()) == pytest.approx([0, 0, 0], abs=1e-9)
    assert effects.interaction(values, names) == pytest.approx(0, abs=1e-9)


def test_orders_share_the_whole_variance():
    only_a = effects.explained(cells(0.0, 8.0, 0.0, 8.0), AB)
    only_both = effects.explained(cells(1.0, -1.0, -1.0, 1.0), AB)

    assert only_a == pytest.approx({1: 1.0, 2: 0.0})
    assert only_both == pytest.approx({1: 0.0, 2: 1.0})
    assert effects.explained(cells(3.0, 3.0, 3.0, 3.0), AB) == {1: 0.0, 2: 0.0}


def test_the_cells_of_a_design_are_all_there_once():
    assert len(set(factorial())) == 2 ** len(FACTORS)
    assert factorial()[0] == ()
    assert factorial()[-1] == FACTORS
    assert only(*reversed(LEVERS)) == LEVERS
    assert all(len(but(name)) == len(LEVERS) - 1 and name not in but(name) for name in LEVERS)


def test_every_cell_gets_the_same_runs_budgets_and_air():
    calm, moved = scenario(CASE), scenario(replace(CASE, levers=LEVERS))

    assert calm.fleet == moved.fleet
    assert calm.served == moved.served
    budgets = [[each for each in asked.changes if isinstance(each, BudgetChange)] for asked in (calm, moved)]
    assert budgets[0] == budgets[1]


def test_other_seeds_get_other_runs():
    assert scenario(CASE).served != scenario(replace(CASE, seed=2)).served


def test_each_lever_moves_one_thing():
    calm = scenario(CASE)
    moved = {
        name: {
            field
            for field in ("admission", "routing", "clock", "cap", "steer", "changes")
            if getattr(scenario(replace(CASE, levers=only(name))), field) != getattr(calm, field)
        }
        for name in LEVERS
    }

    assert moved == {
        "admission": {"admission"},
        "routing": {"routing"},
        "clock": {"clock"},
        "sharing": {"cap"},
        "rest": {"steer"},
        "rungs": {"changes"},
    }


def test_an_objective_is_asked_of_every_pool():
    asked = scenario(replace(CASE, objective=30.0)).fleet.pools

    assert {pool.spec.objective.tokens_per_second_per_agent_p5 for pool in asked} == {30.0}
    assert {pool.spec.objective for pool in scenario(CASE).fleet.pools} == {Objective()}


def test_a_row_loses_a_quarter_at_the_peak_and_gets_it_back():
    begins, ends = emergency(24.0, 1.0, degraded=False)

    assert (begins.at_seconds, ends.at_seconds) == (PEAK_HOUR * 3600, PEAK_HOUR * 3600 + 300)
    assert begins.domain == ROW_A
    assert begins.watts == pytest.approx(0.75 * ends.watts)


@pytest.mark.parametrize("pool", POOLS, ids=lambda pool: pool.name)
def test_a_pool_is_busiest_at_its_peak_and_quietest_twelve_hours_later(pool):
    rates = {hour: rate(pool, hour) for hour in range(24)}

    assert max(rates.values()) == pytest.approx(rates[pool.peak_hour]) == pytest.approx(pool.full_rate)
    assert min(rates.values()) == pytest.approx(pool.night_ratio * pool.full_rate)


def test_a_day_gives_the_same_outcomes_twice_and_ends_all_runs():
    first, again = (outcomes(simulate(scenario(replace(CASE, levers=LEVERS, load=0.3)))) for _ in range(2))

    assert first == again
    assert first["finished_ratio"] == 1.0


def test_replicas_that_rest_stop_and_come_back():
    steer = resting()

    def pool(*stages, held=0):
        looks = {f"r{i}": ReplicaLook(stage, 0, 1000, 0) for i, stage in enumerate(stages)}
        return {"p": PoolLook(looks, held, 0, 0)}

    both, one = pool(Stage.SERVING, Stage.SERVING), pool(Stage.SERVING, Stage.STOPPED, held=1)
    assert list(steer(0.0, both)) == []
    assert list(steer(300.0, both)) == [ReplicaChange(300.0, "p", "r1", Do.DRAIN)]
    assert list(steer(400.0, one)) == [ReplicaChange(400.0, "p", "r1", Do.START)]


SAVED = {"admission": 0.0, "routing": 5.0, "clock": 8.0, "sharing": -1.0, "rest": 3.0, "rungs": 0.5}
"""What each lever saves in percent of a fleet whose levers only add up."""


class Additive:
    """A bench on which levers only add up; it plays nothing."""

    def __init__(self, form):
        self.form = form
        self.asked = []

    def pick(self, **of_form):
        return of_form[self.form.value]

    def seeds(self):
        return range(self.pick(ci=2, reduced=3, full=5))

    def data(self, relative):
        return None

    def each(self, function, cases):
        self.asked += cases
        return [self.outcome(case) for case in cases]

    def outcome(self, case):
        whole = dict.fromkeys(("least_rate_p5", "rate_p5", "ttft_p99", "finished_ratio", "seconds"), 1.0)
        whole |= dict.fromkeys(("over_seconds", "max_celsius", "recomputed", "peak_watts"), 0.0)
        for pool in POOLS:
            whole |= {f"{pool.name}.rate_p5": 30.0, f"{pool.name}.run_seconds": 1.0}
        return whole | {"joules_per_run": 1000 + case.seed - sum(10 * SAVED[name] for name in case.levers)}


@pytest.mark.parametrize("form", Form)
def test_a_fleet_whose_levers_only_add_up_shows_no_overlap(form):
    study = PAPER.study(Additive(form))

    found = {finding.claim.key: finding for finding in study.findings}
    assert found["together"].mean == pytest.approx(sum(SAVED.values()), rel=0.01)
    assert found["overlap"].mean == pytest.approx(0, abs=1e-9)
    assert found["above-best"].mean == pytest.approx(sum(SAVED.values()) - 8, rel=0.01)
    assert found["beyond"].mean < 0
    assert "sharing (-" in study.loses


def test_the_full_form_says_of_every_pair_what_it_does():
    study = PAPER.study(Additive(Form.FULL))

    [table] = [each for each in study.tables if each.title.startswith("32 combinations: joules")]
    shown = dict(table.rows)
    # 8 % of 1000 J over the mean of the first three seeds, which alone have all combinations.
    assert shown["clock"].startswith("7.99 ")
    assert (
        shown["clock × rest"].lstrip("-").startswith("0 ")
        or abs(float(shown["clock × rest"].split()[0])) < 1e-9
    )
    assert shown["share of variance, order 1"].startswith("1")
    assert "| clock × rest |" in page.page([page.Result(PAPER, study, Form.FULL, "", {})])


@pytest.mark.parametrize("form", Form)
def test_no_day_is_asked_for_twice(form):
    bench = Additive(form)
    PAPER.study(bench)

    assert len(bench.asked) == len(set(bench.asked))
