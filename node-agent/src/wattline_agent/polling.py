"""Asks gateways and engines once a second and tells the device process what is known of its replicas."""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from typing import Any

import aiohttp
from pydantic import ValidationError

from wattline.doors import engine as engines
from wattline.doors.clock import Clock
from wattline.model.errors import BackendError
from wattline.model.wire import ReplicasView
from wattline_agent.channel import Channel
from wattline_agent.gateways import Gateways
from wattline_agent.loads import Heard
from wattline_agent.orders import Orders
from wattline_agent.settings import DEFAULTS, Settings

Ask = Callable[[aiohttp.ClientSession, str], Coroutine[Any, Any, None]]


class Polling:
    """Who was asked and what they said."""

    def __init__(
        self,
        node: str,
        orders: Orders,
        gateways: Gateways,
        channel: Channel,
        clock: Clock,
        settings: Settings = DEFAULTS,
    ) -> None:
        self._settings = settings
        self._node = node
        self._orders = orders
        self._gateways = gateways
        self._channel = channel
        self._clock = clock
        self._heard = Heard(settings)

    async def run(self, http: aiohttp.ClientSession) -> None:
        """Ask until cancelled.

        Who has not answered is not asked again meanwhile, so that one that hangs makes only itself unknown.
        """
        due = self._clock.now()
        asking: dict[tuple[Ask, str], asyncio.Task[None]] = {}
        try:
            while True:
                order, urls = self._orders.order, self._gateways.urls
                replicas = () if order is None or order.spec is None else order.spec.replicas
                asking = {key: task for key, task in asking.items() if not task.done()}
                wanted = {(self._ask_gateway, url) for url in urls}
                wanted |= {(self._ask_engine, order.url) for order in replicas}
                for ask, url in wanted - asking.keys():
                    asking[ask, url] = asyncio.create_task(ask(http, url))
                await self._clock.sleep_until(self._clock.now() + self._settings.answer_seconds)
                if replicas:
                    loads = self._heard.loads(replicas, urls, self._clock.now())
                    self._channel.send(loads.model_dump_json(by_alias=True))
                due = max(due + self._settings.poll_seconds, self._clock.now())
                await self._clock.sleep_until(due)
        finally:
            for task in asking.values():
                task.cancel()

    async def _ask_gateway(self, http: aiohttp.ClientSession, url: str) -> None:
        timeout = aiohttp.ClientTimeout(total=self._settings.hang_wall_seconds)
        with contextlib.suppress(aiohttp.ClientError, TimeoutError, ValidationError, UnicodeDecodeError):
            async with http.get(f"{url}/v1/replicas", params={"node": self._node}, timeout=timeout) as answer:
                if answer.status == 200:
                    view = ReplicasView.model_validate_json(await answer.text())
                    self._heard.gateway(url, view.replicas, self._clock.now())

    async def _ask_engine(self, http: aiohttp.ClientSession, url: str) -> None:
        with contextlib.suppress(BackendError):
            self._heard.engine(url, await engines.read(http, url), self._clock.now())
