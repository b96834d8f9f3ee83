"""The door of a node's world to its pods: an engine lives for as long as somebody holds a connection for it.

``GET /gpus`` lists GPUs and who uses them. ``GET /engines`` as a WebSocket takes one message, `EngineWanted`, is
answered with `EngineHeld`, and holds the engine until it closes. ``/engines/NAME/…`` is that engine's own server.
"""

import asyncio
from collections.abc import Sequence

from aiohttp import WSCloseCode, web
from pydantic import ValidationError

from wattline.api.base import Spec
from wattline.fake.engines import EngineRefusedError, Engines
from wattline.fake.node import NodeWorld
from wattline.fake.serve import MAX_BODY_BYTES, EngineServer
from wattline.world.gpu import Gpu

HEARTBEAT_SECONDS = 30.0
"""A pod that vanished without closing its connection is noticed after this and half of it, in wall seconds."""

ASK_SECONDS = 10.0
"""A connection that does not say what it wants is closed after this, in wall seconds."""


class EngineWanted(Spec):
    """An engine that a pod wants started."""

    name: str
    model: str
    gpus: tuple[str, ...]
    loading_seconds: float | None = None
    """World seconds; by default as long as the weights need."""


class EngineHeld(Spec):
    """What became of it."""

    status: int
    """201 where it runs now; 409 where a GPU is not free yet; other codes do not get better by waiting."""
    message: str = ""


class Control:
    """Serves a node's world over HTTP."""

    def __init__(
        self, world: NodeWorld, engines: Engines, gpus: Sequence[Gpu], *, chunk_wall_seconds: float
    ) -> None:
        self._world = world
        self._engines = engines
        self._gpus = tuple(gpus)
        self._chunk_wall_seconds = chunk_wall_seconds
        self._servers: dict[str, EngineServer] = {}
        self._calls: dict[str, set[asyncio.Task[web.StreamResponse]]] = {}
        self._holds: set[web.WebSocketResponse] = set()

    def app(self) -> web.Application:
        """Return the application."""
        app = web.Application(client_max_size=MAX_BODY_BYTES)
        app.add_routes(
            [
                web.get("/healthz", self._healthz),
                web.get("/gpus", self._list),
                web.get("/engines", self._hold),
                web.route("*", "/engines/{name}/{path:.*}", self._call),
            ]
        )
        app.on_shutdown.append(self._let_go)
        return app

    async def _healthz(self, request: web.Request) -> web.Response:  # noqa: ARG002 - aiohttp's signature
        return web.Response(text="ok\n")

    async def _list(self, request: web.Request) -> web.Response:  # noqa: ARG002 - aiohttp's signature
        gpus = [
            {"uuid": gpu.uuid, "product": gpu.product.name, "engine": self._engines.owner(gpu.uuid)}
            for gpu in self._gpus
        ]
        return web.json_response({"gpus": gpus})

    async def _hold(self, request: web.Request) -> web.WebSocketResponse:
        held = web.WebSocketResponse(heartbeat=HEARTBEAT_SECONDS)
        await held.prepare(request)
        self._holds.add(held)
        name: str | None = None
        try:
            name = await self._start(held)
            while name is not None and not held.closed:
                await held.receive()
        finally:
            self._holds.discard(held)
            if name is not None:
                self._end(name)
        return held

    async def _start(self, held: web.WebSocketResponse) -> str | None:
        """Start the engine that a connection wants; return its name, None where it cannot be."""
        try:
            wanted = EngineWanted.model_validate_json(await held.receive_str(timeout=ASK_SECONDS))
        except (ValidationError, TypeError, TimeoutError) as error:
            await held.close(code=WSCloseCode.POLICY_VIOLATION, message=type(error).__name__.encode())
            return None
        try:
            host = self._engines.start(wanted.name, wanted.model, wanted.gpus, loading=wanted.loading_seconds)
        except EngineRefusedError as error:
            await held.send_str(EngineHeld(status=error.status, message=str(error)).model_dump_json())
            return None
        self._servers[wanted.name] = EngineServer(
            host, self._world, chunk_wall_seconds=self._chunk_wall_seconds
        )
        try:
            await held.send_str(EngineHeld(status=201).model_dump_json())
        except ConnectionError:  # whoever asked is gone already
            self._end(wanted.name)
            return None
        return wanted.name

    def _end(self, name: str) -> None:
        """End an engine, and every call to it in the middle."""
        del self._servers[name]
        self._engines.end(name)
        for call in self._calls.pop(name, ()):
            call.cancel()

    async def _call(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["name"]
        server = self._servers.get(name)
        if server is None:
            raise web.HTTPNotFound(text=f"no engine {name} runs here\n")
        call = asyncio.ensure_future(server.answer(request))
        calls = self._calls.setdefault(name, set())
        calls.add(call)
        try:
            return await call
        finally:
            calls.discard(call)
            if not call.done():
                call.cancel()

    async def _let_go(self, app: web.Application) -> None:  # noqa: ARG002 - aiohttp's signature
        for held in tuple(self._holds):
            await held.close(code=WSCloseCode.GOING_AWAY)
