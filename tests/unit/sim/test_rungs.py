"""A smaller or quantised model: fewer joules a token, more turns, fewer successes; and who says how many."""

from random import Random

import pytest

from wattline.api.base import Metadata
from wattline.api.inferencepool import Endpoint, InferencePool, InferencePoolSpec
from wattline.model.fleet import Fleet
from wattline.sim import arrivals
from wattline.sim.changes import Do, ReplicaChange
from wattline.sim.generate import generate
from wattline.sim.ladder import ladder
from wattline.sim.rungs import Rung, longer, played_on
from wattline.sim.scenario import Scenario, ScenarioError, Served
from wattline.sim.simulate import simulate

MODEL = "Qwen/Qwen3-Coder-30B-A3B-Instruct"
FP8 = "Qwen/Qwen3-Coder-30B-A3B-Instruct-FP8"
HOURS = 0.1


def scenario(rung=None, changes=()):
    pool = InferencePool(
        metadata=Metadata(name="coder"),
        spec=InferencePoolSpec(
            model=MODEL,
            endpoints=tuple(
                Endpoint(name=f"r{i}", url=f"http://h:{8100 + i}", node="n1", gpus=(f"GPU-{i}",)) for i in range(2)
            ),
        ),
    )  # fmt: skip
    rng = Random(1)
    runs = tuple(arrivals.schedule(generate(20, 1), arrivals.poisson(0.04, HOURS, rng), rng))
    return Scenario(
        Fleet((), (pool,)), hours=HOURS, product="h200", clock=None, changes=changes,
        served=(Served("coder", runs, rung),),
    )  # fmt: skip


RUNS = generate(20, 3).runs


@pytest.mark.parametrize("ratio", [1.0, 1.3, 1.6, 2.5])
@pytest.mark.parametrize("run", RUNS[:6], ids=lambda run: run.id)
def test_a_longer_run_begins_as_it_was_and_goes_on_as_it_ended(run, ratio):
    made = longer(run, ratio)
    sizes = [sum(extent.tokens for extent in turn.context) for turn in made.turns]

    assert len(made.turns) == pytest.approx(len(run.turns) * ratio, abs=1)
    assert [turn.context for turn in made.turns[: len(run.turns)]] == [turn.context for turn in run.turns]
    assert made.turns[-1].gap_seconds == 0
    for before, after in zip(made.turns[len(run.turns) - 1 :], made.turns[len(run.turns) :], strict=False):
        assert (
            sum(e.tokens for e in after.context)
            >= sum(e.tokens for e in before.context) + before.output.tokens
        )
    assert sizes[len(run.turns) :] == sorted(sizes[len(run.turns) :])


def test_without_a_rung_runs_are_what_they_are():
    runs = scenario().served[0].arrivals

    assert played_on(None, runs) is runs
    assert played_on(Rung("same"), runs) is runs


def test_a_run_of_one_turn_goes_on_too():
    one = longer(RUNS[0], 1.0)
    single = type(one)("x", "x", one.harness, one.turns[:1])

    assert len(longer(single, 1.6).turns) == 2


def test_joules_of_a_successful_run_are_those_of_a_finished_one_over_its_success():
    report = simulate(scenario(Rung("fp8", FP8, success_ratio=0.8, source="a table")))

    assert report.runs_successful == pytest.approx(0.8 * report.runs_finished)
    assert report.joules_per_successful_run == pytest.approx(report.joules_per_finished_run / 0.8)
    assert report.pools[0].joules_per_successful_run == pytest.approx(report.joules_per_successful_run)
    assert report.sourced
    assert report.headline_joules_per_run == report.joules_per_successful_run
    assert report.notes == ()


def test_without_a_lower_rung_nothing_is_said_of_success():
    report = simulate(scenario())

    assert report.joules_per_successful_run is None
    assert report.headline_joules_per_run == report.joules_per_finished_run
    assert report.sourced


def test_a_rung_that_nobody_measured_is_said_to_be_no_headline():
    report = simulate(scenario(Rung("guess", FP8, success_ratio=0.9)))

    assert not report.sourced
    assert not report.pools[0].sourced
    assert report.headline_joules_per_run is report.pools[0].headline_joules_per_run is None
    assert "rung guess" in report.notes[0]


def test_a_ladder_shows_each_rung_at_the_turns_that_nobody_knows():
    own, *steps = ladder(scenario(), "coder", (Rung("fp8", FP8, success_ratio=0.95),))

    assert own.rung is None
    assert own.sourced
    assert [step.rung.turns_ratio for step in steps] == [1.0, 1.3, 1.6]
    assert not any(step.sourced for step in steps)
    joules = [step.joules_per_successful_run for step in steps]
    assert joules == sorted(joules)
    for step in steps:
        ratio = step.report.joules_per_finished_run / own.joules_per_successful_run
        assert step.needed_success_ratio == pytest.approx(ratio)


def test_turns_that_have_a_source_are_shown_and_may_stand_in_a_headline():
    rung = Rung("fp8", FP8, success_ratio=0.97, turns_ratio=1.1, source="a table")
    _, *steps = ladder(scenario(), "coder", (rung,))

    assert [(step.rung.turns_ratio, step.sourced) for step in steps] == [
        (1.0, False), (1.1, True), (1.3, False), (1.6, False),
    ]  # fmt: skip


def test_a_replica_may_change_its_rung_by_starting_anew():
    down = Rung("fp8", FP8, success_ratio=0.5, source="a table")
    changes = tuple(ReplicaChange(60, "coder", f"r{i}", Do.START, down) for i in range(2))
    report = simulate(scenario(changes=changes))

    assert 0.5 * report.runs_finished <= report.runs_successful < report.runs_finished
    back = (*changes, *(ReplicaChange(61, "coder", f"r{i}", Do.START) for i in range(2)))
    assert simulate(scenario(changes=back)).runs_successful == report.runs_finished


@pytest.mark.parametrize(
    ("rung", "do", "said"),
    [
        pytest.param(Rung("x", "nobody/knows"), Do.START, "no engine model of nobody/knows on 1 h200", id="unknown"),
        pytest.param(Rung("x", FP8), Do.WAKE, "a rung changes when a replica starts", id="not at a start"),
    ],
)  # fmt: skip
def test_a_rung_that_cannot_be_served_is_named(rung, do, said):
    with pytest.raises(ScenarioError, match=said):
        simulate(scenario(changes=(ReplicaChange(60, "coder", "r0", do, rung),)))


@pytest.mark.parametrize(
    ("more", "said"),
    [({"success_ratio": 0.0}, "success ratio above 0"), ({"turns_ratio": 0.5}, "turns ratio of 1 or more")],
)
def test_ratios_that_cannot_be_are_refused(more, said):
    with pytest.raises(ValueError, match=said):
        Rung("x", **more)
