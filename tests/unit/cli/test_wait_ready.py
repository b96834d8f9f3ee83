"""``wattline wait-ready`` against real sockets: it waits, says why, and ends."""

import asyncio
from contextlib import asynccontextmanager

from click.testing import CliRunner

from wattline.cli.main import main
from wattline.cli.wait_ready import wait
from wattline.doors.clock import BootClock
from wattline_agent import ready

FAST = BootClock(50.0)
"""A second of waiting takes 20 ms."""


@asynccontextmanager
async def agent(path, *answers):
    """An agent that gives these answers one after the other, the last one for ever."""
    left = list(answers)

    def waiting() -> str:
        return left.pop(0) if len(left) > 1 else left[0]

    async with ready.serve(path, waiting):
        yield


async def test_it_waits_until_the_agent_says_ready_and_says_why_only_when_that_changes(tmp_path):
    said: list[str] = []
    async with agent(tmp_path / "s", "NoOrder: none", "NoOrder: none", "Lowering: the limits", ""):
        left = await wait(tmp_path / "s", FAST, 100.0, say=said.append)

    assert left == ""
    assert said == ["waiting: NoOrder: none", "waiting: Lowering: the limits", "ready"]


async def test_an_agent_that_is_not_there_yet_is_waited_for(tmp_path):
    said: list[str] = []
    waiting = asyncio.create_task(wait(tmp_path / "s", FAST, 1000.0, say=said.append))
    while not said:
        await asyncio.sleep(0.01)
    async with agent(tmp_path / "s", ""):
        assert await waiting == ""

    assert said == [f"waiting: no node agent at {tmp_path / 's'}: No such file or directory", "ready"]


async def test_a_socket_that_a_dead_agent_left_is_no_agent(tmp_path):
    said: list[str] = []
    async with agent(tmp_path / "s", ""):
        pass
    left = await wait(tmp_path / "s", FAST, 2.0, say=said.append)

    assert "Connection refused" in left


async def test_after_the_timeout_it_says_what_it_waited_for(tmp_path):
    async with agent(tmp_path / "s", "GPU-0: GpuLost"):
        left = await wait(tmp_path / "s", FAST, 3.0, say=lambda _: None)

    assert left == "GPU-0: GpuLost"


async def test_a_server_that_takes_the_connection_and_says_nothing_is_no_answer(tmp_path):
    async def close(_, writer):
        writer.close()

    server = await asyncio.start_unix_server(close, tmp_path / "s")
    async with server:
        left = await wait(tmp_path / "s", FAST, 1.0, say=lambda _: None)

    assert left == "the node agent closed the connection"


def test_the_command_ends_with_an_error_when_nobody_answers_in_time(tmp_path):
    result = CliRunner().invoke(main, ["wait-ready", str(tmp_path / "s"), "--timeout", "0.05"])

    assert result.exit_code == 1
    assert "waiting: no node agent" in result.output
