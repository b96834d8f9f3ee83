"""Nodes that exist in the API alone, beside the real one: KWOK keeps them ready and says that their pods run."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from harness.cluster import Cluster
from harness.command import HarnessError, wait_until
from harness.local import Local
from harness.settings import E2E

NAME = "kwok"
PORT = 10347
LEASE_SECONDS = 200
"""Long leases: kwok renews each after a quarter, and every renewal is a write to the API server."""
MARK = {"kwok.x-k8s.io/node": "fake"}


def node(name: str, gpus: int, labels: Mapping[str, str]) -> dict[str, Any]:
    """Return a node that only pods which tolerate it come to."""
    capacity = {"cpu": "64", "memory": "512Gi", "pods": "200", "nvidia.com/gpu": str(gpus)}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "annotations": MARK,
            "labels": {"type": "kwok", "kubernetes.io/hostname": name, "kubernetes.io/os": "linux", **labels},
        },
        "spec": {
            "providerID": f"kwok://{name}",
            "taints": [{"key": "kwok.x-k8s.io/node", "value": "fake", "effect": "NoSchedule"}],
        },
        "status": {"capacity": capacity, "allocatable": capacity},
    }


@contextmanager
def fleet(cluster: Cluster) -> Iterator["Kwok"]:
    """Nodes for as long as the block runs."""
    made = Kwok(cluster)
    try:
        yield made
    finally:
        made.remove()


def let_go(cluster: Cluster) -> None:
    """Take every such node out of Wattline's hands, while their agents answer still; return when it has forgotten them."""
    cluster.kubectl("delete", "wpool", "--all", "-A", "--timeout=60s", timeout_seconds=70)
    cluster.kubectl("delete", "pdom", "--all", "--timeout=60s", timeout_seconds=70)
    cluster.kubectl("label", "nodes", "-l", "type=kwok", "wattline.dev/managed-")

    def forgotten() -> bool:
        names = {each["metadata"]["name"] for each in cluster.get("nodes", "-l", "type=kwok")["items"]}
        return not names & {each["metadata"]["name"] for each in cluster.get("pnode")["items"]}

    wait_until(forgotten, "the KWOK nodes are let go", timeout_seconds=120, every_seconds=0.5)


class Kwok:
    """A fleet of such nodes; they go with the object or, at the latest, with the cluster."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._names: list[str] = []

    def start(self) -> None:
        """Start kwok unless it runs."""
        provider = self._cluster.provider
        if not isinstance(provider, Local):
            raise HarnessError(f"KWOK nodes need the local cluster, not {provider.name}")
        if provider.processes.alive(NAME):
            return
        settings = provider.settings
        command: list[str | Path] = [
            provider.program(NAME),
            f"--kubeconfig={provider.kubeconfig}",
            "--manage-all-nodes=false",
            "--manage-nodes-with-annotation-selector=kwok.x-k8s.io/node=fake",
            "--cidr=10.0.0.0/24",
            f"--node-ip={settings.node_ip}",
            f"--node-port={PORT}",
            f"--node-lease-duration-seconds={LEASE_SECONDS}",
            f"--config={E2E}/kwok/stages.yaml",
        ]
        provider.run_program(NAME, command)

    def add(
        self, count: int, *, gpus: int = 8, labels: Mapping[str, str] | None = None, prefix: str = "kwok"
    ) -> list[str]:
        """Add nodes and wait until they are ready; return their names."""
        self.start()
        names = [f"{prefix}-{number:04}" for number in range(len(self._names), len(self._names) + count)]
        self._names += names
        nodes = {
            "apiVersion": "v1",
            "kind": "List",
            "items": [node(name, gpus, labels or {}) for name in names],
        }
        self._cluster.kubectl("create", "-f", "-", stdin=json.dumps(nodes))
        wait_until(
            lambda: self._ready() >= set(names), f"{count} KWOK nodes ready", timeout_seconds=30 + count / 20
        )
        return names

    def _ready(self) -> set[str]:
        nodes = self._cluster.get("nodes", "-l", "type=kwok")["items"]
        return {
            each["metadata"]["name"]
            for each in nodes
            for condition in each["status"].get("conditions", ())
            if condition["type"] == "Ready" and condition["status"] == "True"
        }

    def remove(self) -> None:
        """Remove the nodes that were added, and end kwok if no others are left."""
        if self._names:
            self._cluster.kubectl("delete", "nodes", "--ignore-not-found", "--wait=false", *self._names)
        self._names.clear()
        provider = self._cluster.provider
        if isinstance(provider, Local) and not self._cluster.get("nodes", "-l", "type=kwok")["items"]:
            provider.processes.end(NAME)
