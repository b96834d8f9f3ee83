"""Opens where this node's orders come from: the folder of a box, or the API server of a cluster."""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

from wattline.doors.clock import Clock
from wattline_agent.config import Config
from wattline_agent.orders import Orders
from wattline_agent.pauses import Pauses
from wattline_agent.pods import Slices


class Upgrades(Protocol):
    """Whoever watches for driver upgrades."""

    def upgrading(self) -> str:
        """Return why new work must wait for the driver; empty if it need not."""

    async def follow(self) -> None:
        """Keep the pause of the GPU operator up to date, until cancelled."""


@dataclass(frozen=True, slots=True)
class Source:
    """Orders, and what only a cluster knows."""

    orders: Orders
    slices: Callable[[], Awaitable[Slices]] | None = None
    """UUIDs that DRA drivers publish for this node's devices."""
    upgrades: Upgrades | None = None
    """What the GPU operator wants of the driver."""


@contextlib.asynccontextmanager
async def opened(config: Config, clock: Clock, pauses: Pauses) -> AsyncIterator[Source]:
    """Yield the source that the flags ask for; raise ClusterError if it cannot be there."""
    if not config.cluster:
        from wattline_agent.orders_files import FileOrders  # noqa: PLC0415 - a cluster does without YAML

        yield Source(FileOrders(Path(config.state), config.node, clock, config.settings))
        return
    from wattline.doors.kube import access, client  # noqa: PLC0415 - a box does without
    from wattline_agent.driver_upgrades import DriverUpgrades  # noqa: PLC0415 - as above
    from wattline_agent.orders_kube import MANAGER, KubeOrders, published  # noqa: PLC0415 - as above

    reached = access.Access(config.api_server) if config.api_server else access.in_cluster()
    async with client.session(reached, MANAGER) as session:
        kube = client.Kube(session, reached, manager=MANAGER)
        orders = KubeOrders(kube, config.node, config.namespace, clock, config.settings)
        upgrades = DriverUpgrades(kube, config.node, pauses, clock, config.settings)
        yield Source(orders, partial(published, kube, config.node), upgrades)
