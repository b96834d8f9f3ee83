"""Where kinds stand in the API: paths, and the few that are known without asking."""

from dataclasses import dataclass
from typing import Any

from wattline.api.base import GROUP, VERSION

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Resource:
    """One kind as the API serves it."""

    api_version: str
    kind: str
    plural: str
    namespaced: bool = True

    def path(self, namespace: str | None = None, name: str | None = None, part: str | None = None) -> str:
        """Return the path of an object, of a part of it, or of all there are."""
        steps = [f"/apis/{self.api_version}" if "/" in self.api_version else f"/api/{self.api_version}"]
        if self.namespaced and namespace:
            steps.append(f"namespaces/{namespace}")
        return "/".join([*steps, self.plural, *(each for each in (name, part) if each)])


NODES = Resource("v1", "Node", "nodes", namespaced=False)
PODS = Resource("v1", "Pod", "pods")
LEASES = Resource("coordination.k8s.io/v1", "Lease", "leases")
EVENTS = Resource("events.k8s.io/v1", "Event", "events")
POWER_NODES = Resource(f"{GROUP}/{VERSION}", "PowerNode", "powernodes", namespaced=False)
POWER_DOMAINS = Resource(f"{GROUP}/{VERSION}", "PowerDomain", "powerdomains", namespaced=False)
INFERENCE_POOLS = Resource(f"{GROUP}/{VERSION}", "InferencePool", "inferencepools")
AGENT_WORKFLOWS = Resource(f"{GROUP}/{VERSION}", "AgentWorkflow", "agentworkflows")
SECRETS = Resource("v1", "Secret", "secrets")
CONFIG_MAPS = Resource("v1", "ConfigMap", "configmaps")
JOBS = Resource("batch/v1", "Job", "jobs")

KNOWN = {
    (each.api_version, each.kind): each
    for each in (
        NODES,
        PODS,
        LEASES,
        EVENTS,
        POWER_NODES,
        POWER_DOMAINS,
        INFERENCE_POOLS,
        AGENT_WORKFLOWS,
        CONFIG_MAPS,
        JOBS,
        Resource("v1", "Service", "services"),
        Resource("apps/v1", "Deployment", "deployments"),
        Resource("apps/v1", "StatefulSet", "statefulsets"),
        Resource("v1", "ServiceAccount", "serviceaccounts"),
        Resource("rbac.authorization.k8s.io/v1", "RoleBinding", "rolebindings"),
        Resource("leaderworkerset.x-k8s.io/v1", "LeaderWorkerSet", "leaderworkersets"),
        Resource("inference.networking.k8s.io/v1", "InferencePool", "inferencepools"),
    )
}
"""Kinds that need no discovery."""


def key_of(thing: Json) -> str:
    """Return namespace/name of an object, or its name where it has no namespace."""
    meta = thing["metadata"]
    space = meta.get("namespace")
    return f"{space}/{meta['name']}" if space else str(meta["name"])
