"""Heat of one part of a replica binds its parts on other nodes through their orders, and is released with it."""

import dataclasses

import pytest
from tests.unit.controller.small_cluster import Cluster, pod, pool, row

from wattline.api.inferencepool import WorkloadRef
from wattline.api.powernode import GpuOrder, GpuStatus, LeaseRef, PowerNodeSpec, PowerNodeStatus
from wattline.controller.heat import bounded, elsewhere, hardware_said
from wattline.model.cluster import NodeView, PodSeen, Replica, Worker, WorkloadSeen

LABELS = [f"leaderworkerset.sigs.k8s.io/{each}" for each in ("name", "group-index", "worker-index")]


def node(name, heat=None, *, told=None, silent=False):
    """A node with two GPUs, what heat allows them, and what it was told of heat elsewhere."""
    heat, told = heat or {}, told or {}
    uuids = (f"{name}-0", f"{name}-1")
    status = PowerNodeStatus(
        gpus=tuple(
            GpuStatus(
                uuid=uuid, product="H100", min_watts=200, max_watts=700, default_watts=700, bound_watts=714,
                heat_clock_mhz=heat.get(uuid),
            )
            for uuid in uuids
        )
    )  # fmt: skip
    spec = PowerNodeSpec(
        lease=LeaseRef(name="row"), budget_watts=1428, highest_sent_watts=1428, failsafe_watts=1428,
        gpus=tuple(GpuOrder(uuid=uuid, group="g", heat_clock_mhz=told.get(uuid)) for uuid in uuids),
    )  # fmt: skip
    return NodeView(name, spec=spec, status=None if silent else status)


def part(name, gpus):
    return Worker(PodSeen("agents", f"w-{name}", "u", "1", node=name), gpus)


SPANNING = Replica(
    "r", "n1", "http://r", ("n1-0", "n1-1"), workers=(part("n2", ("n2-0",)), part("n3", ("n3-0",)))
)
ALONE = Replica("s", "n1", "http://s", ("n1-0", "n1-1"))


@pytest.mark.parametrize(
    ("nodes", "want"),
    [
        pytest.param([node("n1"), node("n2"), node("n3")], (None, None, None), id="all is cool"),
        pytest.param(
            [node("n1", {"n1-1": 1500}), node("n2"), node("n3")],
            (None, 1500, 1500),
            id="the leader's part is hot",
        ),
        pytest.param(
            [node("n1"), node("n2", {"n2-0": 900}), node("n3")], (900, None, 900), id="a worker's part is hot"
        ),
        pytest.param(
            [node("n1", {"n1-0": 1500}), node("n2", {"n2-0": 900}), node("n3")],
            (900, 1500, 900),
            id="two are hot: each hears of the other, never of itself",
        ),
        pytest.param(
            [node("n1", {"n1-0": 1500}), node("n2", {"n2-1": 345}), node("n3")],
            (None, 1500, 1500),
            id="a hot GPU of another replica is nobody's business",
        ),
        pytest.param(
            [node("n1", told={"n1-0": 900, "n1-1": 900}), node("n2", silent=True), node("n3")],
            (900, None, None),
            id="a part whose agent said nothing yet: what was ordered stands",
        ),
        pytest.param(
            [node("n1"), node("n2", silent=True), node("n3", {"n3-0": 1200})],
            (1200, 1200, None),
            id="and what is known binds",
        ),
    ],
)
def test_what_heat_elsewhere_allows(nodes, want):
    found = elsewhere({"agents/coder": (SPANNING,)}, {each.name: each for each in nodes})

    assert (found["n1-0"], found["n2-0"], found["n3-0"]) == want
    assert found["n1-0"] == found["n1-1"]
    assert "n2-1" not in found


def test_a_replica_on_one_node_is_its_agents_business_alone():
    assert elsewhere({"agents/coder": (ALONE,)}, {"n1": node("n1", {"n1-0": 900})}) == {}


def test_an_order_carries_what_heat_elsewhere_allows_and_nothing_once_it_is_over():
    order = GpuOrder(uuid="n2-0", group="g")
    hot = bounded(order, {"n2-0": 1200})

    assert (hot.spans_nodes, hot.heat_clock_mhz) == (True, 1200)
    assert bounded(hot, {"n2-0": None}).heat_clock_mhz is None
    assert bounded(hot, {}) == order
    assert bounded(order, {}) is order, "nothing new is no new order"


def spanning_cluster():
    """A LeaderWorkerSet's group with its leader on n1 and a worker on n2, both held."""
    ref = WorkloadRef(api_version="leaderworkerset.x-k8s.io/v1", kind="LeaderWorkerSet", name="coder")
    here = Cluster(row(watts=4000), pools=[pool(workload_ref=ref)], row_a=("n1", "n2"), gpus=1)
    seen = WorkloadSeen("v1", "LeaderWorkerSet", "agents", "coder", selector="app=coder", replicas=1)
    here.workloads = {seen.full_name: seen}
    here.rounds()
    for index, name in enumerate(("n1", "n2")):
        labels = {"app": "coder"} | dict(zip(LABELS, ("coder", "0", str(index)), strict=True))
        here.pods[f"agents/coder-0-{index}"] = pod(f"coder-0-{index}", labels=labels, gpus=1)
        here.start(f"agents/coder-0-{index}", name)
    here.rounds()
    return here


def told(here, name, **changes):
    agent = here.nodes[name]
    gpus = tuple(each.model_copy(update=changes) for each in agent.status.gpus)
    agent.status = agent.status.model_copy(update={"gpus": gpus})


def test_the_very_next_pass_orders_it_and_the_first_after_its_end_takes_it_back():
    here = spanning_cluster()
    before = here.store["n2"]
    assert before[0].gpus[0].spans_nodes
    assert before[0].gpus[0].heat_clock_mhz is None

    told(here, "n1", heat_clock_mhz=1500)
    here.settle()
    (hot,) = here.store["n2"][0].gpus
    assert hot.heat_clock_mhz == 1500
    assert here.store["n1"][0].gpus[0].heat_clock_mhz is None
    assert here.store["n2"][0].budget_watts == before[0].budget_watts, "heat moves no budget"

    told(here, "n1", heat_clock_mhz=None)
    here.settle()
    assert here.store["n2"][0].gpus[0].heat_clock_mhz is None


def test_an_agent_that_falls_silent_keeps_its_neighbours_bound():
    here = spanning_cluster()
    told(here, "n1", heat_clock_mhz=1500)
    here.settle()
    here.nodes["n1"].answers = False
    for _ in range(3):
        here.settle()

    assert here.store["n2"][0].gpus[0].heat_clock_mhz == 1500


@pytest.mark.parametrize(
    ("events", "want"),
    [
        pytest.param(("", ""), None, id="nothing"),
        pytest.param(("HwPowerBrake", ""), "HardwarePowerBrake", id="a brake"),
        pytest.param(
            ("HwThermal", "HwThermal"), "HardwareThermalSlowdown", id="a thermal slowdown of two GPUs"
        ),
        pytest.param(
            ("HwSlowdown", "HwPowerBrake"), "HardwarePowerBrake", id="two events: the brake names it"
        ),
    ],
)
def test_the_hardwares_own_events_are_said_of_the_node(events, want):
    here = node("n1")
    gpus = tuple(
        gpu.model_copy(update={"hardware_event": event})
        for gpu, event in zip(here.status.gpus, events, strict=True)
    )
    said = list(
        hardware_said({"n1": dataclasses.replace(here, status=here.status.model_copy(update={"gpus": gpus}))})
    )

    assert [each.reason for each in said] == ([] if want is None else [want])
    for each in said:
        assert (each.kind, each.name, each.warning) == ("Node", "n1", True)
        assert [f"n1-{i}" in each.message for i in (0, 1)] == [bool(event) for event in events]


def test_a_pass_says_them():
    here = spanning_cluster()
    told(here, "n1", hardware_event="HwThermal")
    here.settle()

    assert [each.reason for each in here.said if each.name == "n1"] == ["HardwareThermalSlowdown"]
