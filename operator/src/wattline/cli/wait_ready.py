"""``wattline wait-ready``: wait until the node's agent says that new work may start; standard library only.

The init container of a pod that we run calls it with the socket that the agent serves on its node.
"""

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path

import click

from wattline.doors.clock import BootClock, Clock

AGAIN_SECONDS = 1.0
ANSWER_SECONDS = 5.0
"""An agent that takes the connection answers at once."""
LONGEST_LINE = 4096


@click.command("wait-ready")
@click.argument("socket", type=click.Path(path_type=Path))
@click.option(
    "--timeout",
    "timeout_seconds",
    default=600.0,
    show_default=True,
    help="Seconds to wait; 0 waits for ever.",
)
def wait_ready(socket: Path, timeout_seconds: float) -> None:
    """Return once the node agent behind SOCKET says that every GPU of the node is read back under its order.

    Prints what is waited for whenever it changes. Exits with 1 if it is not so within the timeout.
    """
    left = asyncio.run(wait(socket, BootClock(), timeout_seconds or float("inf"), say=click.echo))
    if left:
        sys.exit(f"not ready within {timeout_seconds:g} s: {left}")


async def wait(socket: Path, clock: Clock, timeout_seconds: float, *, say: Callable[[str], None]) -> str:
    """Ask every second; return nothing once ready, or what was still waited for at the end of the time."""
    until = clock.now() + timeout_seconds
    said: str | None = None
    while True:
        waiting = await ask(socket)
        if waiting != said:
            say(f"waiting: {waiting}" if waiting else "ready")
            said = waiting
        if not waiting or clock.now() >= until:
            return waiting
        await clock.sleep_until(min(until, clock.now() + AGAIN_SECONDS))


async def ask(socket: Path) -> str:
    """Return what the node waits for; nothing if it is ready."""
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            reader, writer = await asyncio.open_unix_connection(socket, limit=LONGEST_LINE)
            try:
                line = (await reader.readline()).decode(errors="replace").strip()
            finally:
                writer.close()
    except TimeoutError:
        return "the node agent does not answer"
    except (OSError, ValueError) as error:
        return f"no node agent at {socket}: {getattr(error, 'strerror', None) or error}"
    if line == "ready":
        return ""
    return line.removeprefix("waiting: ") or "the node agent closed the connection"
