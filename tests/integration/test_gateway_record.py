"""What a gateway tells of its turns: enough to play them again, and not a word of them."""

import asyncio
import json
import signal

import aiohttp
import pytest
from click.testing import CliRunner
from tests.integration.gateway_backend import Backend
from tests.integration.test_gateway import MODEL, gateway_for
from tests.integration.test_gateway_process import started, written

from wattline.cli.record import fetched
from wattline.cli.record import record as record_command
from wattline.gateway import record as recording
from wattline.gateway.turnlog import TurnLog
from wattline.model.context import shared_tokens, tokens
from wattline.model.errors import ClusterError
from wattline.sim import traces

SECRET = "xyzzy "


@pytest.fixture
async def engine():
    backend = await Backend("e0").start()
    yield backend
    await backend.stop()


async def turns_of(served, since=0):
    async with served.http.get(f"{served.url}/v1/turns?since={since}") as response:
        assert response.status == 200
        return await response.json()


async def converse(served, session, turns=3, words=700):
    """An agent whose every prompt continues the one before it."""
    messages = [{"role": "user", "content": SECRET * words}]
    for _ in range(turns):
        answer = await served.ask(session, messages, max_tokens=50)
        messages = [
            *messages,
            {"role": "assistant", "content": answer.choices[0].message.content},
            {"role": "user", "content": SECRET * 300},
        ]


async def test_every_ended_turn_is_told_with_sizes_and_times_and_no_text(tmp_path, engine):
    async with gateway_for(tmp_path, [engine]) as served:
        await converse(served, "s1")
        view = await turns_of(served)
        rest = await turns_of(served, since=view["following"])

    assert [turn["turn"] for turn in view["turns"]] == [1, 2, 3]
    assert (view["first"], view["following"], rest["turns"]) == (1, 4, [])
    first, second, _ = view["turns"]
    assert first["session"] == first["root"] == "s1"
    assert (first["pool"], first["model"], first["replica"]) == ("coder", MODEL, "e0")
    assert (first["client"], first["outcome"], first["counted"]) == ("x-session-id", "answered", True)
    assert first["outputTokens"] == 50
    assert "gapSeconds" not in first
    assert 0 <= second["gapSeconds"] < 5
    assert 0 <= first["firstByteSeconds"] <= first["durationSeconds"] < 5
    assert second["cachedTokens"] > 0
    assert SECRET.strip() not in json.dumps(view)


async def test_a_recorded_conversation_shares_in_the_simulator_what_it_shared_here(tmp_path, engine):
    file = tmp_path / "turns.jsonl"
    async with gateway_for(tmp_path, [engine]) as served:
        await converse(served, "s1")
        await converse(served, "s2")
        assert await fetched(served.url, file) == 6
        assert await fetched(served.url, file) == 0  # goes on where it stopped
        view = await turns_of(served)
    recorded = traces.load(file)

    assert recorded.source == f"gateway record: {file}"
    assert [run.id for run in recorded.runs] == ["s1", "s2"]
    one, other = recorded.runs
    for run, told in ((one, view["turns"][:3]), (other, view["turns"][3:])):
        assert [tokens(turn.context) for turn in run.turns] == [each["promptTokens"] for each in told]
        assert [turn.output.tokens for turn in run.turns] == [each["outputTokens"] for each in told]
        for before, after in zip(run.turns, run.turns[1:], strict=False):
            whole = tokens(before.context) + before.output.tokens
            assert shared_tokens((*before.context, before.output), after.context) == whole
    least = tokens(one.turns[0].context) - 300  # to the block of a kilobyte
    assert shared_tokens(one.turns[0].context, other.turns[0].context) >= least
    alone = traces.load(file, shared_prefix=False)
    assert shared_tokens(alone.runs[0].turns[0].context, alone.runs[1].turns[0].context) == 0


async def test_old_turns_are_forgotten_by_number_and_by_size(tmp_path, engine, monkeypatch):
    monkeypatch.setattr(recording, "KEPT_TURNS", 2)
    monkeypatch.setattr(recording, "PAGE_TURNS", 1)
    async with gateway_for(tmp_path, [engine]) as served:
        await converse(served, "s1", turns=4)
        view = await turns_of(served)
        following = await turns_of(served, since=view["following"])
        beyond = await turns_of(served, since=10**17)

    assert view["first"] == 3
    assert [turn["turn"] for turn in view["turns"]] == [3]
    assert [turn["turn"] for turn in following["turns"]] == [4]
    assert (beyond["turns"], beyond["following"]) == ([], 5)


async def test_a_refused_turn_is_told_and_left_out_of_the_replay(tmp_path, engine):
    engine.status = 400
    file = tmp_path / "turns.jsonl"
    async with gateway_for(tmp_path, [engine]) as served:
        client = served.client(**{"x-session-id": "bad"})
        with pytest.raises(Exception, match="engine says no"):
            await client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": "x"}])
        engine.status = 200
        await converse(served, "good", turns=1)
        await fetched(served.url, file)
    recorded = traces.load(file)

    assert [run.id for run in recorded.runs] == ["good"]
    assert [str(note) for note in recorded.notes] == [
        f"1 × turns that were refused, left out (first: {file}:1)"
    ]


@pytest.mark.parametrize("since", ["-1", "x", "1" * 30])
async def test_a_number_that_is_none_is_refused(tmp_path, engine, since):
    async with (
        gateway_for(tmp_path, [engine]) as served,
        served.http.get(f"{served.url}/v1/turns?since={since}") as response,
    ):
        assert response.status == 400
        assert "number of a turn" in await response.text()


async def test_the_file_holds_the_same_lines_and_the_metric_counts_them(tmp_path, engine):
    log = TurnLog(tmp_path / "turns.jsonl")
    async with gateway_for(tmp_path, [engine]) as served:
        served.gateway.record.log = log
        await converse(served, "s1", turns=2)
        view = await turns_of(served)
        log.close()
        async with served.http.get(f"{served.url}/metrics") as response:
            metrics = await response.text()

    lines = (tmp_path / "turns.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == view["turns"]
    assert 'wattline_gateway_recorded_turns_total{result="written"} 2.0' in metrics
    assert 'wattline_gateway_recorded_turns_total{result="dropped"} 0.0' in metrics


async def test_a_session_whose_name_is_no_text_is_served_and_told(tmp_path, engine):
    body = json.dumps({"model": MODEL, "messages": [{"role": "user", "content": "x"}]}).encode()
    async with gateway_for(tmp_path, [engine]) as served:
        port = int(served.url.rpartition(":")[2])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(
            b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Session-Id: caf\xe9\r\n"
            b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
        )
        answer = await reader.read()
        writer.close()
        view = await turns_of(served)

    assert answer.startswith(b"HTTP/1.1 200"), answer
    assert [turn["session"] for turn in view["turns"]] == ["caf?"]


async def test_an_engine_that_counts_wrongly_does_not_break_the_turn(tmp_path, engine):
    engine.answer_tokens = -5
    async with gateway_for(tmp_path, [engine]) as served:
        await served.ask("s1")
        view = await turns_of(served)

    assert [turn["outputTokens"] for turn in view["turns"]] == [0]
    assert not served.gateway.turns


async def test_a_gateway_that_starts_anew_is_recorded_on_in_the_same_file(tmp_path, engine, capsys):
    file = tmp_path / "turns.jsonl"
    for session in ("before", "after"):
        async with gateway_for(tmp_path, [engine]) as served:
            await converse(served, session, turns=2)
            assert await fetched(served.url, file) == 2

    assert [run.id for run in traces.load(file).runs] == ["before", "after"]
    assert "its turns are recorded on" in capsys.readouterr().err


async def test_turns_that_were_forgotten_between_two_looks_are_said(tmp_path, engine, capsys, monkeypatch):
    monkeypatch.setattr(recording, "KEPT_TURNS", 2)
    file = tmp_path / "turns.jsonl"
    async with gateway_for(tmp_path, [engine]) as served:
        await converse(served, "s1", turns=1)
        await fetched(served.url, file)
        await converse(served, "s2", turns=4)
        assert await fetched(served.url, file) == 2

    assert "2 turns were forgotten before they were read; use a smaller --every" in capsys.readouterr().err


async def test_a_gateway_process_writes_its_turns_and_the_last_of_them_before_it_ends(tmp_path, engine):
    file = tmp_path / "turns.jsonl"
    process = await started(written(tmp_path, engine.url), "127.0.0.1:0", "--record", str(file))
    try:
        line = ""
        while "gateway on" not in line:
            line = (await asyncio.wait_for(process.stderr.readline(), 20)).decode()
        url, body = line.split()[4], {"model": "m", "messages": [{"role": "user", "content": "x"}]}
        async with aiohttp.ClientSession() as http:
            for _ in range(50):
                async with http.post(f"{url}/chat/completions", json=body) as response:
                    if response.status == 200:
                        break
                await asyncio.sleep(0.1)
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), 20) == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()

    assert json.loads(file.read_text().splitlines()[-1])["outcome"] == "answered"


def test_a_gateway_that_is_not_there_is_one_clear_line(tmp_path):
    result = CliRunner().invoke(
        record_command, ["http://127.0.0.1:9", str(tmp_path / "t.jsonl"), "--for", "0"]
    )

    assert result.exit_code == 1
    assert "http://127.0.0.1:9/v1/turns does not answer" in result.output


async def test_a_file_of_something_else_is_not_written_into(tmp_path, engine):
    file = tmp_path / "notes.txt"
    file.write_text("milk, eggs\n")
    async with gateway_for(tmp_path, [engine]) as served:
        with pytest.raises(ClusterError, match="its last line is no turn of a gateway"):
            await fetched(served.url, file)

    assert file.read_text() == "milk, eggs\n"
