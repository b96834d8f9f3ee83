"""The fake GPUs of a node as a pod: the physics behind the fake driver, and the device's own record of every call."""

from collections.abc import Iterator
from math import fsum
from pathlib import Path
from typing import Any

from harness.cluster import Cluster
from harness.images import WATTLINE
from harness.settings import Settings
from wattline.fake.nvml.journal import limits
from wattline.fake.nvml.mapping import Mapping
from wattline.model.bounds import bound_watts


class World:
    """The world of the local cluster's node."""

    def __init__(self, cluster: Cluster, settings: Settings) -> None:
        self._cluster = cluster
        self._settings = settings
        self._url = ""

    @property
    def path(self) -> Path:
        """The memory that the fake driver and the world share."""
        return self._settings.fake_state / f"fake/{self._settings.node}.gpus"

    @property
    def url(self) -> str:
        """Where engines reach it, once it has started."""
        return self._url

    def start(self, namespace: str) -> None:
        """Run the world in a namespace, and return once its GPUs are there."""
        self._cluster.apply(self._pod(), namespace=namespace)
        self._cluster.kubectl("wait", "-n", namespace, "--for=condition=Ready", "pod/world", "--timeout=60s")
        address = self._cluster.get("pod", "world", "-n", namespace)["status"]["podIP"]
        self._url = f"http://{address}:9900"

    def stop(self, namespace: str) -> None:
        """Take the world away; on return another may take its place."""
        patience = "--timeout=55s"  # a pod has 30 s of grace
        self._cluster.kubectl("delete", "-n", namespace, "pod/world", "--ignore-not-found", patience)

    def limits_watts(self, since: int = 0) -> Iterator[dict[int, float]]:
        """Yield the power limits of all GPUs each time one changed, from the ``since``-th record on."""
        records = Mapping.open(self.path).journal()
        for number, (_, watts) in enumerate(limits(records)):
            if number >= since:
                yield watts

    def changes(self) -> int:
        """Return how often a limit has changed so far."""
        return sum(1 for _ in self.limits_watts())

    def allowed_watts(self) -> list[tuple[float, float]]:
        """Return what all GPUs together could draw under their limits, and from which moment on (CLOCK_BOOTTIME),
        each time it changed.
        """
        mapping = Mapping.open(self.path)
        gpus = [gpu.identity for gpu in mapping.node.gpus[: len(mapping.uuids)]]
        return [
            (
                at,
                fsum(
                    bound_watts(gpu.name.decode(), watts.get(index), gpu.max_mw / 1000)
                    for index, gpu in enumerate(gpus)
                ),
            )
            for at, watts in limits(mapping.journal())
        ]

    def joules(self) -> dict[str, float]:
        """Return the energy counter of every GPU by its UUID, as its driver shows it."""
        mapping = Mapping.open(self.path)
        return {
            uuid: gpu.physics[gpu.published % 2].energy_mj / 1000
            for uuid, gpu in zip(mapping.uuids, mapping.node.gpus, strict=False)
        }

    def now_watts(self) -> list[float]:
        """Return the power limit in force on every GPU."""
        mapping = Mapping.open(self.path)
        return [mapping.settings(index).limit_watts for index in range(len(mapping.uuids))]

    def _pod(self) -> dict[str, Any]:
        folder = str(self._settings.fake_state)
        arguments = [
            "fake-node",
            self._settings.node,
            f"--gpus={self._settings.gpus}",
            f"--seed={self._settings.gpu_seed}",
            f"--state={folder}",
            f"--library={folder}/lib/libnvidia-ml.so.1",
        ]
        return {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "world"},
            "spec": {
                "nodeName": self._settings.node,
                "terminationGracePeriodSeconds": 2,
                "containers": [
                    {
                        "name": "world",
                        "image": WATTLINE.name,
                        "args": arguments,
                        "securityContext": {"runAsUser": 0},
                        "readinessProbe": {
                            "exec": {"command": ["test", "-s", str(self.path)]},
                            "periodSeconds": 1,
                        },
                        "volumeMounts": [{"name": "fakes", "mountPath": folder}],
                    }
                ],
                "volumes": [{"name": "fakes", "hostPath": {"path": folder}}],
            },
        }
