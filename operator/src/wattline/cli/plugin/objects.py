"""Wattline's objects of a cluster, read once, for people who look."""

from typing import TypeVar

from pydantic import ValidationError

from wattline.api.inferencepool import InferencePool
from wattline.api.powerdomain import PowerDomain
from wattline.api.powernode import PowerNode
from wattline.doors.kube.client import Kube
from wattline.doors.kube.resources import INFERENCE_POOLS, POWER_DOMAINS, POWER_NODES, Resource, key_of
from wattline.doors.overview import NodeFiles
from wattline.model.errors import ClusterError

Kind = TypeVar("Kind", PowerDomain, InferencePool, PowerNode)


async def domains(kube: Kube) -> tuple[PowerDomain, ...]:
    """Return every domain, by name."""
    return await _all(kube, POWER_DOMAINS, PowerDomain, None)


async def pools(kube: Kube, namespace: str | None) -> tuple[InferencePool, ...]:
    """Return the pools of a namespace, or of all, by name."""
    return await _all(kube, INFERENCE_POOLS, InferencePool, namespace)


async def nodes(kube: Kube) -> tuple[NodeFiles, ...]:
    """Return every node's order and its agent's answer, by name."""
    found = await _all(kube, POWER_NODES, PowerNode, None)
    return tuple(NodeFiles(node.metadata.name, node, node.status) for node in found)


async def _all(kube: Kube, resource: Resource, model: type[Kind], namespace: str | None) -> tuple[Kind, ...]:
    things, _ = await kube.all(resource, namespace)
    made = []
    for thing in sorted(things, key=key_of):
        try:
            made.append(
                model.model_validate({"kind": resource.kind, "apiVersion": resource.api_version} | thing)
            )
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(each) for each in first["loc"])
            raise ClusterError(
                f"{resource.kind} {key_of(thing)} cannot be read: {where}: {first['msg']}; "
                f"is this plugin as new as the cluster's Wattline?"
            ) from error
    return tuple(made)
