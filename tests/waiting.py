"""Waiting for what others bring about, and work that goes on beside a test."""

import asyncio
import contextlib
import functools
import time
from collections.abc import AsyncIterator, Awaitable, Callable


async def until(holds: Callable[[], object], seconds: float = 10.0) -> None:
    """Wait for something to come true, while others work on it."""
    async with asyncio.timeout(seconds):
        while not holds():
            await asyncio.sleep(0.01)


def block_until(holds: Callable[[], object], what: str = "it", seconds: float = 30.0) -> None:
    """Wait likewise where other processes work on it and nothing of this one has to go on; ``what`` is for the message."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, f"not within {seconds:g} s: {what}"
        time.sleep(0.02)


def within(seconds: float) -> Callable[..., Awaitable[None]]:
    """Return ``until`` with another patience."""
    return functools.partial(until, seconds=seconds)


@contextlib.asynccontextmanager
async def beside(work: Awaitable[object]) -> AsyncIterator[None]:
    """Do some work beside the test and end it with the test; raise what it raised."""
    task = asyncio.ensure_future(work)
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
