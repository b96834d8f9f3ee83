"""What policies see: exactly what is so, or whole degrees, a second late."""

from dataclasses import replace
from random import Random

import pytest

from wattline.api.base import Metadata
from wattline.api.inferencepool import Endpoint, InferencePool, InferencePoolSpec
from wattline.api.powerdomain import Budget, PowerDomain, PowerDomainSpec
from wattline.loops.seen import ReplicaSeen
from wattline.model.fleet import Fleet
from wattline.sim import arrivals
from wattline.sim.generate import generate
from wattline.sim.node import reading
from wattline.sim.scenario import Scenario
from wattline.sim.sensors import EXACT, REAL, Sensors, View
from wattline.sim.simulate import simulate
from wattline.world.gpu import PRODUCTS, Gpu
from wattline.world.load import compute_bound


def readings(seconds=4):
    gpu, out = Gpu(PRODUCTS["h100"], "GPU-0"), []
    for second in range(1, seconds + 1):
        gpu.advance(float(second), compute_bound(500.0))
        out.append(reading(gpu, float(second)))
    return out


def test_exact_sensors_change_nothing():
    view = View(EXACT)

    assert all(view.gpu("GPU-0", now) is now for now in readings())


def test_real_temperatures_are_whole_degrees_and_their_margin_too():
    view = View(Sensors(celsius_step=1.0))

    for now in readings():
        seen = view.gpu("GPU-0", now)
        assert seen.celsius == pytest.approx(now.celsius, abs=0.5)
        assert (seen.celsius % 1, seen.margin_celsius % 1) == (0, 0)
        assert seen.watts == now.watts


def test_late_readings_are_those_of_the_step_before_but_limits_are_those_of_now():
    view, [first, second, third, _] = View(Sensors(late=True)), readings()
    third = third._replace(limit_watts=400.0, asked_watts=400.0)

    assert view.gpu("GPU-0", first) == first
    assert view.gpu("GPU-0", second) == first
    assert view.gpu("GPU-0", third) == second._replace(limit_watts=400.0, asked_watts=400.0)


def test_the_gateways_answer_and_the_engines_counters_are_a_second_old():
    view = View(REAL)
    before, now = ReplicaSeen(running=1, generation_tokens_total=10), ReplicaSeen(running=2)

    assert view.replica("r", before) is before
    assert view.replica("r", now) is before
    assert view.replica("other", now) is now


def test_policies_that_see_late_still_keep_budget_and_objective():
    pool = InferencePool(
        metadata=Metadata(name="coder"),
        spec=InferencePoolSpec(
            model="Qwen/Qwen3-Coder-30B-A3B-Instruct",
            endpoints=tuple(
                Endpoint(name=f"r{i}", url=f"http://h:{8100 + i}", node="n1", gpus=(f"GPU-{i}",)) for i in range(2)
            ),
        ),
    )  # fmt: skip
    box = PowerDomain(
        metadata=Metadata(name="box"), spec=PowerDomainSpec(nodes=("n1",), budget=Budget(watts=600))
    )
    rng = Random(1)
    runs = tuple(arrivals.schedule(generate(20, 1), arrivals.poisson(0.04, 0.2, rng), rng))
    scenario = Scenario(Fleet((box,), (pool,)), "coder", runs, 0.2, product="h100-nvl", cap="wattline")
    exact, real = (simulate(replace(scenario, sensors=sensors)) for sensors in (EXACT, REAL))

    assert real != exact
    assert real.over_budget_seconds < 0.02 * real.seconds
    assert real.tokens_per_second_per_agent_p5 > 20
    assert real.joules_per_finished_run == pytest.approx(exact.joules_per_finished_run, rel=0.03)
