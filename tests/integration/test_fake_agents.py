"""Replaying agents against fake engines over real sockets."""

import asyncio

import aiohttp
import pytest
from aiohttp import web
from tests.integration.fake_engines import MODEL, served

from wattline.doors.clock import BootClock
from wattline.fake.agents import SESSION_HEADER, Replay
from wattline.model.context import Extent
from wattline.model.runs import Arrival, Run, Turn
from wattline.sim.generate import generate

SPEED = 50


def engine(*, before=None):
    """A fake engine with room; ``before`` may answer a completion instead of it."""
    return served(gpus=2, speed=SPEED, middleware=before)


async def replayed(url, arrivals, **limits):
    async with aiohttp.ClientSession() as http:
        replay = Replay(url, MODEL, BootClock(SPEED), http)
        await replay.play(arrivals, **limits)
    return replay.outcomes


def run(name="r", turns=3):
    grown = [Extent(name, 0, 400 + 100 * i) for i in range(turns)]
    return Run(
        name,
        name,
        "h",
        tuple(Turn((Extent("open", 0, 1600), e), Extent(name, e.end, e.end + 40), 0.5) for e in grown),
    )


async def test_a_recorded_run_is_played_turn_by_turn_and_finds_its_context_again():
    recorded = generate(3, seed=1).runs
    async with engine() as (host, url):
        outcomes = await replayed(
            url,
            [Arrival(0.5 * i, Run(r.id, r.session, r.harness, r.turns[:8])) for i, r in enumerate(recorded)],
        )

    assert [outcome.failure for outcome in outcomes] == [None] * 3
    assert all(outcome.finished_seconds for outcome in outcomes)
    for outcome, original in zip(outcomes, recorded, strict=True):
        for seen, before, turn in zip(outcome.turns[1:], original.turns, original.turns[1:], strict=False):
            assert seen.prompt_tokens == sum(extent.tokens for extent in turn.context)
            assert seen.output_tokens == turn.output.tokens
            kept = sum(extent.tokens for extent in before.context)
            assert kept - 32 <= seen.cached_tokens <= seen.prompt_tokens
    assert host.engine.running == 0


async def test_the_same_run_sends_the_same_bytes_again():
    bodies = []

    @web.middleware
    async def keep(request, handler):
        if request.path == "/v1/chat/completions":
            bodies.append(await request.read())
        return await handler(request)

    async with engine(before=keep) as (_, url):
        await replayed(url, [Arrival(0.0, run())])
        await replayed(url, [Arrival(0.0, run())])

    assert len(bodies) == 6
    assert bodies[:3] == bodies[3:]


async def test_a_refused_start_waits_as_long_as_it_was_told_and_the_end_is_announced():
    refusals = iter([429, 429])
    ends, sessions = [], []

    @web.middleware
    async def refuse(request, handler):
        if request.path == "/finish_session":
            ends.append(request.query["session_id"])
            return web.Response()
        sessions.append(request.headers[SESSION_HEADER])
        if next(refusals, None):
            body = {"error": {"message": "no room", "type": "kv_memory"}}
            return web.json_response(body, status=429, headers={"Retry-After": "2"})
        return await handler(request)

    async with engine(before=refuse) as (_, url):
        (outcome,) = await replayed(url, [Arrival(0.0, run(turns=1))])

    assert outcome.refusals == 2
    assert outcome.refusal == "no room"
    assert outcome.turns[0].requested_seconds >= 4
    assert outcome.finished_seconds is not None
    assert ends == ["r"]
    assert set(sessions) == {"r"}


@pytest.mark.parametrize("breaks", [1, 4])
async def test_a_broken_turn_is_tried_again_and_a_hopeless_one_ends_its_run(breaks):
    left = iter(range(breaks))

    @web.middleware
    async def fail(request, handler):
        if request.path == "/finish_session" or next(left, None) is None:
            return await handler(request)
        return web.json_response({"error": {"message": "engine died"}}, status=500)

    async with engine(before=fail) as (_, url):
        (outcome,) = await replayed(url, [Arrival(0.0, run(turns=1))])

    assert (outcome.finished_seconds is not None) == (breaks == 1)
    if breaks == 4:
        assert outcome.failure == "turn 1: HTTP 500: engine died"


async def test_what_is_unfinished_at_the_end_is_dropped_and_the_engine_stops_working_on_it():
    long = Run("long", "long", "h", (Turn((Extent("long", 0, 100),), Extent("long", 100, 60_000), 0.0),))
    async with engine() as (host, url):
        outcomes = await replayed(url, [Arrival(0.0, long), Arrival(1e6, run())], until_seconds=5.0)
        async with asyncio.timeout(5):
            while host.engine.running:
                await asyncio.sleep(0.01)

    assert [outcome.finished_seconds for outcome in outcomes] == [None]


async def test_a_later_run_of_a_session_waits_for_the_one_before():
    first, second = run("first", turns=2), run("second", turns=1)
    later = Run(second.id, first.session, second.harness, second.turns)
    async with engine() as (_, url):
        outcomes = await replayed(url, [Arrival(0.0, first), Arrival(0.1, later)])

    assert [outcome.id for outcome in outcomes] == ["first", "second"]
    assert outcomes[1].turns[0].requested_seconds >= outcomes[0].finished_seconds
