"""Leading: one process at a time acts; the others stand by with everything read."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from wattline.doors.clock import Clock
from wattline.doors.kube.errors import Superseded
from wattline.doors.kube.lease import Election, Fence

log = logging.getLogger("wattline.lead")

LOOK_SECONDS = 0.2
"""How often a process that has not read everything yet looks again."""


class Copies(Protocol):
    """What a leader has to have read before it leads."""

    def problem(self) -> str:
        """Return what is missing; empty if nothing is."""

    def highest_epoch(self) -> int:
        """Return the highest epoch there was."""


async def lead(
    election: Election,
    copies: Copies,
    clock: Clock,
    act: Callable[[Fence], Awaitable[None]],
    *,
    leads: Callable[[bool], None] = lambda _: None,
) -> None:
    """Run ``act`` whenever we lead, until cancelled; then give the lease back.

    ``act`` is cancelled, and has ended, before anybody else can know that we do not lead any more.
    """
    while True:
        while copies.problem():
            await clock.sleep_until(clock.now() + LOOK_SECONDS)
        fence = await election.acquire(copies.highest_epoch)
        log.info("epoch %d: we lead", fence.epoch)
        leads(True)
        try:
            await _term(election, fence, act(fence))
        except Superseded as error:
            log.warning("epoch %d: we lead no longer: %s", fence.epoch, error)
        finally:
            leads(False)
            await asyncio.shield(election.release(fence))


async def _term(election: Election, fence: Fence, acting: Awaitable[None]) -> None:
    """Act and renew until one of the two ends; both have ended when this returns."""
    tasks = [asyncio.ensure_future(acting), asyncio.ensure_future(election.hold(fence))]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        await _ended(tasks)


async def _ended(tasks: Sequence[asyncio.Future[None]]) -> None:
    """Cancel tasks and return when they have ended; a cancellation of our own waits for that too."""
    for task in tasks:
        task.cancel()
    cancelled: asyncio.CancelledError | None = None
    while not all(task.done() for task in tasks):
        try:
            await asyncio.wait(tasks)
        except asyncio.CancelledError as error:
            cancelled = error
    for task in tasks:
        if not task.cancelled():
            task.exception()  # it is asked for, so that it is not reported as lost
    if cancelled is not None:
        raise cancelled
