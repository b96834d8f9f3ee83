"""What most suites stand on: the chart installed, a world of simulated GPUs, and their node opted in."""

import json
import os
import secrets
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

from harness.agents import allowed
from harness.cluster import Cluster
from harness.command import HarnessError, run, wait_until
from harness.images import WATTLINE
from harness.local import Local
from harness.metrics import Told, series, told_at
from harness.release import NAMESPACE, Release
from harness.traffic import Agents
from harness.world import World

MODEL = "Qwen/Qwen3-Coder-30B-A3B-Instruct-FP8"
OTHER_MODEL = "openai/gpt-oss-20b"
MANAGED = "wattline.dev/managed"
API = "wattline.dev/v1alpha1"

SERVING = "serving-row"
"""The domain that the last suites share."""
SERVING_WATTS = 3600.0
SERVING_BUDGET = {"watts": SERVING_WATTS, "nodeOverheadWatts": 300, "reservedWatts": 200}


class Stage:
    """One namespace of a cluster that has Wattline."""

    def __init__(self, cluster: Cluster, namespace: str, node: str, world: World) -> None:
        self.cluster, self.namespace, self.node, self.world = cluster, namespace, node, world

    def kubectl(self, *arguments: str | Path, **more: Any) -> str:
        """Run kubectl in the namespace."""
        return self.cluster.kubectl(*arguments, "-n", self.namespace, **more)

    def wattline(self, *arguments: str) -> str:
        """Run ``kubectl wattline`` in the namespace, as a user does."""
        program = self.cluster.provider.kubectl_program
        return run([program, "wattline", *arguments, "-n", self.namespace], env=with_plugin(self.cluster))

    def get(self, *arguments: str) -> Any:
        """Return what there is in the namespace, as data."""
        return json.loads(self.kubectl("get", "-o", "json", *arguments))

    def apply(self, *objects: dict[str, Any]) -> None:
        """Apply objects in the namespace."""
        self.cluster.apply(*objects, namespace=self.namespace)

    def status(self, kind: str, name: str) -> dict[str, Any]:
        """Return an object's status as it is now."""
        found: dict[str, Any] = self.get(kind, name).get("status") or {}
        return found

    def reason(self, kind: str, name: str, condition: str) -> str:
        """Return the reason of a condition, or nothing while it is not there."""
        conditions = self.status(kind, name).get("conditions", ())
        return next((str(each["reason"]) for each in conditions if each["type"] == condition), "")

    def until(self, kind: str, name: str, condition: str, *reasons: str, seconds: float = 60) -> None:
        """Wait until a condition has one of some reasons; say what it has where that lasts too long."""
        try:
            wait_until(
                lambda: self.reason(kind, name, condition) in reasons,
                f"{kind}/{name}: {condition} is {' or '.join(reasons)}",
                timeout_seconds=seconds,
                every_seconds=0.3,
            )
        except HarnessError as error:
            raise HarnessError(f"{error}: {self.status(kind, name).get('conditions')}") from error

    def endpoints(self, pool: str) -> list[dict[str, Any]]:
        """Return a pool's replicas as its status has them."""
        return list(self.status("wpool", pool).get("endpoints", ()))

    def served(self, pool: str, replicas: int, *, seconds: float = 60) -> None:
        """Wait until a pool has just so many replicas, and all of them may be sent work."""

        def all_served() -> bool:
            found = self.endpoints(pool)
            return len(found) == replicas and all(each["traffic"] and each["ready"] for each in found)

        wait_until(
            all_served, f"{replicas} replicas of {pool} serve", timeout_seconds=seconds, every_seconds=0.3
        )

    @cached_property
    def gateway(self) -> str:
        """Where agents call; known from the first time on, also without the API server."""
        spec = self.cluster.get("service", "wattline-gateway", "-n", NAMESPACE)["spec"]
        return f"http://{spec['clusterIP']}:{spec['ports'][0]['port']}"

    def agents(self, workflow: str | None = None, model: str = MODEL) -> Agents:
        """Return agents that call the gateway, and name a workflow of the namespace if they are told to."""
        return Agents(self.gateway, model, workflow and f"{self.namespace}/{workflow}")

    def told(self) -> Told:
        """Return what the gateway tells Prometheus."""
        return told_at(self.gateway)

    def usable(self, pool: str) -> set[str]:
        """Return the replicas of a pool that the gateway sends turns to."""
        of = f"{self.namespace}/{pool}"
        told = series(self.told(), "wattline_replica_usable")
        return {labels["replica"] for labels, value in told if labels["pool"] == of and value}

    def engine(self, model: str = MODEL, *, gpus: int = 1) -> dict[str, Any]:
        """Return a pod's spec that serves a model on simulated GPUs of the node."""
        container = {
            "name": "engine",
            "image": WATTLINE.name,
            "args": ["fake-engine", f"--world={self.world.url}", f"--model={model}", "--loading=1"],
            "ports": [{"name": "http", "containerPort": 8000}],
            "readinessProbe": {"httpGet": {"path": "/health", "port": "http"}, "periodSeconds": 1},
            "resources": {"limits": {"nvidia.com/gpu": gpus}},
        }
        return {"terminationGracePeriodSeconds": 1, "containers": [container]}

    def clear(self, *kinds: str) -> None:
        """Delete every object of some kinds in the namespace, and wait until they are gone."""
        self.kubectl("delete", ",".join(kinds), "--all", "--timeout=60s", timeout_seconds=80)


def with_plugin(cluster: Cluster) -> dict[str, str]:
    """Return the environment in which ``kubectl wattline`` is found as well."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{cluster.environment['PATH']}"
    return cluster.environment | {"PATH": path}


def pool(name: str, model: str = MODEL, **spec: Any) -> dict[str, Any]:
    """Return a pool."""
    return {
        "apiVersion": API,
        "kind": "InferencePool",
        "metadata": {"name": name},
        "spec": {"model": model, **spec},
    }


def domain(name: str, watts: float, **spec: Any) -> dict[str, Any]:
    """Return an enforced domain; of every opted-in node unless the spec says otherwise."""
    selector = {"nodeSelector": {"matchLabels": {MANAGED: "true"}}}
    return {
        "apiVersion": API,
        "kind": "PowerDomain",
        "metadata": {"name": name},
        "spec": {**selector, "mode": "Enforce", "budget": {"watts": watts}, **spec},
    }


def external(name: str, tenant: str, **spec: Any) -> dict[str, Any]:
    """Return a workflow of agents that run elsewhere."""
    return {
        "apiVersion": API,
        "kind": "AgentWorkflow",
        "metadata": {"name": name},
        "spec": {"trigger": "External", "tenant": tenant, **spec},
    }


@dataclass(frozen=True, slots=True)
class Installed:
    """A cluster with the chart, a world of GPUs beside it, and their node opted in."""

    cluster: Cluster
    node: str
    world: World


@contextmanager
def installed(cluster: Cluster) -> Iterator[Installed]:
    """Install the chart for as long as the block runs, for any number of stages one after the other."""
    provider = cluster.provider
    if not isinstance(provider, Local):
        pytest.skip("simulated GPUs are on the local provider's node only")
    node, namespace = provider.settings.node, f"world-{secrets.token_hex(3)}"
    world, release = World(cluster, provider.settings), Release(cluster)
    anew = [f"{part}.podAnnotations.installed={namespace}" for part in ("operator", "gateway", "agent")]
    with ExitStack() as undo:
        undo.callback(cluster.kubectl, "delete", "namespace", namespace, "--wait=false", check=False)
        cluster.make_namespace(namespace)
        undo.callback(world.stop, namespace)
        world.start(namespace)
        undo.callback(release.uninstall)
        # orders of an operator before, whose lease is gone: ours would wait until he cannot lead any more
        cluster.kubectl("delete", "pnode", "--all", "--timeout=30s", check=False)
        release.install(*anew, "restore.timeoutSeconds=15", allowed(cluster))
        undo.callback(cluster.kubectl, "label", "node", node, f"{MANAGED}-", check=False)
        cluster.kubectl("label", "node", node, f"{MANAGED}=true", "--overwrite")
        yield Installed(cluster, node, world)


@contextmanager
def stage(beside: Installed, name: str) -> Iterator[Stage]:
    """A namespace of the suite's own; at its end nothing is declared any more, and its pods end."""
    cluster, namespace = beside.cluster, f"{name}-{secrets.token_hex(3)}"
    made = Stage(cluster, namespace, beside.node, beside.world)
    with ExitStack() as undo:
        undo.callback(cluster.kubectl, "delete", "namespace", namespace, "--wait=false", check=False)
        cluster.make_namespace(namespace)
        at_once = ("--all", "--grace-period=1", "--wait=false")
        undo.callback(made.kubectl, "delete", "pods", *at_once, check=False)
        undo.callback(made.clear, "wpool", "wf")
        undo.callback(cluster.kubectl, "delete", "pdom", "--all", "--timeout=30s", check=False)
        yield made
