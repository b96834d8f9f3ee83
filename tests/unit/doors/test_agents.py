"""Readings of agents: whoever does not answer as itself, and now, is left out."""

import json

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from wattline.doors.agents import STALE_SECONDS, Agents


class HandClock:
    def __init__(self):
        self.at = 0.0

    def now(self):
        return self.at

    async def sleep_until(self, at_seconds, *, or_set=None):
        raise NotImplementedError


def view(node="n1", at_seconds=1.0):
    return {"node": node, "bootId": "b", "atSeconds": at_seconds, "gpus": []}


@pytest.fixture
async def agent():
    """An agent whose answer the test sets."""
    answer = {"body": json.dumps(view()), "status": 200}
    app = web.Application()

    async def gpus(_):
        return web.Response(text=answer["body"], status=answer["status"])

    app.router.add_get("/v1/gpus", gpus)
    async with TestServer(app) as server:
        yield answer, str(server.make_url(""))


async def test_those_that_answer_are_returned(agent):
    _, address = agent
    async with aiohttp.ClientSession() as session:
        seen = await Agents(session, HandClock()).read({"n1": address, "n2": "http://127.0.0.1:1"})

    assert list(seen) == ["n1"]


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param({"body": "no json"}, id="not JSON"),
        pytest.param({"body": "{}"}, id="something else"),
        pytest.param({"status": 500}, id="an error"),
        pytest.param({"body": json.dumps(view("n7"))}, id="another node's agent at that address"),
    ],
)
async def test_an_answer_that_is_none_counts_as_none(agent, answer):
    agent[0].update(answer)
    async with aiohttp.ClientSession() as session:
        assert await Agents(session, HandClock()).read({"n1": agent[1]}) == {}


async def test_readings_that_stopped_moving_count_as_none(agent):
    answer, address = agent
    clock = HandClock()
    async with aiohttp.ClientSession() as session:
        agents = Agents(session, clock)
        assert await agents.read({"n1": address})
        clock.at += STALE_SECONDS + 1
        assert await agents.read({"n1": address}) == {}

        answer["body"] = json.dumps(view(at_seconds=9.0))
        assert await agents.read({"n1": address})
