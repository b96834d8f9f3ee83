"""World time: the one place that reads the clock.

World seconds are CLOCK_BOOTTIME times the speed, so every process of one box that is started with the same
speed agrees on them, a suspended box does not stop a lease, and nobody can set the clock.
"""

import asyncio
import time
from typing import Protocol


class Clock(Protocol):
    """Time as a loop sees it, in world seconds."""

    def now(self) -> float:
        """Return the world time, monotonic."""

    async def sleep_until(self, at_seconds: float, *, or_set: asyncio.Event | None = None) -> None:
        """Return at world time ``at_seconds``, or as soon as ``or_set`` is set."""


class BootClock:
    """The real clock, ``speed`` world seconds to a second."""

    def __init__(self, speed: float = 1.0) -> None:
        if not speed > 0:
            raise ValueError(f"speed must be above zero, not {speed}")
        self.speed = speed

    def now(self) -> float:
        """Return the world time, monotonic."""
        return time.clock_gettime(time.CLOCK_BOOTTIME) * self.speed

    async def sleep_until(self, at_seconds: float, *, or_set: asyncio.Event | None = None) -> None:
        """Return at world time ``at_seconds``, or as soon as ``or_set`` is set."""
        await _sleep(max(0.0, at_seconds - self.now()) / self.speed, or_set)


def utc() -> str:
    """Return the date and time of the calendar, RFC 3339: for people to read, never to compute with."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def utc_after(seconds: float) -> str:
    """Return the date and time of the calendar in so many seconds, RFC 3339: for people to read."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + seconds))


def utc_micros() -> str:
    """Return the date and time of the calendar to the microsecond, as Kubernetes writes a MicroTime."""
    seconds, nanos = divmod(time.time_ns(), 1_000_000_000)
    return time.strftime(f"%Y-%m-%dT%H:%M:%S.{nanos // 1000:06d}Z", time.gmtime(seconds))


class LoopClock:
    """The running event loop's time, which tests bend (looptime)."""

    def now(self) -> float:
        """Return the loop's time."""
        return asyncio.get_running_loop().time()

    async def sleep_until(self, at_seconds: float, *, or_set: asyncio.Event | None = None) -> None:
        """Return at loop time ``at_seconds``, or as soon as ``or_set`` is set."""
        await _sleep(max(0.0, at_seconds - self.now()), or_set)


async def _sleep(seconds: float, or_set: asyncio.Event | None) -> None:
    if or_set is None:
        await asyncio.sleep(seconds)
        return
    try:
        async with asyncio.timeout(seconds):
            await or_set.wait()
    except TimeoutError:
        return
