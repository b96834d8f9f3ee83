"""The demo's fleet for one pass: the example's manifests on ports that are free, under the mode and budget of the pass."""

import socket
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import yaml

from wattline.api.inferencepool import InferencePool
from wattline.api.powerdomain import Budget, Mode, PowerDomain
from wattline.model.fleet import Fleet

EXAMPLE = Path(__file__).resolve().parents[4] / "examples" / "two-nodes"


def free_ports(count: int) -> list[int]:
    """Return ports that nobody listens on now."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def moved(fleet: Fleet) -> Fleet:
    """Return the fleet with every engine on a free port of this machine."""
    ports = iter(free_ports(sum(len(pool.spec.endpoints) for pool in fleet.pools)))
    pools = []
    for pool in fleet.pools:
        endpoints = tuple(
            endpoint.model_copy(
                update={"url": urlsplit(endpoint.url)._replace(netloc=f"127.0.0.1:{next(ports)}").geturl()}
            )
            for endpoint in pool.spec.endpoints
        )
        pools.append(pool.model_copy(update={"spec": pool.spec.model_copy(update={"endpoints": endpoints})}))
    return Fleet(fleet.domains, tuple(pools))


def ordered(fleet: Fleet, mode: Mode, budget_watts: float | None) -> Fleet:
    """Return the fleet with its root domains in a mode, under a budget where there is one."""
    domains = []
    for domain in fleet.domains:
        change: dict[str, object] = {"mode": mode}
        if budget_watts is not None and domain.spec.parent is None:
            change["budget"] = Budget(watts=round(budget_watts, 1))
        domains.append(domain.model_copy(update={"spec": domain.spec.model_copy(update=change)}))
    return Fleet(tuple(domains), fleet.pools)


def write(fleet: Fleet, folder: Path) -> None:
    """Write the fleet as manifests."""
    folder.mkdir(parents=True, exist_ok=True)
    objects: list[PowerDomain | InferencePool] = [*fleet.domains, *fleet.pools]
    texts = [
        yaml.safe_dump(
            each.model_dump(mode="json", by_alias=True, exclude_none=True, exclude_defaults=False),
            sort_keys=False,
        )
        for each in objects
    ]
    (folder / "fleet.yaml").write_text("---\n".join(texts))
