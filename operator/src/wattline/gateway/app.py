"""The gateway's routes."""

from collections.abc import Awaitable, Callable

from aiohttp import web
from prometheus_client import generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from wattline.gateway.choose import choose, models
from wattline.gateway.metrics import registry
from wattline.gateway.prompt import Api
from wattline.gateway.refusal import Reason, Refused
from wattline.gateway.service import Gateway
from wattline.gateway.source import Source
from wattline.model.wire import ReplicasView

MAX_BODY_BYTES = 64 * 1024 * 1024

NOT_TOLD = "the API server has not said yet which pools there are"

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@web.middleware
async def refusals(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Give every refusal OpenAI's shape."""
    try:
        return await handler(request)
    except Refused as refused:
        return refused.response()
    except web.HTTPRequestEntityTooLarge:
        limit = MAX_BODY_BYTES // 2**20
        return Refused(413, Reason.TOO_LARGE, f"the body is larger than {limit} MiB").response()
    except (web.HTTPNotFound, web.HTTPMethodNotAllowed) as error:
        what = f"there is no {request.method} {request.path}"
        return Refused(error.status, Reason.BAD_REQUEST, what).response()


class Routes:
    """Answers HTTP for one gateway."""

    def __init__(self, gateway: Gateway, source: Source) -> None:
        self._gateway = gateway
        self._source = source
        self._registry = registry(gateway)

    def app(self) -> web.Application:
        """Return the application."""
        app = web.Application(client_max_size=MAX_BODY_BYTES, middlewares=[refusals])
        app.add_routes(
            [
                *(web.post(f"/v1/{api}", self._completing(api)) for api in Api),
                web.get("/v1/models", self._models),
                web.get("/v1/models/{model:.+}", self._model),
                web.post("/finish_session", self._finish),
                web.get("/v1/replicas", self._replicas),
                web.get("/v1/runs/{run:.+}", self._run),
                web.get("/v1/decisions", self._decisions),
                web.get("/v1/turns", self._turns),
                web.get("/metrics", self._metrics),
                web.get("/healthz", self._healthz),
                web.get("/readyz", self._readyz),
            ]
        )
        return app

    def _completing(self, api: Api) -> Handler:
        async def complete(request: web.Request) -> web.StreamResponse:
            if not self._source.known:
                raise Refused(503, Reason.NO_ENDPOINTS, NOT_TOLD, retry_after_seconds=1)
            return await self._gateway.complete(request, api)

        return complete

    async def _models(self, request: web.Request) -> web.Response:  # noqa: ARG002 - aiohttp's signature
        return web.json_response({"object": "list", "data": [_model(name) for name in self._names()]})

    async def _model(self, request: web.Request) -> web.Response:
        name = request.match_info["model"]
        choose(self._gateway.pools, name, None)
        return web.json_response(_model(name))

    async def _finish(self, request: web.Request) -> web.Response:
        session = request.query.get("session_id", "")
        if not session:
            raise Refused(
                400, Reason.BAD_REQUEST, "say which: POST /finish_session?session_id=ID", param="session_id"
            )
        return web.json_response({"session_id": session, "finished": self._gateway.finish(session)})

    async def _replicas(self, request: web.Request) -> web.Response:
        node = request.query.get("node")
        loads = [load for pool in self._gateway.pools.values() for load in pool.loads(node)]
        return _json(ReplicasView(replicas=tuple(loads)).model_dump_json(by_alias=True))

    async def _run(self, request: web.Request) -> web.Response:
        run = request.match_info["run"]
        self._gateway.energy.settle()
        view = self._gateway.runs.view(run, self._gateway.energy.settled_until())
        if view is None:
            raise Refused(404, Reason.BAD_REQUEST, f"no run {run} is known here", code="run_not_found")
        seconds, because = self._gateway.held(run)
        view = view.model_copy(update={"held_seconds": round(seconds, 3), "held_because": because})
        return _json(view.model_dump_json(by_alias=True))

    async def _decisions(self, request: web.Request) -> web.Response:
        view = self._gateway.telling.view(request.query.get("about"))
        return _json(view.model_dump_json(by_alias=True))

    async def _turns(self, request: web.Request) -> web.Response:
        since = request.query.get("since", "0")
        if not since.isdecimal() or len(since) > 18:
            raise Refused(400, Reason.BAD_REQUEST, "since must be the number of a turn", param="since")
        return web.Response(body=self._gateway.record.view(int(since)), content_type="application/json")

    async def _metrics(self, request: web.Request) -> web.Response:  # noqa: ARG002 - aiohttp's signature
        return web.Response(
            body=generate_latest(self._registry), headers={"Content-Type": CONTENT_TYPE_LATEST}
        )

    async def _healthz(self, request: web.Request) -> web.Response:  # noqa: ARG002 - aiohttp's signature
        return web.Response(text="ok\n")

    async def _readyz(self, request: web.Request) -> web.Response:  # noqa: ARG002 - aiohttp's signature
        gateway = self._gateway
        if gateway.draining:
            return web.Response(status=503, text="draining\n")
        if not self._source.known:
            return web.Response(status=503, text=f"{NOT_TOLD}\n")
        waiting = [name for name, pool in gateway.pools.items() if not pool.reachable and not pool.gone]
        if waiting and self._source.engines_first:
            return web.Response(status=503, text=f"no engine answers yet: {', '.join(waiting)}\n")
        return web.Response(text="ready\n")

    def _names(self) -> list[str]:
        return list(models(self._gateway.pools.values()))


def _model(name: str) -> dict[str, object]:
    return {"id": name, "object": "model", "created": 0, "owned_by": "wattline"}


def _json(text: str) -> web.Response:
    return web.Response(text=text, content_type="application/json")
