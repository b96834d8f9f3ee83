"""Signals of an emergency: who may give one, over real sockets and real files."""

import asyncio
import json
import os

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from wattline.api.powernode import NodeState
from wattline.doors.clock import BootClock
from wattline.model.wire import TOKEN_HEADER, LevelView
from wattline_agent.channel import Channel, pair
from wattline_agent.emergency_web import PATH, routes
from wattline_agent.messages import INBOUND, View
from wattline_agent.signals import Signals

ROW = LevelView(level="row", budget_watts=800.0, duration_seconds=300.0)


class Agent:
    """The network process's part, with the device process at the other end of the channel."""

    def __init__(self, folder):
        self.near, far = pair()
        self.far = Channel(far)
        self.file = folder / "emergency"
        self.token = folder / "token"
        self.token.write_text("secret\n")
        self.view = View(
            at_seconds=1.0,
            boot_id="b",
            state=NodeState.ENFORCING,
            lease_remaining_seconds=40.0,
            emergencies=(ROW,),
        )
        self.signals = self.started()

    def started(self):
        return Signals(self.file, self.token, Channel(self.near), BootClock(), lambda: self.view)

    def told(self):
        return [INBOUND.validate_json(text) for text in self.far.receive()]

    def heard(self, seen):
        self.view = self.view.model_copy(update={"signals_heard": {f"{seen.way} {seen.level}": seen.number}})

    def write(self, text='{"level": "row"}', mode=0o644):
        part = self.file.with_name("part")
        part.write_text(text)
        part.chmod(mode)
        part.replace(self.file)


@pytest.fixture
def agent(tmp_path):
    agent = Agent(tmp_path)
    yield agent
    agent.near.close()
    agent.far.socket.close()


async def post(agent, body='{"level": "row"}', **headers):
    application = web.Application()
    application.add_routes(routes("n1", agent.signals))
    async with (
        TestServer(application) as server,
        aiohttp.ClientSession() as http,
        http.post(server.make_url(PATH), data=body, headers=headers) as answer,
    ):
        return answer.status, await answer.json()


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        pytest.param({"Authorization": "Bearer secret"}, 202, id="the token"),
        pytest.param({"authorization": "bearer  secret "}, 202, id="as HTTP spells it"),
        pytest.param({TOKEN_HEADER: "secret"}, 202, id="the token, through the API server's proxy"),
        pytest.param({}, 401, id="nobody"),
        pytest.param({"Authorization": "Bearer secre"}, 401, id="a part of the token"),
        pytest.param({"Authorization": "Basic secret"}, 401, id="another scheme"),
        pytest.param({"Authorization": "Bearer "}, 401, id="an empty one"),
        pytest.param({"Authorization": "Bearer sécret"}, 401, id="no ASCII"),
    ],
)
async def test_only_who_knows_the_token_is_heard(agent, headers, code):
    answered, _ = await post(agent, **headers)

    assert answered == code
    assert [each.level for each in agent.told()] == (["row"] if code == 202 else [])


@pytest.mark.parametrize("text", ["", "\n", None])
async def test_without_a_token_nobody_is(agent, text):
    if text is None:
        agent.token.unlink()
    else:
        agent.token.write_text(text)
    code, answer = await post(agent, Authorization="Bearer ")

    assert (code, agent.told()) == (403, [])
    assert "no token" in answer["error"]["message"]


async def test_a_token_that_is_changed_counts_at_the_next_call(agent):
    agent.token.write_text("other")

    assert (await post(agent, Authorization="Bearer secret"))[0] == 401
    assert (await post(agent, Authorization="Bearer other"))[0] == 202


@pytest.mark.parametrize(
    ("body", "code", "says"),
    [
        pytest.param('{"level": "hall"}', 404, "armed: row", id="a level that is not armed"),
        pytest.param("{}", 400, "a signal reads", id="no level"),
        pytest.param(
            '{"level": "row", "action": "loosen"}', 400, "a signal reads", id="an action that is none"
        ),
        pytest.param("\x00", 400, "a signal reads", id="no JSON"),
    ],
)
async def test_what_makes_no_sense_is_refused_with_a_word(agent, body, code, says):
    answered, answer = await post(agent, body, Authorization="Bearer secret")

    assert (answered, agent.told()) == (code, [])
    assert says in answer["error"]["message"]


async def test_an_early_end_is_refused_while_nobody_renews_the_order(agent):
    body = '{"level": "row", "action": "end"}'
    assert (await post(agent, body, Authorization="Bearer secret"))[0] == 202
    agent.view = agent.view.model_copy(update={"lease_remaining_seconds": 0.0})

    assert (await post(agent, body, Authorization="Bearer secret"))[0] == 409


async def test_a_level_is_not_promised_before_the_device_process_has_spoken(agent):
    agent.view = None

    assert (await post(agent, Authorization="Bearer secret"))[0] == 503


async def test_a_signal_is_told_until_it_was_heard(agent):
    await post(agent, Authorization="Bearer secret")
    following = asyncio.create_task(agent.signals.follow())
    await asyncio.sleep(0.05)
    first, again = agent.told()
    assert first == again
    agent.heard(first)
    await asyncio.sleep(1.2)
    following.cancel()

    assert agent.told() == []


def test_a_file_is_a_signal_each_time_it_is_written(agent):
    agent.signals.look()
    assert agent.told() == []
    agent.write()
    agent.signals.look()
    agent.signals.look()
    (first,) = agent.told()
    agent.write('{"level": "row", "action": "end"}')
    agent.signals.look()
    (second,) = agent.told()

    assert (first.level, first.way, first.action) == ("row", "file", "start")
    assert second.action == "end"
    assert second.number != first.number


def test_a_network_process_that_starts_again_tells_nothing_that_was_heard(agent):
    agent.write()
    agent.signals.look()
    (seen,) = agent.told()
    agent.heard(seen)
    agent.started().look()

    assert agent.told() == []


@pytest.mark.parametrize(
    ("text", "mode"),
    [
        pytest.param('{"level": "row"}', 0o666, id="others can write it"),
        pytest.param('{"level": "row"}', 0o664, id="its group can"),
        pytest.param("row", 0o644, id="no JSON"),
        pytest.param("[]", 0o644, id="no object"),
        pytest.param('{"level": ""}', 0o644, id="no level"),
        pytest.param('{"level": "' + "r" * 9000 + '"}', 0o644, id="more than a signal needs"),
    ],
)
def test_a_file_that_cannot_be_trusted_is_no_signal(agent, caplog, text, mode):
    agent.write(text, mode)
    agent.signals.look()
    agent.signals.look()

    assert agent.told() == []
    assert len(caplog.messages) == 1


@pytest.mark.parametrize("make", ["link", "pipe", "folder"])
def test_what_is_no_plain_file_is_no_signal_and_hangs_nobody(agent, make):
    target = agent.file.with_name("elsewhere")
    target.write_text(json.dumps({"level": "row"}))
    {
        "link": lambda: agent.file.symlink_to(target),
        "pipe": lambda: os.mkfifo(agent.file),
        "folder": agent.file.mkdir,
    }[make]()
    agent.signals.look()

    assert agent.told() == []
