"""Several pools on one clock: each has its runs and its results, and they share nodes and watts."""

import json
from random import Random

import pytest

from wattline.api.base import Metadata
from wattline.api.inferencepool import Endpoint, InferencePool, InferencePoolSpec
from wattline.api.powerdomain import Budget, PowerDomain, PowerDomainSpec
from wattline.model.fleet import Fleet
from wattline.sim import arrivals
from wattline.sim.generate import generate
from wattline.sim.scenario import Scenario, ScenarioError, Served
from wattline.sim.simulate import simulate

MODEL = "Qwen/Qwen3-Coder-30B-A3B-Instruct"


def pool(name, nodes, power_class="Standard"):
    return InferencePool(
        metadata=Metadata(name=name),
        spec=InferencePoolSpec(
            model=MODEL,
            power_class=power_class,
            endpoints=tuple(
                Endpoint(name=f"r{i}", url=f"http://127.0.0.1:{8100 + i}", node=node, gpus=(f"{name}-{i}",))
                for i, node in enumerate(nodes)
            ),
        ),
    )


def domain(name, nodes=(), watts=1e6, parent=None):
    return PowerDomain(
        metadata=Metadata(name=name),
        spec=PowerDomainSpec(nodes=nodes, parent=parent, budget=Budget(watts=watts)),
    )


def runs(seed, rate=0.03, hours=0.15):
    rng = Random(seed)
    return tuple(arrivals.schedule(generate(20, seed), arrivals.poisson(rate, hours, rng), rng))


def asked(*pools, domains=(), served=(), **changes):
    calm = {"fleet": Fleet(domains, pools), "served": served, "hours": 0.15, "product": "h100-nvl"}
    return simulate(Scenario(**calm | changes))


def test_pools_that_share_nothing_fare_as_they_would_alone():
    a, b = pool("a", ["n1"]), pool("b", ["n2"])
    both = asked(a, b, served=(Served("a", runs(1)), Served("b", runs(2))), clock=None)
    alone = [
        asked(a, pool="a", arrivals=runs(1), clock=None),
        asked(b, pool="b", arrivals=runs(2), clock=None),
    ]

    for mine, one in zip(both.pools, alone, strict=True):
        [single] = one.pools
        assert (mine.name, mine.runs_finished, mine.turns) == (
            single.name,
            single.runs_finished,
            single.turns,
        )
        assert mine.run_seconds_mean == pytest.approx(single.run_seconds_mean)
        assert mine.ttft_seconds_p99 == pytest.approx(single.ttft_seconds_p99)


def test_the_whole_is_the_sum_of_its_pools():
    both = asked(
        pool("a", ["n1", "n2"]), pool("b", ["n2"]), served=(Served("a", runs(1)), Served("b", runs(2)))
    )

    for count in ("runs_offered", "runs_finished", "turns", "output_tokens", "prefilled_tokens"):
        assert getattr(both, count) == sum(getattr(each, count) for each in both.pools)
    assert both.joules == pytest.approx(sum(each.joules for each in both.pools))
    assert "pools" not in both.flat()


def test_a_pool_that_gets_no_runs_stands_idle_and_still_draws():
    report = asked(pool("a", ["n1"]), pool("b", ["n2"]), served=(Served("a", runs(1)),))

    assert [each.name for each in report.pools] == ["a"]
    assert report.joules > 1.1 * report.pools[0].joules


def test_a_protected_pool_keeps_its_pace_where_the_watts_of_a_tree_are_too_few():
    def report(class_of_a, class_of_b):
        return asked(
            pool("a", ["n1", "n1"], class_of_a), pool("b", ["n2", "n2"], class_of_b),
            domains=(domain("hall", watts=1150), domain("r1", ("n1",), parent="hall"), domain("r2", ("n2",), parent="hall")),
            served=(Served("a", runs(1, 0.1)), Served("b", runs(2, 0.1))),
            cap="wattline", clock=None,
        )  # fmt: skip

    first, second = report("Protected", "BestEffort"), report("BestEffort", "Protected")

    assert first.pools[0].run_seconds_mean < second.pools[0].run_seconds_mean
    assert first.pools[1].run_seconds_mean > second.pools[1].run_seconds_mean


@pytest.mark.parametrize(
    ("served", "said"),
    [
        pytest.param(("a", "a"), "InferencePool a is served twice", id="twice"),
        pytest.param(("a", "x"), "no InferencePool named x; the manifests declare: a, b", id="unknown"),
        pytest.param((), "no InferencePool gets runs", id="nobody"),
    ],
)
def test_pools_that_cannot_be_served_are_named(served, said):
    with pytest.raises(ScenarioError, match=said):
        asked(pool("a", ["n1"]), pool("b", ["n2"]), served=tuple(Served(name, ()) for name in served))


def test_the_same_question_gives_the_same_answer_of_every_pool():
    def answer():
        report = asked(
            pool("a", ["n1"]), pool("b", ["n1"]), domains=(domain("box", ("n1",), 520),), cap="wattline",
            served=(Served("a", runs(1)), Served("b", runs(2))),
        )  # fmt: skip
        return json.dumps([report.flat(), *(each.flat() for each in report.pools)])

    assert answer() == answer()
