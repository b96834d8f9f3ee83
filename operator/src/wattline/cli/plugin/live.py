"""A live cluster's domains, pools and present replicas, as manifests of a box."""

from collections.abc import Collection, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import click

from wattline.api.base import Object
from wattline.api.inferencepool import InferencePool
from wattline.api.powerdomain import PowerDomain
from wattline.cli.plugin import objects
from wattline.cli.plugin.cluster import OURS, Cluster
from wattline.doors.kube.client import Kube
from wattline.doors.overview import NodeFiles
from wattline.model.fleet import full_name

SOURCES = ("template", "workloadRef", "poolRef", "endpoints")


def manifests_of(
    kubeconfig: Path | None, context: str | None, declared: Collection[str] = ()
) -> list[Mapping[str, Any]]:
    """Return manifests of the cluster as it is at this moment; nothing there is touched.

    Pools named in ``declared`` have their pods where the placement policy would put them, all others where they are.
    """
    return Cluster(kubeconfig, context, OURS).run(partial(_fleet, declared=declared))


async def _fleet(kube: Kube, declared: Collection[str]) -> list[Mapping[str, Any]]:
    domains, nodes = await objects.domains(kube), await objects.nodes(kube)
    pools = await objects.pools(kube, None)
    known = [made for pool in pools if (made := _taken(pool, declared)) is not None]
    if not known:
        raise click.ClickException(
            "no InferencePool of the cluster has replicas whose GPUs are known; `kubectl wattline why wpool/NAME` says why"
        )
    return [*(_listed(domain, nodes) for domain in domains), *known]


def _listed(domain: PowerDomain, nodes: Sequence[NodeFiles]) -> Mapping[str, Any]:
    """Return a domain that names its nodes."""
    name = domain.metadata.name
    hanging = [node.name for node in nodes if node.order is not None and node.order.spec.domain == name]
    spec = _plain(domain)
    spec.pop("nodeSelector", None)
    return _manifest(domain, spec | {"nodes": hanging})


def _taken(pool: InferencePool, declared: Collection[str]) -> Mapping[str, Any] | None:
    named = {pool.metadata.name, full_name(pool)} & set(declared)
    return _manifest(pool, _plain(pool)) if named and pool.spec.of_pods else _standing(pool)


def _standing(pool: InferencePool) -> Mapping[str, Any] | None:
    """Return a pool of the replicas it has now; None while no replica's GPUs are known."""
    found = () if pool.status is None else pool.status.endpoints
    endpoints = [
        {
            "name": each.name[:63].replace(".", "-"),
            "url": each.url,
            "node": each.node,
            "gpus": list(each.gpus),
        }
        for each in found
        if each.url and each.node and each.gpus
    ]
    if not endpoints:
        return None
    kept = {name: value for name, value in _plain(pool).items() if name not in {*SOURCES, "replicas"}}
    return _manifest(pool, kept | {"endpoints": endpoints})


def _plain(thing: Object[Any, Any]) -> dict[str, Any]:
    spec: dict[str, Any] = thing.spec.model_dump(
        mode="json", by_alias=True, exclude_none=True, exclude_defaults=True
    )
    return spec


def _manifest(thing: Object[Any, Any], spec: Mapping[str, Any]) -> Mapping[str, Any]:
    meta = thing.metadata.model_dump(mode="json", include={"name", "namespace"}, exclude_none=True)
    return {"apiVersion": thing.api_version, "kind": thing.kind, "metadata": meta, "spec": dict(spec)}
