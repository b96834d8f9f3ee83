"""The gateways that route to this node: named one by one, or every address that a service's name has now."""

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable, Iterable

from wattline.doors.clock import Clock
from wattline_agent.settings import DEFAULTS, Settings
from wattline_agent.urls import url_of

log = logging.getLogger("wattline-node-agent")

Lookup = Callable[[str, int], Awaitable[Iterable[str]]]
"""From a name to its addresses; raises OSError."""


class Gateways:
    """URLs of all gateways, kept up to date by ``follow``."""

    def __init__(
        self,
        urls: tuple[str, ...],
        service: str,
        clock: Clock,
        lookup: Lookup | None = None,
        settings: Settings = DEFAULTS,
    ) -> None:
        self._settings = settings
        host, _, port = service.rpartition(":")
        self._host, self._port = host, int(port) if service else 0
        self._clock = clock
        self._lookup = addresses if lookup is None else lookup
        self._complaint = ""
        self.urls = urls

    async def follow(self) -> None:
        """Look the name up again and again, until cancelled; what cannot be looked up stays as it was.

        A name without any address is answered like one that cannot be looked up, and the gateways it had last are
        silent then anyway, so that their replicas become unknown either way.
        """
        while self._host:
            now = self._clock.now()
            try:
                found = await self._lookup(self._host, self._port)
            except OSError as error:
                self._complain(f"{self._host} has no addresses now: {error.strerror or error}")
            else:
                self._complaint = ""
                self.urls = tuple(sorted({url_of(address, self._port) for address in found}))
            await self._clock.sleep_until(now + self._settings.gateway_names_seconds)

    def _complain(self, what: str) -> None:
        if what != self._complaint:
            self._complaint = what
            log.warning("%s; gateways known: %s", what, ", ".join(self.urls) or "none")


async def addresses(host: str, port: int) -> Iterable[str]:
    """Ask the system's resolver."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return {str(each[4][0]) for each in found}
