"""Pools on a real cluster: where replicas come from, who scales them, and where and when they may run."""

from collections.abc import Iterator
from typing import Any

import pytest
from kubernetes import client

from harness.agents import answering
from harness.cluster import Cluster
from harness.command import wait_until
from harness.kwok import fleet, let_go
from harness.local import Local
from harness.operators import Operators
from harness.release import NAMESPACE
from harness.stage import MANAGED, OTHER_MODEL, Installed, Stage, domain, pool, stage

GATE = "wattline.dev/placement"
UNCAPPED = "wattline.dev/uncapped"
LABELS = {"app": "engine"}
GPUS = 8
FLOOR_WATTS = 204.0
"""What an H100 may draw under its least limit, 200 W, with what it overshoots."""
WANTED_WATTS = 204.0
"""What a replica with ``wattsPerGpu.min: 400`` wants above that floor."""


@pytest.fixture(scope="module")
def staged(wattline: Installed) -> Iterator[Stage]:
    with stage(wattline, "pools") as made:
        yield made


@pytest.fixture
def here(staged: Stage) -> Iterator[Stage]:
    """A stage on which nothing is played yet."""
    yield staged
    staged.cluster.kubectl("delete", "pdom", "--all", "--timeout=30s")
    staged.clear("hpa", "wpool", "deploy", "sts")
    wait_until(lambda: not given(staged), "every GPU is free", timeout_seconds=60, every_seconds=0.5)


def workload(here: Stage, kind: str, name: str, *, replicas: int = 1, gated: bool = False) -> dict[str, Any]:
    """Return a Deployment or StatefulSet of engines, as users have them."""
    spec = here.engine() | ({"schedulingGates": [{"name": GATE}]} if gated else {})
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": LABELS},
            "template": {"metadata": {"labels": LABELS}, "spec": spec},
        },
    }


def of(kind: str, name: str) -> dict[str, str]:
    return {"apiVersion": "apps/v1", "kind": kind, "name": name}


def given(here: Stage) -> dict[str, list[str]]:
    """Return the GPUs of the namespace's pods, as the kubelet told the node's agent."""
    pods = here.cluster.get("pnode", here.node)["status"].get("pods", ())
    return {each["name"]: each["gpus"] for each in pods if each["namespace"] == here.namespace}


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet"])
def test_the_pods_of_a_workload_are_the_replicas_and_its_count_is_its_own(here: Stage, kind: str) -> None:
    here.apply(workload(here, kind, "chat"), pool("chat", workloadRef=of(kind, "chat")))
    here.served("chat", 1)

    (replica,) = here.endpoints("chat")
    assert replica["gpus"] == given(here)[replica["name"]]
    assert replica["node"] == here.node
    here.kubectl("scale", kind, "chat", "--replicas=2")
    here.served("chat", 2)
    assert here.status("wpool", "chat")["ready"] == "2/2"
    assert here.agents().answered(f"of-{kind}")


def test_a_pool_with_a_count_scales_its_workload(here: Stage) -> None:
    here.apply(
        workload(here, "Deployment", "chat"), pool("chat", workloadRef=of("Deployment", "chat"), replicas=2)
    )
    here.served("chat", 2)

    here.kubectl("scale", "wpool/chat", "--replicas=1")

    here.served("chat", 1)
    assert here.get("deploy", "chat")["spec"]["replicas"] == 1


def test_engines_that_are_listed_are_taken_as_they_stand(here: Stage) -> None:
    here.apply({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "outside"}, "spec": here.engine()})
    try:
        here.kubectl("wait", "pod/outside", "--for=condition=Ready", "--timeout=60s", timeout_seconds=70)
        wait_until(lambda: "outside" in given(here), "the agent names its GPU", timeout_seconds=20)
        url = f"http://{here.get('pod', 'outside')['status']['podIP']}:8000"
        listed = {"name": "one", "url": url, "node": here.node, "gpus": given(here)["outside"]}

        here.apply(pool("listed", endpoints=[listed]))

        here.served("listed", 1)
        assert {key: here.endpoints("listed")[0][key] for key in listed} == listed
        assert here.agents().answered("listed")
    finally:
        here.kubectl("delete", "pod/outside", "--timeout=30s")


@pytest.fixture
def gateway_api(cluster: Cluster) -> Iterator[None]:
    """The kind of the Gateway API inference extension, as much of it as a pool refers to."""
    group = "inference.networking.k8s.io"
    names = {
        "kind": "InferencePool",
        "plural": "inferencepools",
        "singular": "inferencepool",
        "shortNames": ["infpool"],
    }
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    cluster.apply(
        {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {
                "name": f"inferencepools.{group}",
                "annotations": {"api-approved.kubernetes.io": "unapproved, a stand-in for tests"},
            },
            "spec": {
                "group": group,
                "scope": "Namespaced",
                "names": names,
                "versions": [{"name": "v1", "served": True, "storage": True, "schema": schema}],
            },
        }
    )
    cluster.kubectl("wait", f"crd/inferencepools.{group}", "--for=condition=Established", "--timeout=20s")
    yield
    cluster.kubectl("delete", f"crd/inferencepools.{group}", "--timeout=30s")


def test_the_pods_of_a_pool_of_the_gateway_api_are_the_replicas(here: Stage, gateway_api: None) -> None:
    theirs = {
        "apiVersion": "inference.networking.k8s.io/v1",
        "kind": "InferencePool",
        "metadata": {"name": "reasoner"},
        "spec": {"selector": {"matchLabels": LABELS}, "targetPorts": [{"number": 8000}]},
    }
    ours = pool("reasoner", poolRef={"name": "reasoner"}, engine={"port": 1})  # theirs names the port
    here.apply(workload(here, "Deployment", "engines"), theirs, ours)

    here.served("reasoner", 1)

    assert here.endpoints("reasoner")[0]["url"].endswith(":8000")
    assert here.agents().answered("of-the-gateway-api")


def test_an_autoscaler_reads_and_writes_a_pools_count(here: Stage) -> None:
    scaler = {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "coder"},
        "spec": {
            "scaleTargetRef": {"apiVersion": "wattline.dev/v1alpha1", "kind": "InferencePool", "name": "coder"},
            "minReplicas": 2,
            "maxReplicas": 3,
            "metrics": [
                {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}}}
            ],
        },
    }  # fmt: skip
    here.apply(pool("coder", replicas=1, template={"spec": here.engine()}))
    here.served("coder", 1)

    here.apply(scaler)

    here.served("coder", 2, seconds=90)
    wait_until(
        lambda: here.status("hpa", "coder").get("currentReplicas") == 2,
        "the autoscaler counts the pool's replicas",
        timeout_seconds=60,
        every_seconds=1,
    )
    conditions = {each["type"]: each for each in here.status("hpa", "coder")["conditions"]}
    assert conditions["AbleToScale"]["status"] == "True"
    # no metrics are served here; it came as far as to ask for those of the pods that the selector names
    assert conditions["ScalingActive"]["reason"] == "FailedGetResourceMetric", conditions["ScalingActive"]


def budget(replicas: float) -> float:
    """Return a budget that has room for so many replicas that want 400 W on a node of eight GPUs."""
    return GPUS * FLOOR_WATTS + replicas * WANTED_WATTS


def test_a_replica_waits_for_watts_and_comes_when_they_are_there(here: Stage) -> None:
    here.cluster.apply(domain("pools-row", budget(1.5)))
    here.until("pdom", "pools-row", "Enforced", "WithinBudget")
    hungry = {"wattsPerGpu": {"min": 400}}

    here.apply(pool("coder", replicas=2, power=hungry, template={"spec": here.engine()}))
    here.until("wpool", "coder", "Ready", "WaitingForPower")

    message = next(
        each["message"] for each in here.status("wpool", "coder")["conditions"] if each["type"] == "Ready"
    )
    assert "102 W are missing in pools-row" in message
    wait_until(lambda: _traffic(here) == 1, "the other serves", timeout_seconds=60, every_seconds=0.3)
    here.cluster.apply(domain("pools-row", budget(2.5)))
    here.served("coder", 2)
    assert sum(here.world.now_watts()) * 1.02 <= budget(2.5) + 0.5


def _traffic(here: Stage, name: str = "coder") -> int:
    return sum(1 for each in here.endpoints(name) if each["traffic"])


def test_nothing_is_sent_to_gpus_that_nobody_has_read_back(here: Stage) -> None:
    here.apply(workload(here, "Deployment", "chat"), pool("chat", workloadRef=of("Deployment", "chat")))
    here.served("chat", 1)
    (agent,) = here.cluster.get("pods", "-n", NAMESPACE, "-l", "app.kubernetes.io/component=agent")["items"]
    frozen = NAMESPACE, agent["metadata"]["name"], "agent"

    here.cluster.freeze(*frozen)
    try:
        here.cluster.apply(domain("pools-row", budget(2)))
        wait_until(lambda: _traffic(here, "chat") == 0, "its traffic is withheld", timeout_seconds=30)
        assert UNCAPPED in _taints(here)
        (replica,) = here.endpoints("chat")
        assert replica["reason"].partition(":")[0] in {"UncappedGpus", "AgentAway"}
        wait_until(lambda: not here.usable("chat"), "the gateway withholds it", timeout_seconds=20)
    finally:
        here.cluster.thaw(*frozen)

    here.until("pdom", "pools-row", "Enforced", "WithinBudget")
    here.served("chat", 1)
    assert here.agents().answered("read-back")
    wait_until(lambda: UNCAPPED not in _taints(here), "the taint is gone", timeout_seconds=20)


def _taints(here: Stage) -> set[str]:
    return {each["key"] for each in here.cluster.get("node", here.node)["spec"].get("taints", ())}


def test_without_an_operator_running_pods_run_and_gated_ones_wait_for_it_or_for_a_person(here: Stage) -> None:
    here.apply(
        workload(here, "Deployment", "chat", gated=True),
        pool("chat", workloadRef=of("Deployment", "chat")),
        pool("coder", OTHER_MODEL, replicas=1, template={"spec": here.engine(OTHER_MODEL)}),
    )
    here.served("chat", 1)
    here.served("coder", 1)
    wait_until(lambda: len(here.usable("coder")) == 1, "the gateway sends turns to it", timeout_seconds=30)
    known = here.usable("coder")

    with Operators(here.cluster).away():
        here.kubectl("scale", "deploy/chat", "--replicas=3")
        here.kubectl("scale", "deploy/coder", "--replicas=2")
        wait_until(lambda: len(_gated(here, CHAT)) == 2, "two pods wait at the gate", timeout_seconds=20)
        wait_until(lambda: len(_gated(here, CODER)) == 1, "and one of the other pool", timeout_seconds=20)
        assert here.agents().answered("while-away")

        assert "ungated" in here.wattline("ungate", f"pod/{_gated(here, CHAT)[0]}")
        wait_until(lambda: len(_gated(here, CHAT)) == 1, "the other waits on", timeout_seconds=20)
        (pod,) = _gated(here, CODER)
        assert f"pod/{pod} ungated" in here.wattline("ungate", "--pool", "coder")
        here.kubectl("wait", "--for=condition=PodScheduled", f"pod/{pod}", "--timeout=30s")
        assert here.usable("coder") == known, "nothing is sent to a pod that nobody has judged"

    here.served("chat", 3, seconds=90)
    here.served("coder", 1)
    wait_until(lambda: len(here.usable("coder")) == 1, "the replica that was asked for", timeout_seconds=30)


CHAT, CODER = "app=engine", "wattline.dev/pool=coder"


def _gated(here: Stage, selector: str) -> list[str]:
    pods = here.get("pods", "-l", selector)["items"]
    return [each["metadata"]["name"] for each in pods if each["spec"].get("schedulingGates")]


def test_replicas_go_to_the_rows_that_have_the_watts(here: Stage, api: client.ApiClient) -> None:
    provider = here.cluster.provider
    assert isinstance(provider, Local)
    with fleet(here.cluster) as kwok:
        small, large = kwok.add(2, gpus=GPUS, labels={MANAGED: "true"})
        with answering(api, {small: GPUS, large: GPUS}, provider.settings.node_ip):
            try:
                _rows(here, small, large)
            finally:
                let_go(here.cluster)


def _rows(here: Stage, small: str, large: str) -> None:
    """Two rows of one node each: one has the watts for one replica, the other for three."""
    rows = {name: {"matchLabels": {"kubernetes.io/hostname": name}} for name in (small, large)}
    here.cluster.apply(
        domain("row-small", budget(1.5), nodeSelector=rows[small]),
        domain("row-large", budget(3.5), nodeSelector=rows[large]),
    )
    for row in ("row-small", "row-large"):
        here.until("pdom", row, "Enforced", "WithinBudget")
    spec = here.engine() | {
        "nodeSelector": {"type": "kwok"},
        "tolerations": [{"key": "kwok.x-k8s.io/node", "operator": "Exists"}],
    }
    hungry = {"wattsPerGpu": {"min": 400}}

    here.apply(pool("wide", replicas=5, power=hungry, template={"spec": spec}))

    wait_until(
        lambda: _bound(here) == {small: 1, large: 3, "": 1},
        "four of five replicas have a node",
        timeout_seconds=60,
        every_seconds=0.5,
    )
    here.until("wpool", "wide", "Ready", "WaitingForPower")
    here.cluster.apply(domain("row-small", budget(2.5), nodeSelector=rows[small]))
    wait_until(
        lambda: _bound(here) == {small: 2, large: 3},
        "the fifth is where watts were added",
        timeout_seconds=60,
        every_seconds=0.5,
    )


def _bound(here: Stage) -> dict[str, int]:
    """Return how many pods of the pool each node has; those that wait under no name."""
    pods = here.get("pods", "-l", "wattline.dev/pool=wide")["items"]
    nodes = [each["spec"].get("nodeName", "") for each in pods if "deletionTimestamp" not in each["metadata"]]
    return {name: nodes.count(name) for name in nodes}
