"""What the gateway looks at by itself, once a period: engines, and the agents of the nodes."""

import asyncio
import logging

import aiohttp

from wattline.doors import engine
from wattline.doors.agents import Agents
from wattline.doors.clock import Clock
from wattline.gateway.pool import Pool
from wattline.gateway.service import Gateway
from wattline.gateway.source import Source
from wattline.model.errors import BackendError

log = logging.getLogger(__name__)


async def engines(gateway: Gateway, session: aiohttp.ClientSession) -> None:
    """Read every engine once a period, until cancelled."""
    clock, period = gateway.clock, gateway.settings.poll_seconds
    due = clock.now()
    while True:
        await asyncio.gather(
            *(
                _engine(gateway, pool, name, url, session)
                for pool in gateway.pools.values()
                for name, url in pool.urls().items()
            )
        )
        gateway.tidy()
        due = await _next(clock, due, period)


async def _engine(gateway: Gateway, pool: Pool, name: str, url: str, session: aiohttp.ClientSession) -> None:
    try:
        sample = await engine.read(session, url)
    except BackendError as error:
        if pool.at(name, url) and pool.silent(name, gone=isinstance(error, engine.EngineAwayError)):
            log.warning("replica %s/%s is away and counts as full: %s", pool.name, name, error)
        return
    if not pool.at(name, url):  # it was replaced while it answered
        return
    if pool.replicas[name].sample is None:
        log.info("replica %s/%s answers, %s tokens of KV memory", pool.name, name, sample.capacity_tokens)
    pool.answered(name, sample)
    ours = pool.replicas[name].sequences
    gateway.energy.engine_sequences((pool.name, name), sample.running + sample.waiting, ours)


async def agents(gateway: Gateway, session: aiohttp.ClientSession, source: Source) -> None:
    """Read the energy counters of every node once a period, until cancelled."""
    clock, period = gateway.clock, gateway.settings.poll_seconds
    reader = Agents(session, clock)
    due = clock.now()
    while True:
        for view in (await reader.read(source.agents())).values():
            gateway.energy.read(view, clock.now())
        gateway.energy.settle()
        due = await _next(clock, due, period)


async def _next(clock: Clock, due: float, period_seconds: float) -> float:
    """Sleep until the next beat and return it; beats that were missed are skipped."""
    due = max(due + period_seconds, clock.now())
    await clock.sleep_until(due)
    return due
