"""Builds a gateway and runs it until it is told to stop."""

import asyncio
import contextlib
import logging
import signal
import socket
from collections.abc import AsyncIterator

import aiohttp
from aiohttp import web

from wattline.doors.clock import BootClock, Clock, utc
from wattline.gateway import watch
from wattline.gateway.app import Routes
from wattline.gateway.proxy import Proxy
from wattline.gateway.service import Gateway
from wattline.gateway.settings import Settings
from wattline.gateway.source import Source
from wattline.gateway.turnlog import TurnLog

log = logging.getLogger(__name__)

KEEP_ALIVE_SECONDS = 4.0
"""Connections to engines are dropped before uvicorn drops them (5 s), in wall seconds."""

DRAIN_LOOK_SECONDS = 0.5
"""How often a stopping gateway looks whether its turns are done, in world seconds."""


async def run(
    opening: contextlib.AbstractAsyncContextManager[Source],
    settings: Settings,
    clock: BootClock,
    sock: socket.socket,
    turns: TurnLog | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT, then finish the turns there are; a second signal ends at once."""
    stop, now = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, lambda: now.set() if stop.is_set() else stop.set())
    async with (
        opening as source,
        serving(source, settings, clock, sock, speed=clock.speed, turns=turns) as (gateway, parts),
    ):
        host, port = sock.getsockname()[:2]
        log.info("gateway on http://%s:%s/v1 for %s", host, port, ", ".join(gateway.pools) or "no pools yet")
        stopping = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait([stopping, *parts], return_when=asyncio.FIRST_COMPLETED)
            for part in parts:
                if part.done():
                    part.result()  # a part ends only by failing, and then so does the whole
        finally:
            stopping.cancel()
        await drain(gateway, now)


async def drain(gateway: Gateway, now: asyncio.Event) -> None:
    """Take no new sessions and return when the turns under way are over, their time is up, or ``now`` is set."""
    gateway.drain()
    until = gateway.clock.now() + gateway.settings.drain_seconds
    log.info("stopping: no new sessions; %d turns to finish", len(gateway.turns))
    while gateway.turns and gateway.clock.now() < until and not now.is_set():
        await gateway.clock.sleep_until(gateway.clock.now() + DRAIN_LOOK_SECONDS, or_set=now)
    if gateway.turns:
        log.error(
            "stopped with %d turns under way; their clients see a broken connection", len(gateway.turns)
        )


@contextlib.asynccontextmanager
async def serving(
    source: Source,
    settings: Settings,
    clock: Clock,
    sock: socket.socket,
    *,
    speed: float = 1.0,
    turns: TurnLog | None = None,
) -> AsyncIterator[tuple[Gateway, list[asyncio.Task[None]]]]:
    """Serve a gateway on a socket for as long as the block runs; its loops are given too, for they never end.

    ``speed`` (world seconds to a second) tells clients in their own seconds when to come back. Ended turns are
    written to ``turns``.
    """
    served = source.first()
    connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEP_ALIVE_SECONDS)
    async with (
        aiohttp.ClientSession(connector=connector, auto_decompress=False) as upstream,
        aiohttp.ClientSession() as reading,
    ):
        gateway = Gateway(served, settings, clock, Proxy(upstream, clock), stamp=utc, speed=speed, log=turns)
        runner = web.AppRunner(
            Routes(gateway, source).app(), handler_cancellation=True, access_log=None, shutdown_timeout=1.0
        )
        await runner.setup()
        parts = [
            asyncio.create_task(watch.engines(gateway, reading)),
            asyncio.create_task(watch.agents(gateway, reading, source)),
            asyncio.create_task(source.changes(gateway.declare)),
        ]
        try:
            await web.SockSite(runner, sock).start()
            yield gateway, parts
        finally:
            for part in parts:
                part.cancel()
            await asyncio.gather(*parts, return_exceptions=True)
            await runner.cleanup()
