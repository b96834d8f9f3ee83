"""What happens while a fleet is played: replicas fail, sleep and load, budgets and air change, and each change costs."""

import json
from random import Random

import pytest

from wattline.api.base import Metadata
from wattline.api.inferencepool import Endpoint, InferencePool, InferencePoolSpec
from wattline.api.powerdomain import Budget, PowerDomain, PowerDomainSpec
from wattline.model.fleet import Fleet
from wattline.policy.route import Mode
from wattline.sim import arrivals
from wattline.sim.changes import BudgetChange, Do, InletChange, ReplicaChange
from wattline.sim.generate import generate
from wattline.sim.life import Stage
from wattline.sim.migration import Migration
from wattline.sim.scenario import Scenario, ScenarioError
from wattline.sim.simulate import simulate
from wattline.world.engines import ENGINES
from wattline.world.gpu import PRODUCTS, Gpu
from wattline.world.load import IDLE, OFF
from wattline.world.loading import loading_seconds
from wattline.world.sleep import nap

MODEL = "Qwen/Qwen3-Coder-30B-A3B-Instruct"
HOURS = 0.25


def fleet(replicas=2, budget_watts=None):
    pool = InferencePool(
        metadata=Metadata(name="coder"),
        spec=InferencePoolSpec(
            model=MODEL,
            endpoints=tuple(
                Endpoint(name=f"r{i}", url=f"http://h:{8100 + i}", node=f"n{i}", gpus=(f"GPU-{i}",))
                for i in range(replicas)
            ),
        ),
    )
    row = PowerDomain(
        metadata=Metadata(name="row"),
        spec=PowerDomainSpec(
            nodes=tuple(f"n{i}" for i in range(replicas)), budget=Budget(watts=budget_watts or 1)
        ),
    )
    return Fleet((row,) if budget_watts else (), (pool,))


def played(*changes, rate=0.05, seed=1, hours=HOURS, **more):
    rng = Random(seed)
    runs = arrivals.schedule(generate(30, seed), arrivals.poisson(rate, hours, rng), rng) if rate else ()
    calm = {
        "fleet": fleet(), "pool": "coder", "arrivals": tuple(runs), "hours": hours, "product": "h100-nvl",
        "clock": None, "seed": seed, "changes": changes, "drain_hours": 6.0,
    }  # fmt: skip
    return simulate(Scenario(**calm | more))


def at(seconds, do, replica="r0"):
    return ReplicaChange(seconds, "coder", replica, do)


def test_what_ran_on_a_replica_that_fails_is_asked_again_elsewhere_and_ends():
    calm, failed = played(), played(at(300, Do.STOP))

    assert failed.turns_retried > 0
    assert failed.runs_finished == failed.runs_offered == calm.runs_finished
    assert failed.turns == calm.turns
    assert failed.output_tokens == calm.output_tokens
    assert failed.prefilled_tokens > calm.prefilled_tokens
    assert failed.run_seconds_mean > calm.run_seconds_mean


def test_a_replica_that_comes_back_has_lost_its_memory_and_costs_its_loading():
    gone, back = (played(at(200, Do.STOP), *more, rate=0.02) for more in ((), (at(210, Do.START),)))
    calm = played(rate=0.02)

    assert back.recomputed_ratio > calm.recomputed_ratio
    assert back.runs_finished == gone.runs_finished == calm.runs_finished


def test_with_no_replica_left_runs_wait_for_one_and_then_go_on():
    report = played(at(200, Do.STOP), at(200, Do.STOP, "r1"), at(500, Do.START), rate=0.02)

    assert report.runs_finished == report.runs_offered
    assert report.ttft_seconds_p99 > 100


def test_runs_that_nobody_can_serve_any_more_are_open_in_the_report():
    report = played(at(200, Do.STOP), at(200, Do.STOP, "r1"), drain_hours=0.1)

    assert 0 < report.runs_finished < report.runs_offered


def test_a_drained_replica_loses_no_turn():
    report = played(at(300, Do.DRAIN))

    assert report.turns_retried == 0
    assert report.runs_finished == report.runs_offered


IDLE_DRAWS = {
    "serving": (),
    "asleep": (at(0, Do.SLEEP), at(0, Do.SLEEP, "r1")),
    "stopped": (at(0, Do.STOP), at(0, Do.STOP, "r1")),
    "loading": tuple(at(s, Do.START, r) for s in range(0, 900, 60) for r in ("r0", "r1")),
}


def test_a_stopped_replica_draws_least_a_loading_one_most_and_sleep_saves_no_watts_by_itself():
    watts = {name: played(*changes, rate=0).mean_watts for name, changes in IDLE_DRAWS.items()}

    assert watts["stopped"] == pytest.approx(watts["serving"] - 2 * 26.0, abs=4)  # cooler, so that less leaks
    assert watts["asleep"] == pytest.approx(watts["serving"], rel=0.05)  # falling asleep copies weights
    assert watts["loading"] > watts["serving"] + 50


def test_a_gpu_that_nobody_holds_draws_less_than_an_idle_one():
    gpu = Gpu(PRODUCTS["h100"], "GPU-0")

    assert gpu.watts_for(OFF) == gpu.watts_for(IDLE) - PRODUCTS["h100"].context_watts


@pytest.mark.parametrize(
    "physics", sorted(ENGINES.values(), key=lambda one: (one.model, one.gpus, one.product.name))
)
def test_waking_is_quicker_than_loading_and_the_deeper_sleep_falls_quicker_and_wakes_slower(physics):
    light, deep = nap(physics, 1), nap(physics, 2)

    assert light.wake_seconds < deep.wake_seconds < loading_seconds(physics)
    assert deep.fall_seconds < light.fall_seconds
    assert 60 <= loading_seconds(physics) <= 300


def back_after(*changes):
    """Return the seconds from 300 s on until r0 serves again."""
    serving = []

    def watch():
        def steer(at_seconds, pools):
            if pools["coder"].replicas["r0"].stage is Stage.SERVING and at_seconds > 300:
                serving.append(at_seconds - 300)
            return ()

        return steer

    played(*changes, rate=0, steer=watch, steer_seconds=1.0)
    return serving[0]


def test_a_replica_that_slept_is_back_within_seconds_and_one_that_was_stopped_after_its_loading():
    light = back_after(at(100, Do.SLEEP), at(300, Do.WAKE))
    deep = back_after(at(100, Do.DEEP_SLEEP), at(300, Do.WAKE))
    new = back_after(at(100, Do.DRAIN), at(300, Do.START))

    physics = ENGINES[MODEL, "h100-nvl", 1]
    assert [light, deep] == [pytest.approx(nap(physics, level).wake_seconds, abs=1) for level in (1, 2)]
    assert new == pytest.approx(loading_seconds(physics), abs=1)


def test_a_replica_that_is_woken_while_it_drains_serves_on_with_its_memory():
    report = played(at(300, Do.SLEEP), at(300.5, Do.WAKE))

    assert report.recomputed_ratio == pytest.approx(played().recomputed_ratio, abs=0.02)


def test_a_change_in_the_middle_of_another_wins():
    report = played(at(100, Do.DRAIN), at(101, Do.START), at(110, Do.STOP), at(120, Do.WAKE), rate=0.02)

    assert report.runs_finished == report.runs_offered


def test_a_row_that_loses_a_tenth_is_held_at_its_new_budget():
    def report(*changes, cap):
        return played(
            *changes, fleet=fleet(budget_watts=640.0), cap=cap, rate=0.08, hours=0.15, drain_hours=0.0
        )

    cut = BudgetChange(240, "row", 540.0)
    free, uniform, ours = (report(cut, cap=cap) for cap in ("none", "uniform", "wattline"))

    assert free.over_budget_seconds > 60
    assert max(uniform.over_budget_seconds, ours.over_budget_seconds) < 10
    assert ours.output_tokens < report(cap="wattline").output_tokens


def test_warm_air_makes_warm_gpus_and_only_where_it_comes_in():
    calm = played(rate=0)
    warm = played(InletChange(60, 40.0, ("n1",)), rate=0)

    assert warm.max_celsius == pytest.approx(calm.max_celsius + 15, abs=1.5)
    assert warm.joules > calm.joules


def test_a_facility_hears_each_nodes_watts_and_says_its_inlet():
    heard = []

    def facility():
        def inlet(at_seconds, watts):
            heard.append((at_seconds, dict(watts)))
            return {name: 20.0 + 0.05 * each for name, each in watts.items()}

        return inlet

    report = played(inlet=facility)

    assert heard[0] == (0.0, {"n0": 50.0, "n1": 50.0})
    assert [at_seconds for at_seconds, _ in heard[:3]] == [0.0, 10.0, 20.0]
    assert max(watts["n0"] for _, watts in heard) > 200
    assert report.max_celsius > played().max_celsius


def test_a_policy_of_replicas_sees_the_pools_and_its_changes_happen():
    seen = []

    def scaler():
        def steer(at_seconds, pools):
            seen.append({name: look.stage for name, look in pools["coder"].replicas.items()})
            busy = pools["coder"].runs_begun - pools["coder"].runs_ended
            do = Do.WAKE if busy > 1 else Do.SLEEP
            return (at(at_seconds, do, "r1"),)

        return steer

    report = played(steer=scaler)

    assert {Stage.SERVING, Stage.ASLEEP} <= {stages["r1"] for stages in seen}
    assert all(stages["r0"] is Stage.SERVING for stages in seen)
    assert report.runs_finished == report.runs_offered


def test_memory_that_follows_its_session_is_not_computed_again():
    def report(**more):
        return played(rate=0.1, fleet=fleet(3), routing=Mode.ROUND_ROBIN, **more)

    again, saga = report(), report(migration=Migration())
    link = report(migration=Migration(bytes_per_second=5e9))

    for moved in (saga, link):
        assert moved.sessions_migrated > 0
        assert moved.recomputed_ratio < 0.5 * again.recomputed_ratio
    assert again.sessions_migrated == 0


def test_the_lognormal_of_migrations_has_the_papers_median_and_tail():
    mover = Migration().mover("1/migration")
    times = sorted(mover.seconds(1e9) for _ in range(4000))

    assert times[2000] == pytest.approx(0.230, rel=0.05)
    assert times[3800] == pytest.approx(0.890, rel=0.1)


def test_the_same_changes_give_the_same_bytes():
    def bytes_of():
        changes = (
            at(200, Do.STOP),
            at(260, Do.START),
            BudgetChange(300, "row", 560.0),
            InletChange(400, 35.0),
        )
        report = played(
            *changes, fleet=fleet(budget_watts=640.0), cap="wattline", hours=0.12, migration=Migration()
        )
        return json.dumps(report.flat())

    assert bytes_of() == bytes_of()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        pytest.param(at(1, Do.STOP, "x"), "no replica x of a served pool coder; there is: r0, r1", id="replica"),
        pytest.param(ReplicaChange(1, "y", "r0", Do.STOP), "of a served pool y; there is: none", id="pool"),
        pytest.param(BudgetChange(1, "z", 5.0), "no PowerDomain z; there is: row", id="domain"),
        pytest.param(BudgetChange(1, "row", 0.0), "a budget of more than 0 W", id="no watts"),
        pytest.param(InletChange(1, 30.0, ("n7",)), "no node n7 has GPUs; there is: n0, n1", id="node"),
        pytest.param(at(-1, Do.STOP), "seconds from the start, 0 or more", id="before the start"),
        pytest.param(at(901, Do.STOP), "nothing changes after that", id="after the end"),
    ],
)  # fmt: skip
def test_a_change_that_cannot_be_is_named_before_anything_runs(change, said):
    with pytest.raises(ScenarioError, match=said):
        played(change, fleet=fleet(budget_watts=640.0))
