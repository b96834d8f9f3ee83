"""``/v1/responses`` through the gateway, from OpenAI's own client to a fake engine."""

import contextlib
import json

import openai
import pytest
import yaml
from aiohttp import web
from tests.integration.fake_engines import MODEL, served

from wattline.doors.clock import BootClock
from wattline.doors.listen import listener
from wattline.gateway.files import FilesSource
from wattline.gateway.main import serving
from wattline.gateway.settings import Settings

USER = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "fix the bug " * 40}]}
CALL = {"type": "function_call", "name": "shell", "arguments": '{"command": "ls"}', "call_id": "c1"}
RESULT = {"type": "function_call_output", "call_id": "c1", "output": "README.md\n" * 30}


@contextlib.asynccontextmanager
async def gateway_for(tmp_path, url):
    """Yield a gateway before one engine, and a client that comes as Codex does."""
    manifest = {
        "apiVersion": "wattline.dev/v1alpha1",
        "kind": "InferencePool",
        "metadata": {"name": "coder"},
        "spec": {"model": MODEL, "endpoints": [{"name": "e0", "url": url, "node": "n1", "gpus": ["GPU-0"]}]},
    }
    (tmp_path / "pool.yaml").write_text(yaml.safe_dump(manifest))
    clock = BootClock()
    source = FilesSource([tmp_path / "pool.yaml"], tmp_path / "state", clock, period_seconds=1.0)
    with listener("127.0.0.1", 0) as sock:
        async with (
            serving(source, Settings(poll_seconds=0.05, turn_wait_seconds=5.0), clock, sock) as (gateway, _),
            openai.AsyncOpenAI(
                base_url=f"http://127.0.0.1:{sock.getsockname()[1]}/v1",
                api_key="x",
                max_retries=0,
                timeout=20,
                default_headers={"session-id": "run", "thread-id": "thread"},
            ) as client,
        ):
            yield gateway, client


async def test_a_streamed_turn_is_passed_on_whole_and_accounted(tmp_path):
    async with served() as (host, url), gateway_for(tmp_path, url) as (gateway, client):
        kinds, text = [], ""
        stream = await client.responses.create(
            model=MODEL, input=[USER], instructions="be brief", store=False, stream=True
        )
        async for event in stream:
            kinds.append(event.type)
            text += event.delta if event.type == "response.output_text.delta" else ""
            last = event

        assert kinds[:2] == ["response.created", "response.in_progress"]
        assert last.type == "response.completed"
        assert last.response.output_text == text
        usage = last.response.usage
        run = gateway.runs.run("run")
        assert (run.turns, run.prompt_tokens, run.completion_tokens) == (
            1,
            usage.input_tokens,
            usage.output_tokens,
        )
        assert host.engine.prompt_tokens == usage.input_tokens
        assert gateway.pools["coder"].desk.resident_tokens("e0") == usage.total_tokens


async def test_the_next_turn_continues_the_conversation_of_its_thread(tmp_path):
    async with served() as (_, url), gateway_for(tmp_path, url) as (gateway, client):
        first = await client.responses.create(model=MODEL, input=[USER], max_output_tokens=8, store=False)
        said = first.output[0].model_dump(exclude_none=True)
        raw = await client.responses.with_raw_response.create(
            model=MODEL, input=[USER, said, CALL, RESULT], max_output_tokens=8, store=False
        )

        assert raw.headers["x-wattline-session"] == "thread"
        assert raw.headers["x-wattline-replica"] == "e0"
        answer = raw.parse()
        assert answer.status == "incomplete"
        assert answer.usage.input_tokens_details.cached_tokens > 0.4 * first.usage.input_tokens
        (session,) = gateway.sessions.all()
        assert len(session.chains) == 1
        assert gateway.pools["coder"].desk.resident_tokens("e0") == answer.usage.total_tokens


@pytest.mark.parametrize(
    ("body", "said"),
    [
        pytest.param(
            {"previous_response_id": "resp_1"}, "send the whole conversation as input", id="earlier response"
        ),
        pytest.param({"background": True}, "background answers are not kept here", id="background"),
        pytest.param({"input": []}, "input must be a string or a list", id="no input"),
        pytest.param(
            {"input": [{"type": "item_reference", "id": "x"}]}, "send the item itself", id="reference"
        ),
    ],
)
async def test_what_leans_on_state_is_refused_with_what_to_do(tmp_path, body, said):
    async with served() as (_, url), gateway_for(tmp_path, url) as (_, client):
        with pytest.raises(openai.BadRequestError, match=said):
            await client.responses.create(**{"model": MODEL, "input": [USER]} | body)


async def test_an_engine_that_dies_in_the_middle_is_told_as_the_client_understands_it(tmp_path):
    @web.middleware
    async def dying(request, handler):
        if request.method != "POST":
            return await handler(request)
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        event = {"type": "response.created", "sequence_number": 0, "response": {"id": "r", "usage": None}}
        await response.write(b"event: response.created\ndata: " + json.dumps(event).encode() + b"\n\n")
        request.transport.abort()
        return response

    async with served(middleware=dying) as (_, url), gateway_for(tmp_path, url) as (gateway, client):
        with pytest.raises(openai.APIError, match="failed in the middle"):
            async for _ in await client.responses.create(model=MODEL, input=[USER], stream=True):
                pass

        assert gateway.counts.requests["coder", "broken"] == 1


async def test_a_refusal_of_the_engine_comes_back_as_it_is(tmp_path):
    async with served() as (_, url), gateway_for(tmp_path, url) as (_, client):
        with pytest.raises(openai.BadRequestError, match="maximum context length"):
            await client.responses.create(
                model=MODEL, input=[USER], max_output_tokens=10_000_000, extra_body={"ignore_eos": True}
            )
