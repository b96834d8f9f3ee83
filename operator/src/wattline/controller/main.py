"""Builds the reconcile loop on the files door and runs it until it is told to stop."""

import asyncio
import logging
import signal
from collections.abc import Sequence
from pathlib import Path

import aiohttp
from aiohttp import web

from wattline.controller.balance import balance
from wattline.controller.tally import Tally
from wattline.controller.web import app, serve
from wattline.doors import state as folder
from wattline.doors.agents import Agents
from wattline.doors.clock import BootClock, utc
from wattline.doors.files import WATCH_SECONDS, FilesCluster, watch
from wattline.doors.manifests import load
from wattline.doors.overview import overview
from wattline.model.journal import Journal

log = logging.getLogger("wattline.up")

LEAST_WATCH_SECONDS = 0.05
"""Files are looked at no more often than this, in wall seconds, however fast the world runs."""


async def up(manifests: Sequence[Path], state: Path, *, speed: float, listen: tuple[str, int] | None) -> None:
    """Balance until SIGTERM or SIGINT.

    On the way out nothing is written: another `up` takes over where this one stopped, and if none comes the
    leases end and every agent goes to its failsafe watts. `wattline restore` puts GPUs back.
    """
    fleet = load(manifests)
    with folder.locked(state):
        epoch = folder.next_epoch(state, above=overview(state).highest_epoch)
        log.info(
            "epoch %d: %d domains, %d pools, %d nodes",
            epoch,
            len(fleet.domains),
            len(fleet.pools),
            len(fleet.nodes()),
        )
        await _run(manifests, state, epoch, BootClock(speed), listen)


async def _run(
    manifests: Sequence[Path], state: Path, epoch: int, clock: BootClock, listen: tuple[str, int] | None
) -> None:
    nudge, stop = asyncio.Event(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    tally, journal = Tally(), Journal(utc)
    runner = web.AppRunner(app(tally, clock, journal), access_log=None)
    await runner.setup()
    try:
        if listen is not None:
            await serve(runner, listen)
        async with aiohttp.ClientSession() as session, asyncio.TaskGroup() as tasks:
            cluster = FilesCluster(manifests, state, epoch=epoch)
            loops = [
                tasks.create_task(
                    watch(
                        manifests,
                        state,
                        clock,
                        nudge,
                        every_seconds=max(WATCH_SECONDS, LEAST_WATCH_SECONDS * clock.speed),
                    )
                ),
                tasks.create_task(
                    balance(
                        cluster,
                        Agents(session, clock),
                        clock,
                        nudge,
                        stamp=utc,
                        journal=journal,
                        done=tally.ended,
                        abandoned=tally.abandoned,
                    )
                ),
            ]
            await stop.wait()
            for loop in loops:
                loop.cancel()
    finally:
        await runner.cleanup()
