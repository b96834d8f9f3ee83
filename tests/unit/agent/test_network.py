"""The network process against real sockets: what hangs makes only itself unknown."""

import asyncio
import contextlib
from dataclasses import dataclass

import aiohttp
from aiohttp import web
from aiohttp.test_utils import TestServer
from tests.unit.agent.rig import but, replica, spec

from wattline.api.powernode import PodGpus
from wattline.doors.clock import BootClock
from wattline_agent.channel import Channel, pair
from wattline_agent.gateways import Gateways
from wattline_agent.messages import INBOUND, LeaseSeen, LoadsSeen, OrderSeen
from wattline_agent.polling import Polling

METRICS = """vllm:num_requests_running{engine="0"} 2
vllm:num_requests_waiting{engine="0"} 1
vllm:cache_config_info{block_size="16",num_gpu_blocks="1000"} 1
"""
REPLICAS = {
    "replicas": [
        {
            "pool": "coder",
            "name": "r0",
            "residentTokens": 700,
            "capacityTokens": 16000,
            "slowestAgentTokensPerSecond": 33.0,
            "running": 3,
            "waiting": 4,
        }
    ]
}


@dataclass
class Ordered:
    """Orders that stand."""

    order: OrderSeen | None = None
    lease: LeaseSeen | None = None
    looked: bool = True
    pods: tuple[PodGpus, ...] = ()

    async def follow(self) -> None:
        """Nothing changes."""

    async def report(self, status) -> None:
        """Nobody reads it."""


async def test_an_engine_that_hangs_does_not_keep_the_others_from_being_heard():
    asked = {"gateway": 0, "engine": 0}

    async def replicas(request: web.Request) -> web.Response:
        assert request.query["node"] == "n1"
        asked["gateway"] += 1
        return web.json_response(REPLICAS)

    async def metrics(_: web.Request) -> web.Response:
        asked["engine"] += 1
        return web.Response(text=METRICS)

    async def never(_: web.Request) -> web.Response:
        await asyncio.sleep(60)
        return web.Response()

    well, hung = web.Application(), web.Application()
    well.add_routes([web.get("/v1/replicas", replicas), web.get("/metrics", metrics)])
    hung.add_routes([web.get("/metrics", never)])
    async with TestServer(well) as one, TestServer(hung) as other, aiohttp.ClientSession() as http:
        good, bad = str(one.make_url("")).rstrip("/"), str(other.make_url("")).rstrip("/")
        ours, theirs = pair()
        clock = BootClock(5.0)
        orders = tuple(
            replica(index).model_copy(update={"url": url}) for index, url in enumerate((good, bad))
        )
        ordered = Ordered(OrderSeen(spec=but(spec(), replicas=orders)))
        asking = Polling("n1", ordered, Gateways((good,), "", clock), Channel(theirs), clock)
        polling = asyncio.create_task(asking.run(http))
        device = Channel(ours)
        told: list[LoadsSeen] = []
        async with asyncio.timeout(10):
            while asked["gateway"] < 5 or not told or told[-1].replicas[0].seen.resident_tokens is None:
                await asyncio.sleep(0.02)
                told += [INBOUND.validate_json(text) for text in device.receive()]
        polling.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await polling
        ours.close()
        theirs.close()

    known, unknown = told[-1].replicas
    assert (known.seen.resident_tokens, known.seen.capacity_tokens) == (700, 16000)
    assert (known.seen.running, known.seen.waiting) == (3, 4)
    assert known.seen.slowest_agent_tokens_per_second == 33.0
    assert unknown.seen.resident_tokens is None
    assert asked["engine"] >= 4
