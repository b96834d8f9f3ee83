"""The operator before two hundred objects: how soon it is ready, what it costs while nothing happens, how much memory it takes."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
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
from harness.stage import MANAGED, Installed, Stage, domain, pool, stage

NODES, POOLS, DOMAINS = 80, 30, 10
"""With a PowerNode for each node two hundred objects, of 640 GPUs and as many engines."""
GPUS = 8
READY_SECONDS = 5.0
MEMORY_MEBIBYTES = 150
IDLE_RATIO = 0.02
IDLE_SECONDS = 30.0
NOISE = 2.0
"""The machine of the tests is shared, and a core that others heat does the same work in more time."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What one process has cost so far."""

    cpu_seconds: float
    rss_mebibytes: float
    peak_mebibytes: float


class Measured(Operators):
    """The operator's pods, looked at from inside."""

    def cost(self, pod: str) -> Cost:
        """Return what the operator's process, the first of its container, has cost so far."""
        said = self._cluster.kubectl(
            "exec", "-n", NAMESPACE, pod, "--", "cat", "/proc/1/stat", "/proc/1/status"
        )
        stat, *status = said.splitlines()
        user, system = stat.rpartition(")")[2].split()[11:13]
        fields = dict(line.split(":", 1) for line in status if ":" in line)
        return Cost(
            (int(user) + int(system)) / 100,
            *(int(fields[name].split()[0]) / 1024 for name in ("VmRSS", "VmHWM")),
        )

    def cpu_share(self, seconds: float) -> dict[str, float]:
        """Return what share of a core each took over some seconds."""
        before, began = {name: self.cost(name).cpu_seconds for name in self.pods()}, time.monotonic()
        time.sleep(seconds)
        after, ended = {name: self.cost(name).cpu_seconds for name in before}, time.monotonic()
        return {name: (after[name] - before[name]) / (ended - began) for name in before}


def objects() -> Iterator[dict[str, Any]]:
    """Yield rows under a hall, and pools of engines on the nodes of the rows."""
    budget = {"watts": 2_000_000.0, "nodeOverheadWatts": 1500.0}
    yield domain("operator-hall", 2_000_000, nodeSelector={"matchLabels": {"type": "kwok"}})
    for row in range(DOMAINS - 1):
        selector = {"matchLabels": {"kubernetes.io/hostname": f"kwok-{row:04}"}}
        yield domain(
            f"operator-row-{row}", 20_000, parent="operator-hall", nodeSelector=selector, budget=budget
        )
    for number in range(POOLS):
        endpoints = [
            {
                "name": f"kwok-{node:04}-{gpu}",
                "url": f"http://10.1.{node}.{gpu}:8000",
                "node": f"kwok-{node:04}",
                "gpus": [f"GPU-kwok-{node:04}-{gpu}"],
            }
            for node in range(number, NODES, POOLS)
            for gpu in range(GPUS)
        ]
        yield pool(f"pool-{number}", endpoints=endpoints)


@pytest.fixture(scope="module")
def operators(wattline: Installed, api: client.ApiClient) -> Iterator[Measured]:
    """A cluster of two hundred objects that all hold, with agents that answer."""
    cluster = wattline.cluster
    provider = cluster.provider
    if not isinstance(provider, Local):
        pytest.skip("nodes that exist in the API alone need the local provider")
    with (
        stage(wattline, "operator") as made,
        _no_gateway(cluster),
        fleet(cluster) as kwok,
    ):
        names = kwok.add(NODES, gpus=GPUS, labels={MANAGED: "true"})
        with answering(api, dict.fromkeys(names, GPUS), provider.settings.node_ip):
            try:
                _declare(made, list(objects()))
                yield Measured(cluster)
            finally:
                let_go(cluster)


@contextmanager
def _no_gateway(cluster: Cluster) -> Iterator[None]:
    """Nobody asks engines that are none how they are; that would be measured as noise."""
    scale = ("scale", "deploy/wattline-gateway", "-n", NAMESPACE)
    cluster.kubectl(*scale, "--replicas=0")
    try:
        yield
    finally:
        cluster.kubectl(*scale, "--replicas=1")


def _declare(made: Stage, declared: list[dict[str, Any]]) -> None:
    domains = [each for each in declared if each["kind"] == "PowerDomain"]
    made.cluster.apply(*domains)
    made.apply(*(each for each in declared if each["kind"] == "InferencePool"))
    for each in domains:
        made.until("pdom", each["metadata"]["name"], "Enforced", "WithinBudget", seconds=90)
    made.until("wpool", f"pool-{POOLS - 1}", "Ready", "AllReplicasAnswer", seconds=60)


def test_two_hundred_objects_are_there(operators: Measured, cluster: Cluster) -> None:
    counted = {kind: len(cluster.get(kind, "-A")["items"]) for kind in ("node", "pnode", "wpool", "pdom")}
    print(counted)

    assert sum(counted.values()) >= 200


def test_idle_it_costs_next_to_nothing(operators: Measured) -> None:
    leader = operators.leader()
    time.sleep(10)  # the last of what changed is written

    shares = operators.cpu_share(IDLE_SECONDS)

    for name, share in shares.items():
        print(
            f"{name}{' (leads)' if name == leader else ''}: {share:.2%} of a core over {IDLE_SECONDS:.0f} s"
        )
    assert max(shares.values()) <= IDLE_RATIO * NOISE


def test_its_memory_stays_small(operators: Measured) -> None:
    for name in operators.pods():
        cost = operators.cost(name)
        print(f"{name}: RSS {cost.rss_mebibytes:.0f} MiB, at most {cost.peak_mebibytes:.0f} MiB")

        assert cost.rss_mebibytes <= MEMORY_MEBIBYTES


def test_it_is_ready_soon_after_its_start(operators: Measured, cluster: Cluster) -> None:
    before = set(operators.pods())
    cluster.kubectl("delete", "pod", operators.leader(), "-n", NAMESPACE, "--wait=false")
    wait_until(lambda: bool(set(operators.pods()) - before), "the pod that follows", timeout_seconds=20)
    (name,) = set(operators.pods()) - before

    def condition(which: str) -> bool:
        conditions = operators.pods()[name]["status"].get("conditions", ())
        return any(each["type"] == which and each["status"] == "True" for each in conditions)

    def runs() -> bool:
        statuses = operators.pods()[name]["status"].get("containerStatuses", ())
        return any("running" in each["state"] for each in statuses)

    wait_until(runs, "its container runs", timeout_seconds=30, every_seconds=0.05)
    began = time.monotonic()
    wait_until(lambda: condition("Ready"), "it is ready", timeout_seconds=60, every_seconds=0.05)
    took = time.monotonic() - began

    print(f"{name}: ready {took:.1f} s after its container ran")
    assert took <= READY_SECONDS
    wait_until(lambda: operators.leader() != "", "an operator leads again", timeout_seconds=60)
