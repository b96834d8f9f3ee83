"""What a user means by ``wpool/coder``: the kind by any of its names, the namespace where there is one."""

from dataclasses import dataclass

import click

from wattline.api.agentworkflow import AgentWorkflow
from wattline.api.inferencepool import InferencePool
from wattline.api.powerdomain import PowerDomain
from wattline.api.powernode import PowerNode
from wattline.doors.kube.resources import (
    AGENT_WORKFLOWS,
    INFERENCE_POOLS,
    NODES,
    PODS,
    POWER_DOMAINS,
    POWER_NODES,
    Resource,
)
from wattline.model.journal import about

_RESOURCES: tuple[tuple[Resource, tuple[str, ...]], ...] = (
    (INFERENCE_POOLS, (InferencePool.short_name, "pool", "inferencepool")),
    (POWER_DOMAINS, (PowerDomain.short_name, "domain", "powerdomain")),
    (POWER_NODES, (PowerNode.short_name, "powernode", "node", "no")),
    (AGENT_WORKFLOWS, (AgentWorkflow.short_name, "workflow", "agentworkflow")),
    (PODS, ("pod", "po")),
)
"""Kinds by their names; a node is asked after by what Wattline keeps of it."""

KINDS = {
    name: resource
    for resource, names in _RESOURCES
    for name in (
        *names,
        *(f"{name}s" for name in names),
        f"{resource.plural}.{resource.api_version.partition('/')[0]}",
    )
}

OTHERS = {"gpu": "GPU", "run": "Run"}
"""What is no object of the API server, yet decisions are about it."""


@dataclass(frozen=True, slots=True)
class Named:
    """One thing that was asked after."""

    kind: str
    name: str
    namespace: str | None = None
    resource: Resource | None = None
    """None for what is no object."""

    @property
    def about(self) -> str:
        """Return how decisions name it."""
        return about(self.kind, self.namespace, self.name)

    @property
    def relatives(self) -> tuple[str, ...]:
        """Return what else decisions about it may be filed under."""
        return (about(NODES.kind, None, self.name),) if self.resource is POWER_NODES else ()


def named(text: str, namespace: str) -> Named:
    """Return what KIND/NAME or KIND/NAMESPACE/NAME means; raise `click.UsageError` if it means nothing."""
    kind, _, rest = text.partition("/")
    word = kind.lower()
    if not rest or word not in {*KINDS, *OTHERS}:
        known = "wpool, pdom, node, pod, wf, gpu, run"
        raise click.UsageError(f"{text!r} is not KIND/NAME with a kind of {known}, e.g. wpool/coder")
    if word in OTHERS:
        return Named(OTHERS[word], rest)
    resource = KINDS[word]
    if not resource.namespaced:
        return Named(resource.kind, rest, None, resource)
    space, _, name = rest.rpartition("/")
    return Named(resource.kind, name, space or namespace, resource)
