"""The ready socket: whoever connects is told in one line whether new work may start on this node.

A pod's init container waits for it (`wattline wait-ready`); it needs no network, no rights and no client.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path

ANYBODY = 0o666
"""A pod's init container runs as whoever it likes; the socket tells and takes nothing."""


class CannotListen(Exception):  # noqa: N818 - says what is the case
    """An address to serve at is not to be had; trying again will not help."""

    def __init__(self, where: object, error: OSError) -> None:
        super().__init__(f"cannot listen on {where}: {error.strerror or error}")


@contextlib.asynccontextmanager
async def serve(path: Path, waiting: Callable[[], str]) -> AsyncIterator[None]:
    """Answer every connection while the context lasts: ``ready``, or ``waiting: `` and what ``waiting`` returns.

    A socket that a predecessor left is replaced; raise CannotListen where that is not possible.
    """

    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        why = " ".join(waiting().split())
        with contextlib.suppress(OSError):
            writer.write(f"waiting: {why}\n".encode() if why else b"ready\n")
            await writer.drain()
            writer.close()
            await writer.wait_closed()

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        server = await asyncio.start_unix_server(answer, path)
        path.chmod(ANYBODY)  # noqa: ASYNC240 - once, at the start
    except OSError as error:
        raise CannotListen(path, error) from error
    async with server:
        yield
