"""kopf's part: it watches our kinds and wakes whoever decides; it writes nothing, so nothing of it blocks a deletion."""

import asyncio
import concurrent.futures
import functools
import itertools
import logging
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import kopf

from wattline.api.base import GROUP, VERSION
from wattline.doors.kube.access import Access
from wattline.doors.kube.client import session

LONGEST_PAUSE_SECONDS = 15

logging.getLogger("kopf").setLevel(logging.WARNING)  # it says every event it was told of
logging.getLogger("kopf._core.reactor.running").setLevel(
    logging.ERROR
)  # signals are not its business, as meant


Wake = Callable[[], object]
"""Told that something changed, or is to change; returns nothing of use."""


class Patiently:
    """Pauses between attempts to reach the API server, without an end: an API server that is away is waited for."""

    def __iter__(self) -> Iterator[float]:
        return itertools.chain((1, 2, 4, 8), itertools.repeat(LONGEST_PAUSE_SECONDS))


async def watch(access: Access, nudges: Mapping[str, Wake]) -> None:
    """Call a kind's nudge, by its plural, at every change of an object of that kind, until cancelled.

    The kinds must be installed before. kopf takes every task of its event loop for its own and ends them all when
    it stops, so it gets a thread and a loop to itself.
    """
    here = asyncio.get_running_loop()
    began: concurrent.futures.Future[Wake] = concurrent.futures.Future()

    heard = {plural: functools.partial(here.call_soon_threadsafe, nudge) for plural, nudge in nudges.items()}
    with concurrent.futures.ThreadPoolExecutor(1, "kopf") as thread:
        ended = here.run_in_executor(thread, lambda: asyncio.run(_operate(access, heard, began)))
        try:
            await asyncio.shield(ended)
        except asyncio.CancelledError:
            (await asyncio.wrap_future(began))()
            await ended
            raise
    raise RuntimeError("kopf has stopped by itself")


async def _operate(
    access: Access,
    nudges: Mapping[str, Wake],
    began: "concurrent.futures.Future[Wake]",
) -> None:
    """Run kopf until the function that ``began`` is given is called, from any thread."""
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    began.set_result(functools.partial(loop.call_soon_threadsafe, stop.set))
    await kopf.operator(
        registry=handlers(access, nudges),
        settings=settings(),
        clusterwide=True,
        standalone=True,
        stop_flag=stop,
    )


def settings() -> kopf.OperatorSettings:
    """Return settings under which kopf annotates, finalizes, posts and looks for nothing beyond our kinds."""
    made = kopf.OperatorSettings()
    made.scanning.disabled = True
    made.posting.enabled = False
    made.peering.standalone = True
    made.watching.chunk_size = 500
    made.watching.connect_timeout = 10
    made.networking.request_timeout = 60
    made.process.ultimate_exiting_timeout = None
    made.networking.error_backoffs = Patiently()
    return made


def handlers(access: Access, nudges: Mapping[str, Wake]) -> kopf.OperatorRegistry:
    """Return event handlers for each kind; event handlers are the only ones that leave objects as they are."""
    registry = kopf.OperatorRegistry()

    @kopf.on.login(registry=registry)
    async def login(**_: Any) -> kopf.AiohttpSession:
        """Use our own way to the API server, whose token is renewed under us."""
        return kopf.AiohttpSession(
            server=access.server,
            aiohttp_session=session(access, "wattline-kopf"),
            default_namespace=access.namespace,
        )

    for plural, nudge in nudges.items():
        kopf.on.event(GROUP, VERSION, plural, registry=registry, id=plural)(_nudging(nudge))
    return registry


def news(body: Mapping[str, Any]) -> Any:
    """Return what is worth a pass when it changes: what users write, and how a workflow's run stands, but not what
    the loop itself writes.
    """
    meta, run = body["metadata"], (body.get("status") or {}).get("run") or {}
    return meta.get("generation"), meta.get("deletionTimestamp"), run.get("phase"), run.get("reason")


def _nudging(nudge: Wake) -> Any:
    known: dict[str, Any] = {}

    async def changed(type: str | None, uid: str, body: kopf.Body, **_: Any) -> None:  # noqa: A002 - kopf's name
        """Wake the loop; it alone validates, decides and writes."""
        was, now = known.get(uid), None if type == "DELETED" else news(body)
        if now is None:
            known.pop(uid, None)
        else:
            known[uid] = now
        if was != now:
            nudge()

    return changed
