"""The readings of node agents, over HTTP."""

import asyncio
from collections.abc import Mapping

import aiohttp
from pydantic import ValidationError

from wattline.doors.clock import Clock
from wattline.model.wire import GpusView

STALE_SECONDS = 5.0
"""Readings that stopped moving for this long are none, in world seconds."""

ANSWER_SECONDS = 2.0
"""Guards against an agent that accepts a connection and hangs, in wall seconds."""


class Agents:
    """Reads every agent at once; one that does not answer, or answers for another node, is left out."""

    def __init__(self, session: aiohttp.ClientSession, clock: Clock) -> None:
        self._session = session
        self._clock = clock
        self._moved: dict[str, tuple[tuple[str, float], float]] = {}

    async def read(self, addresses: Mapping[str, str]) -> dict[str, GpusView]:
        """Return the readings of the nodes that answer now."""
        answers = await asyncio.gather(*(self._one(node, address) for node, address in addresses.items()))
        return {view.node: view for view in answers if view is not None}

    async def _one(self, node: str, address: str) -> GpusView | None:
        limit = aiohttp.ClientTimeout(total=ANSWER_SECONDS)
        try:
            async with self._session.get(f"{address.rstrip('/')}/v1/gpus", timeout=limit) as response:
                response.raise_for_status()
                view = GpusView.model_validate_json(await response.read())
        except (aiohttp.ClientError, TimeoutError, ValidationError, ValueError):
            return None
        mark, now = (view.boot_id, view.at_seconds), self._clock.now()
        last, since = self._moved.get(node, (mark, now))
        if last != mark:
            since = now
        self._moved[node] = (mark, since)
        return view if view.node == node and now - since <= STALE_SECONDS else None
