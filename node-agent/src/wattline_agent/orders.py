"""Where a node's orders come from and where its status goes: what the file folder and the API server have in common."""

import asyncio
from typing import Protocol

from wattline.api.powernode import PodGpus, PowerNodeStatus
from wattline_agent.messages import LeaseSeen, OrderSeen


class Orders(Protocol):
    """One node's order, the lease that keeps it in force, and the place of its status.

    What cannot be read leaves what was seen before in place; an order that is gone is an ``OrderSeen`` without a spec.
    """

    @property
    def order(self) -> OrderSeen | None:
        """Return the order as last seen; none until there was a look that succeeded."""

    @property
    def lease(self) -> LeaseSeen | None:
        """Return the order's lease as last seen; none while there is none."""

    @property
    def looked(self) -> bool:
        """Return whether it is known what stands there; before that nothing is written over it."""

    @property
    def told(self) -> PowerNodeStatus | None:
        """Return the status that stood there at first, perhaps a predecessor's; none if there was none."""

    @property
    def pods(self) -> tuple[PodGpus, ...]:
        """Return the pods with GPUs that the status told of last, perhaps a predecessor's."""

    @property
    def changed(self) -> asyncio.Event:
        """Return what is set whenever order or lease is another one; for the one who brings them on, to clear."""

    async def follow(self) -> None:
        """Keep both up to date, until cancelled."""

    async def report(self, status: PowerNodeStatus) -> None:
        """Put this status in the place of the last; raise ClusterError if that is not possible."""
