"""The simulator: the same seed gives the same bytes, and what is known of agents and clocks comes out."""

import json
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wattline.api.base import Metadata
from wattline.api.inferencepool import Endpoint, InferencePool, InferencePoolSpec
from wattline.api.powerdomain import Budget, PowerDomain, PowerDomainSpec
from wattline.model.fleet import Fleet
from wattline.policy.route import Mode
from wattline.sim import arrivals
from wattline.sim.generate import generate
from wattline.sim.scenario import Scenario, ScenarioError
from wattline.sim.simulate import simulate

MODEL = "Qwen/Qwen3-Coder-30B-A3B-Instruct"


def fleet(replicas=1, budget_watts=None, model=MODEL, gpus=1):
    pool = InferencePool(
        metadata=Metadata(name="coder"),
        spec=InferencePoolSpec(
            model=model,
            endpoints=tuple(
                Endpoint(
                    name=f"r{i}", url=f"http://127.0.0.1:{8100 + i}", node="n1",
                    gpus=tuple(f"GPU-{i}-{j}" for j in range(gpus)),
                )
                for i in range(replicas)
            ),
        ),
    )  # fmt: skip
    domain = PowerDomain(
        metadata=Metadata(name="box"),
        spec=PowerDomainSpec(nodes=("n1",), budget=Budget(watts=budget_watts or 1)),
    )
    return Fleet((domain,) if budget_watts else (), (pool,))


def scenario(rate=0.012, hours=0.5, seed=1, **changes):
    rng = Random(seed)
    runs = arrivals.schedule(generate(40, seed), arrivals.poisson(rate, hours, rng), rng)
    calm = {
        "fleet": fleet(),
        "pool": "coder",
        "arrivals": runs,
        "hours": hours,
        "product": "h100-nvl",
        "seed": seed,
    }
    return Scenario(**calm | changes)


@settings(max_examples=3, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.integers(0, 1000), st.sampled_from(list(Mode)), st.booleans(), st.sampled_from([None, 900, "wattline"]),
    st.sampled_from(["none", "uniform", "wattline"]),
)  # fmt: skip
def test_the_same_seed_and_trace_give_the_same_bytes(seed, routing, admission, clock, cap):
    def bytes_of():
        asked = scenario(
            hours=0.05, rate=0.05, seed=seed, fleet=fleet(2, 600), routing=routing, admission=admission, clock=clock,
            cap=cap,
        )  # fmt: skip
        return json.dumps(simulate(asked).flat())

    assert bytes_of() == bytes_of()


def test_every_run_that_is_offered_ends_or_is_said_to_outgrow_the_model():
    report = simulate(scenario())

    assert report.runs_finished + report.runs_outgrown == report.runs_offered > 10
    assert report.joules == pytest.approx(report.mean_watts * report.seconds)
    assert report.joules_per_finished_run == pytest.approx(report.joules / report.runs_finished)


def test_slow_clocks_save_energy_to_a_knee_and_then_burn_more():
    joules = {clock: simulate(scenario(clock=clock)).joules_per_finished_run for clock in (None, 1050, 345)}

    assert joules[1050] < 0.92 * joules[None]
    assert joules[345] > joules[1050]


def test_the_learning_clock_comes_near_the_best_constant_one():
    best = min(
        simulate(scenario(clock=clock, hours=0.5)).joules_per_finished_run for clock in (750, 900, 1050)
    )
    report = simulate(scenario(clock="wattline", hours=0.5))

    assert report.joules_per_finished_run < 1.06 * best
    assert report.tokens_per_second_per_agent_p5 > 20


def test_without_admission_a_full_memory_is_computed_again_and_again():
    kept = simulate(scenario(rate=0.06, hours=0.2, clock=None))
    lost = simulate(scenario(rate=0.06, hours=0.2, clock=None, admission=False))

    assert lost.recomputed_ratio > 0.5 > 3 * kept.recomputed_ratio
    assert lost.joules_per_finished_run > 2 * kept.joules_per_finished_run


def test_affinity_finds_its_memory_and_round_robin_does_not():
    by_mode = {
        mode: simulate(
            scenario(rate=0.03, hours=0.25, fleet=fleet(3), routing=mode, clock=None)
        ).recomputed_ratio
        for mode in (Mode.ROUND_ROBIN, Mode.AFFINITY, Mode.WATTLINE)
    }

    assert by_mode[Mode.ROUND_ROBIN] > 0.3
    assert max(by_mode[Mode.AFFINITY], by_mode[Mode.WATTLINE]) < 0.1


def test_a_cap_keeps_the_budget_that_no_cap_exceeds():
    free, *capped = (
        simulate(scenario(rate=0.03, hours=0.25, fleet=fleet(2, 560), clock=None, cap=cap))
        for cap in ("none", "uniform", "wattline")
    )

    assert free.over_budget_seconds > 5
    for report in capped:
        assert report.over_budget_seconds < 0.02 * report.seconds
        assert report.peak_watts < free.peak_watts


def test_a_run_that_outgrows_the_model_is_counted_not_dropped_in_silence():
    runs = scenario(rate=0.01, fleet=fleet(), product="h100")
    report = simulate(runs)

    assert report.runs_outgrown > 0
    assert report.runs_offered == len(runs.arrivals)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"fleet": fleet(model="nobody/knows")}, "no engine model of nobody/knows on 1 h100-nvl"),
        ({"pool": "other"}, "no InferencePool named other"),
    ],
)
def test_a_question_that_cannot_be_asked_says_why(changes, said):
    with pytest.raises(ScenarioError, match=said):
        simulate(scenario(**changes))


def test_what_happens_before_the_warm_up_is_over_counts_for_nothing():
    whole, tail = simulate(scenario(clock=None)), simulate(scenario(clock=None, warm_up_hours=0.25))
    assert tail.seconds == pytest.approx(whole.seconds - 900)
    assert 0 < tail.joules < whole.joules
    assert 0 < tail.turns < whole.turns
    assert tail.runs_finished == tail.runs_offered < whole.runs_offered
    assert tail.tokens_per_second_per_agent_p5 is not None
    assert set(tail.runs) < set(whole.runs)


def test_preemptions_of_a_pool_are_counted_from_the_end_of_the_warm_up_on():
    crowded = {"clock": None, "admission": False, "rate": 0.05, "hours": 0.6}
    whole, tail = simulate(scenario(**crowded)), simulate(scenario(**crowded, warm_up_hours=0.55))
    assert 0 < tail.preemptions < whole.preemptions
    assert tail.pools[0].preemptions == tail.preemptions


def test_every_finished_run_is_told_by_its_id_and_its_seconds():
    report = simulate(scenario(clock=None))
    assert len({name for name, _ in report.runs}) == report.runs_finished > 0
    assert sum(seconds for _, seconds in report.runs) / report.runs_finished == pytest.approx(
        report.run_seconds_mean
    )


def test_the_world_is_the_same_with_a_warm_up():
    late = simulate(scenario(warm_up_hours=0.01))  # before the first turn ended, nearly
    assert late.seconds == pytest.approx(simulate(scenario()).seconds - 36)
