"""``/metrics``, ``/healthz``, ``/readyz`` and ``/v1/decisions`` of the reconcile loop."""

import logging
from collections.abc import Callable, Sequence

from aiohttp import web
from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector

from wattline.controller.balance import PERIOD_SECONDS
from wattline.controller.metrics import BalanceCollector
from wattline.controller.tally import Tally
from wattline.doors.clock import Clock
from wattline.model.errors import WattlineError
from wattline.model.journal import Journal

log = logging.getLogger("wattline.web")


def app(
    tally: Tally,
    clock: Clock,
    journal: Journal,
    *,
    alive: Callable[[], str] | None = None,
    ready: Callable[[], str] = lambda: "",
    collectors: Sequence[Collector] = (),
) -> web.Application:
    """Return the application. ``alive`` and ``ready`` say what is wrong, or nothing; alive means that a whole pass
    ended within the last four periods where nothing else is given.
    """
    registry = CollectorRegistry()
    registry.register(BalanceCollector(tally, clock.now))
    ProcessCollector(registry=registry)
    for each in collectors:
        registry.register(each)

    def no_pass() -> str:
        seen = tally.last
        if seen is None:
            return "no pass has ended yet"
        age = clock.now() - seen.at_seconds
        return f"no whole pass for {age:.0f} s" if age > 4 * PERIOD_SECONDS else ""

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(body=generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def healthz(_: web.Request) -> web.Response:
        return _verdict((alive or no_pass)())

    async def readyz(_: web.Request) -> web.Response:
        return _verdict(ready())

    async def decisions(request: web.Request) -> web.Response:
        view = journal.view(request.query.get("about"))
        return web.Response(text=view.model_dump_json(by_alias=True), content_type="application/json")

    made = web.Application()
    made.router.add_get("/metrics", metrics)
    made.router.add_get("/healthz", healthz)
    made.router.add_get("/readyz", readyz)
    made.router.add_get("/v1/decisions", decisions)
    return made


async def serve(runner: web.AppRunner, listen: tuple[str, int]) -> None:
    """Serve at an address, or raise `WattlineError` saying what is in the way."""
    host, port = listen
    try:
        await web.TCPSite(runner, host, port).start()
    except OSError as error:
        raise WattlineError(
            f"cannot listen on {host}:{port}: {error.strerror}; choose another --listen"
        ) from error
    for address in runner.addresses:
        log.info("metrics at http://%s:%d/metrics", address[0], address[1])


def _verdict(problem: str) -> web.Response:
    return web.Response(status=503, text=f"{problem}\n") if problem else web.Response(text="ok\n")
