"""An engine as a pod sees it: asks the node's world for it, holds it, and passes calls on."""

import logging
from dataclasses import dataclass

import aiohttp
from aiohttp import WSMsgType, web

from wattline.doors.clock import Clock
from wattline.fake.control import HEARTBEAT_SECONDS, EngineHeld, EngineWanted
from wattline.fake.openai import CallError
from wattline.fake.serve import MAX_BODY_BYTES

log = logging.getLogger(__name__)

AGAIN_SECONDS = 1.0
"""Pause before the world is asked again, in wall seconds."""

_HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "host", "content-encoding"}


class EngineImpossibleError(Exception):
    """The world will never run this engine; the message is its own."""


@dataclass(frozen=True, slots=True)
class EnginePlace:
    """An engine and the world that runs it."""

    world: str
    """Address of the world's process."""
    wanted: EngineWanted

    @property
    def url(self) -> str:
        """Where the world serves the engine."""
        return f"{self.world.rstrip('/')}/engines/{self.wanted.name}"


class EnginePod:
    """Keeps one engine for as long as it runs itself."""

    def __init__(self, place: EnginePlace, http: aiohttp.ClientSession, clock: Clock) -> None:
        self._place = place
        self._http = http
        self._clock = clock
        self._held = False
        self._why = "the world was not asked yet"

    def app(self) -> web.Application:
        """Return the application that stands where an engine's server would."""
        app = web.Application(client_max_size=MAX_BODY_BYTES)
        app.router.add_route("*", "/{path:.*}", self._pass_on)
        return app

    async def hold(self) -> None:
        """Hold the engine, again whenever the world comes back, until cancelled; raise if it can never run."""
        while True:
            try:
                await self._once()
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                self._say(
                    f"the world at {self._place.world} does not answer: {error or type(error).__name__}"
                )
            finally:
                self._held = False
            await self._clock.sleep_until(self._clock.now() + AGAIN_SECONDS)

    async def _once(self) -> None:
        url = f"{self._place.world.rstrip('/')}/engines"
        async with self._http.ws_connect(url, heartbeat=HEARTBEAT_SECONDS) as held:
            await held.send_str(self._place.wanted.model_dump_json(by_alias=True))
            answer = await held.receive()
            if answer.type is not WSMsgType.TEXT:
                self._say("the world closed the connection")
                return
            said = EngineHeld.model_validate_json(answer.data)
            if said.status == 409:
                self._say(said.message)
                return
            if said.status != 201:
                raise EngineImpossibleError(said.message)
            self._held = True
            log.info("engine %s started on %s", self._place.wanted.name, ", ".join(self._place.wanted.gpus))
            async for _ in held:
                pass
            self._say("the world ended the engine")

    def _say(self, why: str) -> None:
        if why != self._why:
            log.warning("%s", why)
        self._why = why

    async def _pass_on(self, request: web.Request) -> web.StreamResponse:
        if not self._held:
            return web.json_response(CallError(503, self._why).body(), status=503)
        headers = {name: value for name, value in request.headers.items() if name.lower() not in _HOP_BY_HOP}
        url = f"{self._place.url}{request.path_qs}"
        try:
            async with self._http.request(
                request.method, url, data=await request.read(), headers=headers
            ) as answer:
                return await _back(request, answer)
        except aiohttp.ClientConnectionError as error:
            return web.json_response(CallError(503, f"the world is away: {error}").body(), status=503)


async def _back(request: web.Request, answer: aiohttp.ClientResponse) -> web.StreamResponse:
    """Give an answer on as it comes; one that breaks off breaks off here too."""
    headers = {name: value for name, value in answer.headers.items() if name.lower() not in _HOP_BY_HOP}
    response = web.StreamResponse(status=answer.status, headers=headers)
    await response.prepare(request)
    try:
        async for part in answer.content.iter_any():
            await response.write(part)
    except aiohttp.ClientPayloadError:
        if request.transport is not None:
            request.transport.abort()
        return response
    await response.write_eof()
    return response
