"""The agent's HTTP face: readings, metrics in two shapes, decisions, health."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from aiohttp import web
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from wattline.api.powernode import PowerNodeStatus
from wattline.model.wire import DecisionsView, GpusView
from wattline_agent.dcgm import exposition
from wattline_agent.messages import View
from wattline_agent.metrics import AgentCollector
from wattline_agent.pods import Mapped
from wattline_agent.settings import DEFAULTS, Settings
from wattline_agent.status import stale

TEXT = "text/plain; version=0.0.4; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Face:
    """What is shown, asked for at every request."""

    node: str
    now: Callable[[], float]
    view: Callable[[], View | None]
    status: Callable[[], PowerNodeStatus | None]
    pods: Callable[[], Mapped]
    decisions: Callable[[str | None], DecisionsView]
    settings: Settings = DEFAULTS

    def fresh(self) -> View | None:
        """Return the last view, unless it is too old to be served as a reading."""
        view = self.view()
        return None if view is None or view.let_go or stale(view, self.now(), self.settings) else view


def app(face: Face, more: Iterable[web.RouteDef] = ()) -> web.Application:
    """Return the application; ``more`` is what else it serves."""
    registry = CollectorRegistry()
    registry.register(AgentCollector(face.node, face.view, face.pods, face.now))

    async def gpus(_: web.Request) -> web.Response:
        view = face.fresh()
        if view is None:
            return _nothing()
        answer = GpusView(
            node=face.node,
            boot_id=view.boot_id,
            at_seconds=view.at_seconds,
            gpus=tuple(gpu.sample for gpu in view.gpus if gpu.sample is not None),
        )
        return web.Response(text=answer.model_dump_json(by_alias=True), content_type="application/json")

    async def decisions(request: web.Request) -> web.Response:
        answer = face.decisions(request.query.get("about"))
        return web.Response(text=answer.model_dump_json(by_alias=True), content_type="application/json")

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(body=generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def dcgm(_: web.Request) -> web.Response:
        view = face.fresh()
        if view is None:
            return _nothing()
        text = exposition(view, face.node, face.pods().pods)
        return web.Response(body=text.encode(), headers={"Content-Type": TEXT})

    async def healthz(_: web.Request) -> web.Response:
        # a blocked driver call is not cured by a restart, so this says only that the process serves
        status = face.status()
        return web.json_response(
            {"state": "starting", "reason": ""}
            if status is None
            else {"state": status.state, "reason": status.reason}
        )

    application = web.Application()
    application.add_routes(
        [
            web.get("/v1/gpus", gpus),
            web.get("/v1/decisions", decisions),
            web.get("/metrics", metrics),
            web.get("/metrics/dcgm", dcgm),
            web.get("/dcgm/metrics", dcgm),  # aiperf appends /metrics to what does not end with it
            web.get("/healthz", healthz),
            *more,
        ]
    )
    return application


def _nothing() -> web.Response:
    return web.json_response({"error": {"message": "no fresh reading of the devices"}}, status=503)
