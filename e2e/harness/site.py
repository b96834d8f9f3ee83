"""A row of GPUs in service: what people change about it, and what is to be seen of it meanwhile."""

import json
from typing import Any

from harness.command import wait_until
from harness.release import NAMESPACE
from harness.stage import MANAGED, MODEL, Stage, domain, pool

OVERHEAD_WATTS = 300.0
RESERVED_WATTS = 100.0
BESIDE_WATTS = OVERHEAD_WATTS + RESERVED_WATTS
"""What hangs on a domain's breaker beside its node's GPUs, where nothing else is said."""


class Site:
    """The domains and pools of one stage."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.cluster, self.node, self.world = stage.cluster, stage.node, stage.world

    # -- what users do -----------------------------------------------------------------------------------------

    def opt_in(self) -> None:
        """Label the node."""
        self.cluster.kubectl("label", "node", self.node, f"{MANAGED}=true", "--overwrite")

    def opt_out(self) -> None:
        """Take the label away."""
        self.cluster.kubectl("label", "node", self.node, f"{MANAGED}-")

    def domain(self, name: str, watts: float, **spec: Any) -> None:
        """Apply an enforced domain; with ``nodeSelector=None`` no node hangs on it directly."""
        made = domain(name, watts, **{"budget": budget(watts), **spec})
        made["spec"] = {field: value for field, value in made["spec"].items() if value is not None}
        self.cluster.apply(made)

    def pool(
        self,
        name: str,
        replicas: int,
        model: str = MODEL,
        *,
        namespace: str | None = None,
        finish_seconds: int = 0,
        **spec: Any,
    ) -> None:
        """Apply a pool of pods with one GPU each, which may finish what they are at when they are to end."""
        pod = self.stage.engine(model)
        if finish_seconds:
            pod["terminationGracePeriodSeconds"] = finish_seconds + 1
            pod["containers"][0]["lifecycle"] = {"preStop": {"sleep": {"seconds": finish_seconds}}}
        template = {"spec": pod}
        made = pool(name, model, replicas=replicas, template=template, **spec)
        self.cluster.apply(made, namespace=namespace or self.stage.namespace)

    def scale(self, pool: str, replicas: int) -> None:
        """Scale a pool as users scale a Deployment."""
        self.stage.kubectl("scale", f"wpool/{pool}", f"--replicas={replicas}")

    def change(self, kind: str, name: str, **spec: Any) -> None:
        """Change fields of an object's spec."""
        self.stage.kubectl("patch", kind, name, "--type=merge", "-p", json.dumps({"spec": spec}))

    # -- what is seen ------------------------------------------------------------------------------------------

    def enforced(self, name: str) -> bool:
        """Whether a domain says that it holds, by the spec that it has now."""
        found = self.cluster.get("pdom", name)
        status = found.get("status", {})
        return status.get("observedGeneration") == found["metadata"]["generation"] and any(
            each["type"] == "Enforced" and each["status"] == "True" for each in status["conditions"]
        )

    def until_held(self, *domains: str, seconds: float = 60) -> None:
        """Wait until domains say that they hold."""
        wait_until(
            lambda: all(self.enforced(name) for name in domains),
            f"{' and '.join(domains)} hold",
            timeout_seconds=seconds,
            every_seconds=0.3,
        )

    def until_served(self, pool: str, replicas: int, *, namespace: str | None = None) -> None:
        """Wait until so many replicas of a pool, and no other, get work."""

        def served() -> bool:
            found = self.cluster.get("wpool", pool, "-n", namespace or self.stage.namespace)
            endpoints = found.get("status", {}).get("endpoints", ())
            return [each["traffic"] and each["ready"] for each in endpoints].count(True) == replicas

        wait_until(served, f"{replicas} replicas of {pool} get work", timeout_seconds=90, every_seconds=0.5)

    def gpus(self, pool: str) -> dict[str, tuple[str, ...]]:
        """Return the GPUs of a pool's replicas, by name."""
        return {each["name"]: tuple(each["gpus"]) for each in self.stage.endpoints(pool)}

    def pods(self, component: str) -> list[dict[str, Any]]:
        """Return the pods of a part of the product that are to stay."""
        selector = f"app.kubernetes.io/component={component}"
        pods: list[dict[str, Any]] = self.cluster.get("pods", "-n", NAMESPACE, "-l", selector)["items"]
        return [pod for pod in pods if "deletionTimestamp" not in pod["metadata"]]

    def order(self) -> dict[str, Any]:
        """Return the node's PowerNode."""
        found: dict[str, Any] = self.cluster.get("pnode", self.node)
        return found


def budget(watts: float, *, overhead: float = OVERHEAD_WATTS, reserved: float = RESERVED_WATTS) -> Any:
    """Return a domain's budget."""
    return {"watts": watts, "nodeOverheadWatts": overhead, "reservedWatts": reserved}
