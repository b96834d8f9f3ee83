"""Where a pool's replicas are found, and what each of them is said to be."""

import dataclasses

import pytest
from tests.unit.controller.small_cluster import Cluster, pod, pool, row

from wattline.api.base import ConditionStatus
from wattline.api.inferencepool import Endpoint, Engine, PoolPower, PoolRef, WattRange, WorkloadRef
from wattline.api.powerdomain import Mode
from wattline.controller.replicas import resolve
from wattline.model.cluster import Broken, MachineSeen, Owner, WorkloadSeen

REF = WorkloadRef(api_version="apps/v1", kind="Deployment", name="coder")
OF_WORKLOAD = pool(workload_ref=REF)
OF_POOL = pool(pool_ref=PoolRef(name="vllm"))


def workload(kind="Deployment", name="coder", **seen):
    return WorkloadSeen("v1", kind, "agents", name, **({"selector": "app=coder", "replicas": 1} | seen))


def cluster(*pools, workloads=(), gpus=4):
    """A cluster with one row that enforces nothing, whose agent has named its GPUs."""
    made = Cluster(row(mode=Mode.OBSERVE), pools=pools, row_a=("n1",), gpus=gpus)
    made.workloads = {each.full_name: each for each in workloads}
    made.rounds(2)
    return made


def run(where, name, *, labels=None, gpus=1, node="n1", **seen):
    where.pods[f"agents/{name}"] = pod(name, labels=labels or {"app": "coder"}, gpus=gpus, **seen)
    if node:
        where.start(f"agents/{name}", node)


def test_a_workloads_pods_are_the_replicas_with_address_node_and_gpus():
    here = cluster(OF_WORKLOAD, workloads=[workload()])
    run(here, "coder-a", gpus=2)
    run(here, "other", labels={"app": "other"})
    here.settle()

    (only,) = here.pool_statuses["agents/coder"].endpoints
    assert (only.name, only.node, only.url) == ("coder-a", "n1", "http://10.0.0.1:8000")
    assert only.gpus == ("n1-0", "n1-1")
    assert (only.ready, only.traffic, only.reason) == (True, True, "")
    status = here.pool_statuses["agents/coder"]
    assert (status.ready, status.replicas, status.selector) == ("1/1", 1, "app=coder")
    assert status.cap_watts == pytest.approx(1400)
    assert status.draw_watts == pytest.approx(200)


def test_a_gateway_api_pools_pods_listen_at_its_target_port():
    there = workload("InferencePool", "vllm", replicas=None, port=9000)
    here = cluster(OF_POOL, workloads=[there])
    run(here, "p0")
    run(here, "p1")
    here.settle()

    status = here.pool_statuses["agents/coder"]
    assert [each.url for each in status.endpoints] == ["http://10.0.0.1:9000", "http://10.0.0.2:9000"]
    assert status.ready == "2/2"


def test_an_ipv6_address_stands_in_brackets_and_the_engines_port_is_the_pools():
    here = cluster(pool(workload_ref=REF, engine=Engine(port=9001)), workloads=[workload()])
    run(here, "coder-a")
    here.pods["agents/coder-a"] = dataclasses.replace(here.pods["agents/coder-a"], address="fd00::7")
    here.settle()

    assert here.replica("coder-a").url == "http://[fd00::7]:9001"


def test_of_a_leader_worker_set_the_leaders_answer():
    index = "leaderworkerset.sigs.k8s.io/worker-index"
    ref = WorkloadRef(api_version="leaderworkerset.x-k8s.io/v1", kind="LeaderWorkerSet", name="coder")
    here = cluster(pool(workload_ref=ref), workloads=[workload("LeaderWorkerSet")])
    run(here, "coder-0", labels={"app": "coder", index: "0"})
    run(here, "coder-0-1", labels={"app": "coder", index: "1"})
    here.settle()

    assert [each.name for each in here.pool_statuses["agents/coder"].endpoints] == ["coder-0"]


def test_a_group_over_two_nodes_is_one_replica_whose_gpus_all_have_the_pools_bounds():
    name, group, index = (
        f"leaderworkerset.sigs.k8s.io/{each}" for each in ("name", "group-index", "worker-index")
    )
    ref = WorkloadRef(api_version="leaderworkerset.x-k8s.io/v1", kind="LeaderWorkerSet", name="coder")
    power = PoolPower(watts_per_gpu=WattRange(min=300))
    here = Cluster(row(watts=2000), pools=[pool(workload_ref=ref, power=power)], row_a=("n1", "n2"), gpus=2)
    here.workloads = {("LeaderWorkerSet", "agents", "coder"): workload("LeaderWorkerSet")}
    here.rounds()
    for number, node in enumerate(("n1", "n1", "n2")):
        labels = {"app": "coder", name: "coder", group: "0", index: str(number)}
        run(here, f"coder-0-{number}", labels=labels, node=node)
    here.settle()
    for node in here.nodes.values():
        node.follow(here.store)
    here.settle()

    (only,) = here.pool_statuses["agents/coder"].endpoints
    assert (only.name, only.gpus, only.traffic) == ("coder-0-0", ("n1-0", "n1-1"), True)
    assert [each.watts_min for each in here.store["n2"][0].gpus] == [300, None]
    assert here.store["n2"][0].replicas[0].url == only.url
    assert here.pool_statuses["agents/coder"].draw_watts == pytest.approx(300)

    here.nodes["n2"].reboot()
    here.nodes["n2"].publish()
    here.settle()
    assert not here.replica("coder-0-0").traffic, "a part of it is not read back"


def test_a_label_alone_does_not_make_a_pod_one_of_a_templates():
    here = cluster(pool())
    run(here, "coder-1", labels={"wattline.dev/pool": "coder"}, owner=Owner("ReplicaSet", "coder-abc", "u"))
    run(here, "stranger", labels={"wattline.dev/pool": "coder"})
    run(here, "chat-1", labels={"wattline.dev/pool": "coder"}, owner=Owner("ReplicaSet", "chat-abc", "u"))
    view = resolve(here.view())

    assert "coder-1" in [each.name for each in view.replicas["agents/coder"]]
    assert not {"stranger", "chat-1"} & {each.name for each in view.replicas["agents/coder"]}


@pytest.mark.parametrize(
    ("seen", "reason", "traffic"),
    [
        pytest.param({"leaving": True}, "Ending", False, id="being deleted"),
        pytest.param({"ready": False}, "PodNotReady", False, id="not ready"),
        pytest.param({"ready": False, "node": "", "address": ""}, "Unscheduled", False, id="not bound"),
        pytest.param({"node": "n9"}, "NodeMissing", True, id="its node is gone from the cluster"),
    ],
)
def test_a_replica_that_cannot_work_says_why(seen, reason, traffic):
    here = cluster(OF_WORKLOAD, workloads=[workload()])
    run(here, "coder-a")
    here.pods["agents/coder-a"] = dataclasses.replace(here.pods["agents/coder-a"], **seen)
    here.settle()

    replica = here.replica("coder-a")
    assert replica.reason.partition(":")[0] == reason
    assert (replica.ready, replica.traffic) == (False, traffic)


def test_gpus_that_the_kubelet_has_not_named_are_waited_for():
    here = cluster(OF_WORKLOAD, workloads=[workload()])
    run(here, "coder-a")
    here.nodes["n1"].pods.clear()
    here.nodes["n1"].publish()
    here.settle()

    assert here.ready().reason == "GpusUnknown"


def test_a_pod_on_a_node_that_is_not_opted_in_works_and_is_not_ours():
    here = cluster(OF_WORKLOAD, workloads=[workload()])
    here.machines["n9"] = MachineSeen("n9", gpus=1)
    run(here, "coder-a", node="")
    seen = here.pods["agents/coder-a"]
    here.pods["agents/coder-a"] = dataclasses.replace(seen, node="n9", address="10.0.9.1", ready=True)
    here.settle()

    replica = here.replica("coder-a")
    assert (replica.ready, replica.traffic) == (False, True)
    assert here.ready().reason == "NodeNotOptedIn"
    assert "n9" not in here.store


def test_a_gpu_runs_one_replica_and_what_the_kubelet_says_comes_first():
    listed = Endpoint(name="e", url="http://10.0.0.9:8000", node="n1", gpus=("n1-0",))
    here = cluster(pool("alpha", endpoints=(listed,)), OF_WORKLOAD, workloads=[workload()])
    run(here, "coder-a")
    here.settle()

    assert here.replica("e", "agents/alpha").reason.startswith("GpuShared")
    assert not here.replica("e", "agents/alpha").traffic
    assert here.replica("coder-a").traffic
    assert [order.group for order in here.store["n1"][0].gpus if order.uuid == "n1-0"] == [
        "agents/coder/coder-a"
    ]


def test_a_pod_is_one_pools_and_a_workload_too():
    here = cluster(
        OF_WORKLOAD,
        pool("second", pool_ref=PoolRef(name="vllm")),
        pool("third", workload_ref=REF),
        workloads=[workload(), workload("InferencePool", "vllm", replicas=None)],
    )
    run(here, "coder-a")
    here.settle()

    assert here.replica("coder-a").traffic
    assert here.replica("coder-a", "agents/second").reason.startswith("PodShared")
    assert here.ready("agents/third").reason == "WorkloadShared"


@pytest.mark.parametrize(
    ("one", "there", "reason"),
    [
        pytest.param(OF_WORKLOAD, [], "WorkloadMissing", id="no such Deployment"),
        pytest.param(OF_POOL, [], "WorkloadMissing", id="no such InferencePool"),
        pytest.param(OF_WORKLOAD, [workload(replicas=2)], "NoPods", id="no pod yet"),
        pytest.param(OF_WORKLOAD, [workload(replicas=0)], "NoReplicas", id="scaled to nothing"),
    ],
)
def test_a_pool_without_replicas_says_why(one, there, reason):
    here = cluster(one, workloads=there)

    assert here.ready().status is ConditionStatus.FALSE
    assert here.ready().reason == reason


def test_a_pool_that_cannot_be_followed_keeps_the_bounds_its_gpus_have():
    here = cluster(OF_WORKLOAD, workloads=[workload()])
    run(here, "coder-a")
    here.settle()
    before = here.store["n1"][0]
    del here.pools["agents/coder"]
    here.broken = (Broken("InferencePool", "agents/coder", 2, "spec.class: unknown"),)
    here.settle()

    assert (here.ready().reason, here.ready().status) == ("Unreadable", ConditionStatus.FALSE)
    assert (here.store["n1"][0].gpus, here.store["n1"][0].replicas) == (before.gpus, before.replicas)
    assert here.replica("coder-a").traffic, "the last that was known of it"


def test_a_pool_that_is_refused_claims_nothing():
    here = cluster(pool("coder"), pool("taker", workload_ref=REF), workloads=[workload()])

    assert here.ready().reason == "NameTaken"
    assert here.ready("agents/taker").reason == "NoPods"


def test_of_two_pools_that_claim_a_workload_the_one_that_had_it_keeps_it():
    here = cluster(OF_WORKLOAD, workloads=[workload()])
    run(here, "coder-a")
    here.pools["agents/a-first"] = pool("a-first", workload_ref=REF)
    here.settle()

    assert here.ready("agents/a-first").reason == "WorkloadShared"
    assert here.replica("coder-a").traffic
