"""What cannot be is named before anything runs, with a remedy, or counted; nothing is dropped in silence."""

from dataclasses import replace
from random import Random

import pytest

from wattline.api.base import Metadata
from wattline.api.inferencepool import Endpoint, InferencePool, InferencePoolSpec
from wattline.api.powerdomain import Budget, PowerDomain, PowerDomainSpec
from wattline.model.fleet import Fleet
from wattline.sim import arrivals
from wattline.sim.changes import BudgetChange
from wattline.sim.generate import generate
from wattline.sim.scenario import Scenario, ScenarioError
from wattline.sim.simulate import simulate
from wattline.world.engines import ENGINES

MODEL = "Qwen/Qwen3-Coder-30B-A3B-Instruct"


def asked(watts=2000.0, overhead=0.0, reserved=0.0, arrives=(), **more):
    pool = InferencePool(
        metadata=Metadata(name="coder"),
        spec=InferencePoolSpec(
            model=MODEL, endpoints=(Endpoint(name="r0", url="http://h:1", node="n1", gpus=("GPU-0",)),)
        ),
    )
    budget = Budget(watts=watts, node_overhead_watts=overhead, reserved_watts=reserved)
    row = PowerDomain(metadata=Metadata(name="row"), spec=PowerDomainSpec(nodes=("n1",), budget=budget))
    calm = {
        "fleet": Fleet((row,), (pool,)), "pool": "coder", "arrivals": arrives, "hours": 0.02,
        "product": "h100-nvl", "cap": "wattline",
    }  # fmt: skip
    return simulate(Scenario(**calm | more))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        pytest.param({"product": "h900"}, "no GPU product h900; there is: h100, ", id="product"),
        pytest.param({"hours": 0.0}, "hours 0: expected more than 0", id="no time"),
        pytest.param({"hours": float("nan")}, "hours nan: expected more than 0", id="no number"),
        pytest.param({"warm_up_hours": 0.02}, "expected less than the 0.02 hours of arrivals", id="all warm-up"),
        pytest.param({"steer_seconds": 0.0}, "steer_seconds 0: expected more than 0", id="no pause"),
        pytest.param({"gpus_per_node": 0}, "0 GPUs of a node", id="no GPUs"),
        pytest.param(
            {"watts": 900.0, "overhead": 800.0, "reserved": 100.0},
            "PowerDomain row: 900 W leave nothing for GPUs, 100 W are reserved and 1 nodes take 800 W each",
            id="overheads eat the budget",
        ),
        pytest.param(
            {"overhead": 500.0, "changes": (BudgetChange(60, "row", 500.0),)},
            "PowerDomain row from 60 s on: 500 W leave nothing for GPUs", id="a change leaves nothing",
        ),
        pytest.param(
            {"engines": {key: replace(one, capacity_tokens=-5) for key, one in ENGINES.items()}},
            f"{MODEL} does not fit 1 h100-nvl \\(InferencePool coder, endpoint r0\\): its weights leave no KV memory",
            id="the weights fill the memory",
        ),
    ],
)  # fmt: skip
def test_a_question_without_an_answer_is_refused_with_a_remedy(changes, said):
    with pytest.raises(ScenarioError, match=said):
        asked(**changes)


@pytest.mark.parametrize("cap", ["uniform", "wattline"])
def test_a_budget_below_what_devices_may_draw_is_said_and_its_seconds_are_counted(cap):
    report = asked(watts=40.0, cap=cap)

    assert "row: its GPUs cannot be limited below 204 W together, and 40 W are left" in report.notes[0]
    assert report.over_budget_seconds == pytest.approx(report.seconds, abs=6)


def test_a_budget_that_becomes_too_small_is_said_before():
    report = asked(changes=(BudgetChange(30, "row", 100.0),))

    assert report.notes[0].startswith("row from 30 s on: its GPUs cannot be limited below 204 W")


def test_where_nobody_caps_a_small_budget_is_a_figure_and_no_problem():
    assert asked(watts=40.0, cap="none").notes == ()


def test_runs_that_no_replica_can_hold_are_counted_and_the_others_play():
    rng = Random(1)
    runs = tuple(arrivals.schedule(generate(20, 1), arrivals.poisson(0.1, 0.02, rng), rng))
    longest = sorted(each.run.longest_tokens for each in runs)
    small = {
        key: replace(one, capacity_tokens=int(longest[len(longest) // 2] / 0.95) + 50)
        for key, one in ENGINES.items()
    }
    report = asked(arrives=runs, engines=small)

    assert 0 < report.runs_outgrown < report.runs_offered
    assert report.runs_finished == report.runs_offered - report.runs_outgrown
    assert report.pools[0].runs_outgrown == report.runs_outgrown
