"""Manifests as one would apply them: pods are stood on nodes where the product would let them start."""

import pytest

from wattline.api.base import Metadata
from wattline.api.inferencepool import Endpoint, InferencePool, InferencePoolSpec
from wattline.api.powerdomain import Budget, PowerDomain, PowerDomainSpec
from wattline.model.fleet import Fleet
from wattline.sim import standing
from wattline.sim.scenario import Scenario, ScenarioError, Served
from wattline.sim.simulate import simulate
from wattline.world.engines import ENGINES

MODEL = "Qwen/Qwen3-Coder-30B-A3B-Instruct"
SELECTS = {"matchLabels": {"wattline.dev/managed": "true"}}


def of_template(name="coder", replicas=4, gpus=1, **spec):
    resources = {"limits": {"nvidia.com/gpu": gpus}} if gpus else {}
    template = {"spec": {"containers": [{"name": "engine", "resources": resources}]}}
    return made(name, replicas=replicas, template=template, **spec)


def made(name, **spec):
    return InferencePool(
        metadata=Metadata(name=name), spec=InferencePoolSpec.model_validate({"model": MODEL, **spec})
    )


def domain(name, watts=20_000.0, **spec):
    return PowerDomain(
        metadata=Metadata(name=name),
        spec=PowerDomainSpec.model_validate({"budget": Budget(watts=watts), **spec}),
    )


def stood(*things, gpus_per_node=8):
    domains = tuple(thing for thing in things if isinstance(thing, PowerDomain))
    pools = tuple(thing for thing in things if isinstance(thing, InferencePool))
    return standing.stood(Fleet(domains, pools), "h100", ENGINES, gpus_per_node)


def nodes_of(found, pool=0):
    return [endpoint.node for endpoint in found.fleet.pools[pool].spec.endpoints]


@pytest.mark.parametrize(
    ("things", "wanted"),
    [
        pytest.param(
            (of_template(), domain("row", nodes=("n1", "n2"))), ["n1", "n2", "n1", "n2"],
            id="nodes that a domain names are taken, the emptier first",
        ),
        pytest.param(
            (of_template(), domain("row", nodeSelector=SELECTS)), ["row-1"] * 4,
            id="a domain that selects its nodes gets as many as its pods need",
        ),
        pytest.param(
            (of_template(replicas=9, gpus=2), domain("row", nodeSelector=SELECTS)),
            ["row-1", "row-2", "row-3"] * 3, id="as many as pods of two GPUs need",
        ),
        pytest.param(
            (of_template(replicas=2), domain("hall"), domain("r1", parent="hall", nodeSelector=SELECTS),
             domain("r2", parent="hall", nodeSelector=SELECTS)),
            ["r1-1", "r2-1"], id="the lowest domains that select have the nodes",
        ),
        pytest.param((of_template(replicas=2),), ["node-1", "node-1"], id="no domain: nodes all the same"),
        pytest.param((of_template(replicas=None),), ["node-1"], id="one replica when the pool does not say"),
        pytest.param((made("coder", poolRef={"name": "x"}),), ["node-1"], id="one pod of somebody else's pool"),
    ],
)  # fmt: skip
def test_every_pod_stands_on_a_node(things, wanted):
    found = stood(*things)
    uuids = [uuid for endpoint in found.fleet.pools[0].spec.endpoints for uuid in endpoint.gpus]

    assert nodes_of(found) == wanted
    assert len(set(uuids)) == len(uuids)
    assert not found.fleet.pools[0].spec.of_pods


def test_what_stands_already_is_left_as_it_is_and_pods_take_the_other_gpus():
    listed = made("old", endpoints=[{"name": "a", "url": "http://h:1", "node": "n1", "gpus": ["GPU-a"]}])
    found = stood(of_template(replicas=2), listed, domain("row", nodes=("n1",)), gpus_per_node=3)

    assert found.fleet.pools[1] == listed
    assert nodes_of(found) == ["n1", "n1"]


def test_a_node_that_no_domain_names_hangs_on_the_one_that_selects():
    listed = made("old", endpoints=[{"name": "a", "url": "http://h:1", "node": "n9", "gpus": ["GPU-a"]}])

    assert stood(listed, domain("row", nodeSelector=SELECTS)).fleet.domains[0].spec.nodes == ("n9",)


@pytest.mark.parametrize(
    ("things", "said"),
    [
        pytest.param(
            (of_template(replicas=3), domain("row", nodes=("n1",))), "1 of 3 replicas of coder start nowhere: "
            "WaitingForCapacity", id="GPUs run out",
        ),
        pytest.param(
            (of_template(replicas=2, power={"wattsPerGpu": {"min": 500}}), domain("row", 900.0, nodes=("n1",))),
            "1 of 2 replicas of coder start nowhere: WaitingForPower", id="watts run out",
        ),
    ],
)  # fmt: skip
def test_who_finds_no_place_is_named_with_the_policys_reason(things, said):
    found = stood(*things, gpus_per_node=2)

    assert any(said in note for note in found.notes), found.notes


def test_protected_pools_are_placed_first():
    rest, first = of_template("a", 2), of_template("z", 2, **{"class": "Protected"})
    found = stood(rest, first, domain("row", nodes=("n1",)), gpus_per_node=2)

    assert nodes_of(found, 1) == ["n1", "n1"]
    assert nodes_of(found, 0) == []


def test_a_template_that_names_no_gpus_gets_as_many_as_its_model_is_known_on():
    pool = of_template(gpus=0, replicas=1).model_copy(
        update={"spec": of_template(gpus=0, replicas=1).spec.model_copy(update={"model": "meta-llama/Llama-3.1-70B-Instruct"})}
    )  # fmt: skip

    assert len(stood(pool).fleet.pools[0].spec.endpoints[0].gpus) == 4


def test_a_fleet_of_endpoints_is_not_touched():
    endpoint = Endpoint(name="a", url="http://h:1", node="n1", gpus=("GPU-a",))
    pool = made("coder", endpoints=[endpoint])

    assert stood(pool, domain("row", nodes=("n1",))) == standing.Stood(
        Fleet((domain("row", nodes=("n1",)),), (pool,))
    )


def test_placed_pods_play_and_the_report_says_what_was_assumed():
    fleet = Fleet((domain("row", nodeSelector=SELECTS),), (of_template(replicas=2),))
    report = simulate(Scenario(fleet, hours=0.01, served=(Served("coder", ()),), cap="wattline"))

    assert report.pools[0].replicas == 2
    assert "simulated (row-1)" in report.notes[0]


def test_a_pool_that_gets_runs_and_stands_nowhere_is_refused():
    fleet = Fleet((domain("row", nodes=("n1",)),), (of_template(gpus=16),))

    with pytest.raises(ScenarioError, match="coder gets runs and has no replica that could start"):
        simulate(Scenario(fleet, hours=0.01, served=(Served("coder", ()),)))
