"""What the gateway looks at by itself: engines, the agents of the nodes, and the manifests."""

import asyncio
import logging
from collections.abc import Sequence
from pathlib import Path

import aiohttp

from wattline.doors import engine, state
from wattline.doors.agents import Agents
from wattline.doors.clock import Clock
from wattline.doors.manifests import load, manifest_files
from wattline.gateway.pool import Pool
from wattline.gateway.service import Gateway
from wattline.model.errors import BackendError, ClusterError, ManifestError
from wattline.model.state import NodeAnswer

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
        if pool.silent(name, gone=isinstance(error, engine.EngineAwayError)):
            log.warning("replica %s/%s is away and counts as full: %s", pool.name, name, error)
        return
    if pool.replicas[name].sample is None:
        log.info("replica %s/%s answers, %s tokens of KV memory", pool.name, name, sample.capacity_tokens)
    pool.answered(name, sample)
    ours = pool.replicas[name].sequences
    gateway.energy.engine_sequences((pool.name, name), sample.running + sample.waiting, ours)


async def agents(gateway: Gateway, session: aiohttp.ClientSession, state_folder: Path) -> None:
    """Read the energy counters of every node once a period, until cancelled."""
    clock, period = gateway.clock, gateway.settings.poll_seconds
    reader, addresses = Agents(session, clock), Addresses(state_folder)
    due = clock.now()
    while True:
        for view in (await reader.read(addresses.read())).values():
            gateway.energy.read(view, clock.now())
        gateway.energy.settle()
        due = await _next(clock, due, period)


async def manifests(gateway: Gateway, folders: Sequence[Path]) -> None:
    """Take changes of the manifests, until cancelled; wrong ones are reported and change nothing."""
    clock = gateway.clock
    seen = _prints(folders)
    due = clock.now()
    while True:
        due = await _next(clock, due, gateway.settings.poll_seconds)
        now = _prints(folders)
        if now == seen:
            continue
        seen = now
        try:
            gateway.declare(load(folders))
        except ManifestError as error:
            log.error("the manifests have problems, the last good ones stay in force:\n%s", error)  # noqa: TRY400 - the message is whole
        else:
            log.info("manifests taken: %s", ", ".join(gateway.pools) or "no pools")


class Addresses:
    """Where the agents of the nodes serve, as they say in the state folder."""

    def __init__(self, state_folder: Path) -> None:
        self._folder = state_folder / "powernodes"
        self._known: dict[Path, tuple[tuple[int, int], str, str]] = {}

    def read(self) -> dict[str, str]:
        """Return node and address of every agent; files are parsed only where they changed."""
        found: dict[Path, tuple[tuple[int, int], str, str]] = {}
        for path in sorted(self._folder.glob("*.status.yaml")):
            try:
                stat = path.stat()
            except OSError:
                continue
            mark = (stat.st_mtime_ns, stat.st_ino)
            if path in self._known and self._known[path][0] == mark:
                found[path] = self._known[path]
                continue
            found[path] = (mark, "", "")
            try:
                answer = state.read(path, NodeAnswer)
            except ClusterError as error:
                log.warning("the readings of a node are left out: %s", error)
                continue
            if answer is not None:
                found[path] = (mark, answer.metadata.name, answer.status.address)
        self._known = found
        return {node: address for _, node, address in found.values() if address}


def _prints(folders: Sequence[Path]) -> frozenset[tuple[Path, int, int]]:
    """Return what tells whether a manifest changed."""
    prints = set()
    for path in _files(folders):
        try:
            stat = path.stat()
        except OSError:
            continue
        prints.add((path, stat.st_mtime_ns, stat.st_size))
    return frozenset(prints)


def _files(folders: Sequence[Path]) -> list[Path]:
    try:
        return list(manifest_files(folders))
    except OSError:
        return []


async def _next(clock: Clock, due: float, period_seconds: float) -> float:
    """Sleep until the next beat and return it; beats that were missed are skipped."""
    due = max(due + period_seconds, clock.now())
    await clock.sleep_until(due)
    return due
