"""The operator's replicas: who there is, who leads, and a while without any."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from harness.cluster import Cluster
from harness.release import NAMESPACE

NAME = "wattline-operator"
"""Of the Deployment and of the Lease."""
SELECTOR = "app.kubernetes.io/component=operator"
REPLICAS = 2


class Operators:
    """The operator's pods."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    def pods(self) -> dict[str, dict[str, Any]]:
        """Return the pods that are not ending, by name."""
        found = self._cluster.get("pods", "-n", NAMESPACE, "-l", SELECTOR)["items"]
        return {
            each["metadata"]["name"]: each for each in found if "deletionTimestamp" not in each["metadata"]
        }

    def holder(self) -> str:
        """Return who leads, by the name it gave itself; nothing while nobody does."""
        return str(self._cluster.get("lease", "-n", NAMESPACE, NAME)["spec"].get("holderIdentity") or "")

    def leader(self) -> str:
        """Return the pod that leads; nothing while none of those that are there does."""
        pod = pod_of(self.holder())
        return pod if pod in self.pods() else ""

    @contextmanager
    def away(self) -> Iterator[None]:
        """No operator runs inside; afterwards as many are asked for as before."""
        self._scale(0)
        try:
            gone = ("--for=delete", "pod", "-l", SELECTOR, "--timeout=60s")
            self._cluster.kubectl("wait", "-n", NAMESPACE, *gone, timeout_seconds=70)
            yield
        finally:
            self._scale(REPLICAS)

    def _scale(self, replicas: int) -> None:
        self._cluster.kubectl("scale", f"deploy/{NAME}", "-n", NAMESPACE, f"--replicas={replicas}")


def pod_of(holder: str) -> str:
    """Return the pod of one that leads."""
    return holder.rpartition("_")[0]
