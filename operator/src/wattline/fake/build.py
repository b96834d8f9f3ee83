"""Makes a node's world: from manifests, the GPUs their endpoints name and an engine behind each; or bare GPUs."""

from collections.abc import Iterable
from dataclasses import dataclass
from random import Random
from urllib.parse import urlsplit
from uuid import UUID, uuid5

from wattline.api.inferencepool import Endpoint, InferencePool
from wattline.fake.host import EngineHost
from wattline.fake.prefix import Prefixes
from wattline.model.fleet import Fleet
from wattline.world.engine import ENGINES, Engine
from wattline.world.gpu import PRODUCTS, Gpu
from wattline.world.physics import EnginePhysics

INLET_CELSIUS = (23.0, 27.0)
"""Air at the inlets of a node's GPUs differs a little from place to place."""

_GPUS = UUID("6f6e6577-6174-7400-8000-00000000fa4e")
"""Namespace of the names of GPUs."""


class NodeError(Exception):
    """The manifests do not say what a fake node needs; the message says what is missing."""


@dataclass(frozen=True, slots=True)
class Place:
    """An engine and where it listens."""

    host: EngineHost
    address: str
    port: int


def build(
    fleet: Fleet, node: str, product: str, *, seed: int, at_seconds: float
) -> tuple[list[Gpu], list[Place]]:
    """Return the GPUs and engines of a node as they stand at ``at_seconds``: loaded, idle and cool."""
    endpoints = list(fleet.endpoints_on(node))
    if not endpoints:
        known = sorted({endpoint.node for pool in fleet.pools for endpoint in pool.spec.endpoints})
        raise NodeError(
            f"no InferencePool has an endpoint on node {node}; nodes there: {', '.join(known) or 'none'}"
        )
    gpus = {
        gpu.uuid: gpu for gpu in _gpus(_distinct(endpoints), node, product, seed=seed, at_seconds=at_seconds)
    }
    prefixes = Prefixes()
    places = []
    for pool, endpoint in endpoints:
        physics = _physics(pool.spec.model, product, len(endpoint.gpus))
        engine = Engine(physics, [gpus[uuid] for uuid in endpoint.gpus], at_seconds=at_seconds)
        where = urlsplit(endpoint.url)
        host = EngineHost(endpoint.name, pool.spec.model, engine, prefixes)
        places.append(Place(host, where.hostname or "127.0.0.1", where.port or 80))
    return list(gpus.values()), places


def bare(node: str, count: int, product: str, *, seed: int, at_seconds: float) -> list[Gpu]:
    """Return the GPUs of a node on which no engine runs yet."""
    return _gpus(uuids(node, count, seed=seed), node, product, seed=seed, at_seconds=at_seconds)


def uuids(node: str, count: int, *, seed: int) -> tuple[str, ...]:
    """Return the names of a node's GPUs: the same for the same node and seed, everywhere."""
    return tuple(f"GPU-{uuid5(_GPUS, f'{seed}/{node}/{index}')}" for index in range(count))


def physics_of(model: str, product: str, gpus: int) -> EnginePhysics | None:
    """Return how a model behaves on so many GPUs, if that is known."""
    return ENGINES.get((model, product, gpus))


def _gpus(names: Iterable[str], node: str, product: str, *, seed: int, at_seconds: float) -> list[Gpu]:
    if product not in PRODUCTS:
        raise NodeError(f"unknown product {product}; known: {', '.join(sorted(PRODUCTS))}")
    rng = Random(f"{seed}/{node}")
    return [
        Gpu(PRODUCTS[product], uuid, inlet_celsius=rng.uniform(*INLET_CELSIUS), at_seconds=at_seconds)
        for uuid in names
    ]


def _distinct(endpoints: Iterable[tuple[InferencePool, Endpoint]]) -> list[str]:
    owner: dict[str, str] = {}
    for _, endpoint in endpoints:
        for uuid in endpoint.gpus:
            if uuid in owner:
                raise NodeError(f"GPU {uuid} belongs to endpoints {owner[uuid]} and {endpoint.name}")
            owner[uuid] = endpoint.name
    return list(owner)


def _physics(model: str, product: str, gpus: int) -> EnginePhysics:
    physics = physics_of(model, product, gpus)
    if physics is None:
        known = "; ".join(f"{model} on {count} x {product}" for model, product, count in sorted(ENGINES))
        raise NodeError(f"no model of {model} on {gpus} x {product}; there are: {known}")
    return physics
