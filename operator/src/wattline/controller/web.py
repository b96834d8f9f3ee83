"""``/metrics``, ``/healthz`` and ``/v1/decisions`` of the reconcile loop."""

from aiohttp import web
from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from wattline.controller.balance import PERIOD_SECONDS
from wattline.controller.metrics import BalanceCollector
from wattline.controller.tally import Tally
from wattline.doors.clock import Clock
from wattline.model.journal import Journal


def app(tally: Tally, clock: Clock, journal: Journal) -> web.Application:
    """Return the application; healthy means that a whole pass ended within the last four periods."""
    registry = CollectorRegistry()
    registry.register(BalanceCollector(tally, clock.now))
    ProcessCollector(registry=registry)

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(body=generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def healthz(_: web.Request) -> web.Response:
        seen = tally.last
        if seen is None:
            return web.Response(status=503, text="no pass has ended yet\n")
        age = clock.now() - seen.at_seconds
        if age > 4 * PERIOD_SECONDS:
            return web.Response(status=503, text=f"no whole pass for {age:.0f} s\n")
        return web.Response(text="ok\n")

    async def decisions(request: web.Request) -> web.Response:
        view = journal.view(request.query.get("about"))
        return web.Response(text=view.model_dump_json(by_alias=True), content_type="application/json")

    made = web.Application()
    made.router.add_get("/metrics", metrics)
    made.router.add_get("/healthz", healthz)
    made.router.add_get("/v1/decisions", decisions)
    return made
