"""``kubectl wattline simulate``: the CLI's what-if, on manifests or on the cluster as it stands."""

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click
import yaml

from wattline.api.base import Object
from wattline.api.inferencepool import InferencePool
from wattline.api.powerdomain import PowerDomain
from wattline.cli.plugin import objects
from wattline.cli.plugin.cluster import Cluster, with_cluster
from wattline.cli.simulate import simulate as of_manifests
from wattline.doors.kube.client import Kube
from wattline.doors.overview import NodeFiles

SOURCES = ("template", "workloadRef", "poolRef", "endpoints")


@click.command(
    context_settings={"ignore_unknown_options": True},
    epilog="Every option of `wattline simulate` may be given; see `wattline simulate --help`.",
)
@click.option(
    "--from-cluster", is_flag=True, help="Take domains, pools and their present replicas from the cluster."
)
@click.argument("options", nargs=-1, type=click.UNPROCESSED)
@with_cluster
def simulate(cluster: Cluster, from_cluster: bool, options: tuple[str, ...]) -> None:
    """Play agents against a fleet with the product's own policies, on virtual time."""
    if not from_cluster:
        of_manifests.main(list(options), prog_name="kubectl wattline simulate")
    with tempfile.TemporaryDirectory(prefix="wattline-") as folder:
        things = cluster.run(_fleet)
        (Path(folder) / "cluster.yaml").write_text(yaml.safe_dump_all(things), encoding="utf-8")
        of_manifests.main(["-f", folder, *options], prog_name="kubectl wattline simulate --from-cluster")


async def _fleet(kube: Kube) -> list[Mapping[str, Any]]:
    """Return the manifests of a box that is like the cluster at this moment."""
    domains, nodes = await objects.domains(kube), await objects.nodes(kube)
    pools = await objects.pools(kube, None)
    known = [made for pool in pools if (made := _standing(pool)) is not None]
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
