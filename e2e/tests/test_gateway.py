"""The gateway before real pods, and ``kubectl wattline``: replicas that vanish, the API server and the operator away."""

import json
import os
import secrets
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.cluster import Cluster, Components
from harness.command import run, wait_until
from harness.images import WATTLINE
from harness.local import Local
from harness.release import NAMESPACE, Release
from harness.traffic import Agents
from harness.world import World

MODEL = "Qwen/Qwen3-Coder-30B-A3B-Instruct"
GATE = "wattline.dev/placement"
DOMAIN = {
    "apiVersion": "wattline.dev/v1alpha1",
    "kind": "PowerDomain",
    "metadata": {"name": "gateway-row"},
    "spec": {
        "nodeSelector": {"matchLabels": {"kubernetes.io/hostname": "node1"}},
        "mode": "Enforce",
        "budget": {"watts": 4000, "nodeOverheadWatts": 300},
    },
}


def pool(world: str) -> dict[str, Any]:
    """Two replicas whose engines load for a moment."""
    engine = {
        "name": "engine",
        "image": WATTLINE.name,
        "args": ["fake-engine", f"--world={world}", f"--model={MODEL}", "--loading=2"],
        "ports": [{"name": "http", "containerPort": 8000}],
        "readinessProbe": {"httpGet": {"path": "/health", "port": "http"}, "periodSeconds": 1},
        "resources": {"limits": {"nvidia.com/gpu": 1}},
    }
    template = {"spec": {"terminationGracePeriodSeconds": 1, "containers": [engine]}}
    return {
        "apiVersion": "wattline.dev/v1alpha1",
        "kind": "InferencePool",
        "metadata": {"name": "coder"},
        "spec": {"model": MODEL, "replicas": 2, "template": template},
    }


class Served:
    """A pool of two replicas under an enforced domain, its gateway, and the plugin."""

    def __init__(self, cluster: Cluster, namespace: str, agents: Agents, gateway: str) -> None:
        self.cluster, self.namespace, self.agents, self.gateway = cluster, namespace, agents, gateway

    def kubectl_wattline(self, *arguments: str) -> str:
        """Run ``kubectl wattline`` as a user does."""
        path = f"{Path(sys.executable).parent}{os.pathsep}{self.cluster.environment['PATH']}"
        program = self.cluster.provider.kubectl_program
        return run(
            [program, "wattline", *arguments, "-n", self.namespace],
            env=self.cluster.environment | {"PATH": path},
            timeout_seconds=60,
        )

    def endpoints(self) -> list[dict[str, Any]]:
        """Return the replicas as the pool's status has them."""
        status = self.cluster.get("wpool", "coder", "-n", self.namespace).get("status") or {}
        return list(status.get("endpoints") or ())

    def usable(self) -> set[str]:
        """Return the replicas that the gateway sends turns to."""
        with urllib.request.urlopen(f"{self.gateway}/metrics", timeout=10) as answer:
            lines = answer.read().decode().splitlines()
        mine = f'pool="{self.namespace}/coder"'
        chosen = [x for x in lines if x.startswith("wattline_replica_usable{") and mine in x]
        return {x.split('replica="')[1].partition('"')[0] for x in chosen if x.endswith(" 1.0")}

    def answered(self, session: str) -> bool:
        """Ask once, and return whether there was an answer."""
        hello = [{"role": "user", "content": "say something " * 20}]
        return self.agents.ask(session, hello)[0] == 200


@pytest.fixture(scope="module")
def served(cluster: Cluster, images: tuple[str, ...]) -> Iterator[Served]:
    provider = cluster.provider
    if not isinstance(provider, Local):
        pytest.skip("the fake GPUs are the local cluster's")
    node, namespace = provider.settings.node, f"gateway-{secrets.token_hex(3)}"
    world, release = World(cluster, provider.settings), Release(cluster)
    try:
        release.install("restore.timeoutSeconds=15")
        cluster.kubectl("create", "namespace", namespace)
        cluster.kubectl("wait", "--for=create", "serviceaccount/default", "-n", namespace, "--timeout=20s")
        world.start(namespace)
        cluster.kubectl("label", "node", node, "wattline.dev/managed=true", "--overwrite")
        cluster.kubectl("delete", "pdom", "--all")  # of a suite that was interrupted
        address = cluster.get("pod", "world", "-n", namespace)["status"]["podIP"]
        cluster.apply(DOMAIN)
        cluster.apply(pool(f"http://{address}:9900"), namespace=namespace)
        service = cluster.get("service", "wattline-gateway", "-n", NAMESPACE)["spec"]
        gateway = f"http://{service['clusterIP']}:{service['ports'][0]['port']}"
        made = Served(cluster, namespace, Agents(gateway, MODEL), gateway)
        wait_until(
            lambda: len(made.usable()) == 2, "both replicas get work", timeout_seconds=120, every_seconds=1
        )
        yield made
    finally:
        cluster.kubectl("delete", "wpool", "--all", "-n", namespace, "--ignore-not-found", check=False)
        cluster.kubectl("delete", "pdom", DOMAIN["metadata"]["name"], "--ignore-not-found", check=False)
        cluster.kubectl("label", "node", node, "wattline.dev/managed-", check=False)
        release.uninstall()
        cluster.kubectl("delete", "namespace", namespace, "--wait=false", check=False)


def test_top_shows_draw_and_heat_of_this_moment(served: Served) -> None:
    assert served.answered("top")
    lines = served.kubectl_wattline("top").splitlines()
    rows = {line.split()[0]: line.split() for line in lines if line and line[0] != " "}  # notes are indented

    assert rows["gateway-row"][1:3] == ["Enforce", "4000"]
    node = dict(zip(rows["NODE"], rows["node1"], strict=False))
    assert node["STATE"] == "Enforcing"
    assert float(node["DRAW(W)"]) > 8 * 50
    assert float(node["MAX(°C)"]) > 20
    coder = dict(zip(rows["POOL"], rows[f"{served.namespace}/coder"], strict=False))
    assert coder["READY"] == "2/2"
    assert coder["RESIDENT"].isdigit()


def test_why_merges_what_operator_gateway_and_agent_decided(served: Served) -> None:
    of_pool = served.kubectl_wattline("why", "wpool/coder", "--last", "100")
    of_node = served.kubectl_wattline("why", "node/node1", "--last", "100")

    assert "Ready is True" in of_pool
    assert {"operator", "gateway", "event"} <= {
        word for line in of_pool.splitlines() for word in line.split()[1:2]
    }
    assert "gets work" in of_pool
    assert "state is Enforcing" in of_node
    assert "agent node1" in of_node
    pod = served.endpoints()[0]["name"]
    assert "of wpool/coder, gets work" in served.kubectl_wattline("why", f"pod/{pod}")


def test_simulate_plays_the_cluster_as_it_stands(served: Served) -> None:
    told = json.loads(served.kubectl_wattline("simulate", "--from-cluster", "--hours", "0.2", "--json", "-"))

    assert told["runs_offered"] > 0


def test_a_replica_that_vanishes_in_the_middle_of_an_answer_costs_that_answer_alone(served: Served) -> None:
    body = {
        "model": MODEL,
        "messages": [{"role": "user", "content": "write a long story"}],
        "max_tokens": 40_000,
        "ignore_eos": True,
        "stream": True,
    }
    request = urllib.request.Request(
        f"{served.gateway}/v1/chat/completions",
        json.dumps(body).encode(),
        {"content-type": "application/json", "x-wattline-session": "story"},
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        lost = answer.headers["x-wattline-replica"]
        assert answer.read(100)
        served.cluster.kubectl(
            "delete", "pod", lost, "-n", served.namespace, "--grace-period=0", "--force", "--wait=false"
        )
        rest = answer.read().decode()

    assert "failed in the middle of its answer" in rest
    assert served.answered("story")
    wait_until(
        lambda: len(now := served.usable()) == 2 and lost not in now,
        "a new replica took its place",
        timeout_seconds=120,
        every_seconds=1,
    )


def test_answers_go_on_while_the_api_server_is_away(served: Served, components: Components) -> None:
    components.kill("kube-apiserver")
    try:
        assert all(served.answered(f"away-{number}") for number in range(5))
    finally:
        components.resume("kube-apiserver")

    assert served.answered("back")


OPERATOR = "app.kubernetes.io/name=wattline,app.kubernetes.io/component=operator"


def test_ungate_is_the_way_out_while_the_operator_is_away(served: Served) -> None:
    cluster, namespace = served.cluster, served.namespace
    before = {each["name"] for each in served.endpoints()}
    cluster.kubectl("scale", "deploy/wattline-operator", "-n", NAMESPACE, "--replicas=0")
    cluster.kubectl("wait", "--for=delete", "pod", "-n", NAMESPACE, "-l", OPERATOR, "--timeout=60s")
    try:
        cluster.kubectl("scale", "deploy/coder", "-n", namespace, "--replicas=3")
        wait_until(
            lambda: len(_waiting(served)) == 1, "the third pod waits behind the gate", timeout_seconds=30
        )
        (pod,) = _waiting(served)
        said = served.kubectl_wattline("ungate", "--pool", "coder")

        assert f"pod/{pod} ungated" in said
        cluster.kubectl(
            "wait", "--for=condition=PodScheduled", f"pod/{pod}", "-n", namespace, "--timeout=30s"
        )
        assert pod not in served.usable()
        assert served.usable() <= before
    finally:
        cluster.kubectl("scale", "deploy/wattline-operator", "-n", NAMESPACE, "--replicas=2")
        cluster.kubectl(
            "rollout",
            "status",
            "deploy/wattline-operator",
            "-n",
            NAMESPACE,
            "--timeout=60s",
            timeout_seconds=70,
        )
    wait_until(
        lambda: len(served.endpoints()) == 2 == len(served.usable()),
        "the operator has the two replicas it was asked for",
        timeout_seconds=90,
        every_seconds=1,
    )


def _waiting(served: Served) -> list[str]:
    """Return the pool's pods that wait behind the gate."""
    found = served.cluster.get("pods", "-n", served.namespace, "-l", "wattline.dev/pool=coder")["items"]
    return [
        pod["metadata"]["name"]
        for pod in found
        if any(gate["name"] == GATE for gate in pod["spec"].get("schedulingGates") or ())
    ]
