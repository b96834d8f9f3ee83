"""Gateways by the name of a service: every address, looked up again and again; what cannot be looked up stays."""

import asyncio
from contextlib import suppress

import pytest

from wattline.doors.clock import LoopClock
from wattline_agent.gateways import Gateways, addresses


class Names:
    """A resolver whose answer the test changes."""

    def __init__(self, *found: str) -> None:
        self.found: tuple[str, ...] | None = found
        self.asked: list[tuple[str, int]] = []

    async def __call__(self, host: str, port: int):
        self.asked.append((host, port))
        if self.found is None:
            raise OSError(-2, "Name or service not known")
        return self.found


async def follow(gateways: Gateways, seconds: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await gateways.follow()


@pytest.mark.looptime
async def test_every_address_of_the_name_is_a_gateway_once():
    names = Names("10.0.0.2", "10.0.0.1", "fd00::7", "10.0.0.1")
    gateways = Gateways((), "shards.ns.svc:8080", LoopClock(), names)
    assert gateways.urls == ()
    await follow(gateways, 1)

    assert gateways.urls == ("http://10.0.0.1:8080", "http://10.0.0.2:8080", "http://[fd00::7]:8080")
    assert names.asked == [("shards.ns.svc", 8080)]


@pytest.mark.looptime
async def test_a_shard_that_comes_or_goes_is_seen_within_seconds():
    names = Names("10.0.0.1")
    gateways = Gateways((), "shards:8080", LoopClock(), names)
    task = asyncio.create_task(follow(gateways, 20))
    await asyncio.sleep(10)
    names.found = ("10.0.0.2", "10.0.0.3")
    await asyncio.sleep(3.1)

    assert gateways.urls == ("http://10.0.0.2:8080", "http://10.0.0.3:8080")
    await task


@pytest.mark.looptime
async def test_a_name_that_cannot_be_looked_up_leaves_the_gateways_as_they_were_and_is_told_once(caplog):
    names = Names("10.0.0.1")
    gateways = Gateways((), "shards:8080", LoopClock(), names)
    task = asyncio.create_task(follow(gateways, 30))
    await asyncio.sleep(1)
    names.found = None
    await task

    assert gateways.urls == ("http://10.0.0.1:8080",)
    assert caplog.text.count("Name or service not known") == 1


async def test_gateways_that_are_named_one_by_one_are_not_looked_up():
    gateways = Gateways(("http://gw1", "http://gw2"), "", LoopClock(), Names())
    await gateways.follow()

    assert gateways.urls == ("http://gw1", "http://gw2")


async def test_the_systems_resolver_answers():
    assert set(await addresses("localhost", 1)) & {"127.0.0.1", "::1"}
