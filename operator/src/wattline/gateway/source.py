"""Where a gateway learns what to serve and where the agents of the nodes are."""

from collections.abc import Callable, Mapping
from typing import Protocol

from wattline.gateway.served import Served


class Source(Protocol):
    """Manifests in a folder, or the objects of a cluster."""

    engines_first: bool
    """Whether the gateway is ready only once an engine of every pool answers. In a cluster it is not: a pool that
    somebody makes, or scales to none, must not take the others' traffic away."""

    @property
    def known(self) -> bool:
        """Whether what there is was seen whole once."""

    def first(self) -> Served:
        """Return what is known at the start; raise where it is wrong."""

    async def changes(self, take: Callable[[Served], None]) -> None:
        """Tell every change, until cancelled; what cannot be read is reported and changes nothing."""

    def agents(self) -> Mapping[str, str]:
        """Return the address of every node's agent, by node."""
