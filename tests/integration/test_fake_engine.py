"""The fake engine over real sockets, asked by a real OpenAI client."""

import asyncio
import contextlib
import json
import re

import aiohttp
import jsonschema
import openai
import pytest
from tests.integration.fake_engines import MODEL, served

from wattline.fake.text import filler


@pytest.fixture
async def engine():
    """An engine on one H100: its host, and its address in ``url``."""
    async with served() as (host, url):
        host.url = url
        yield host


@pytest.fixture
async def client(engine):
    async with openai.AsyncOpenAI(base_url=f"{engine.url}/v1", api_key="none", max_retries=0) as client:
        yield client


def messages(*texts):
    return [{"role": "user" if i % 2 == 0 else "assistant", "content": text} for i, text in enumerate(texts)]


async def test_an_answer_has_the_length_that_was_asked_for_and_the_same_prompt_gets_the_same_one(client):
    ask = {"model": MODEL, "messages": messages("What is a watt?"), "max_tokens": 25}
    one = await client.chat.completions.create(**ask, extra_body={"ignore_eos": True})
    again = await client.chat.completions.create(**ask, extra_body={"ignore_eos": True})

    assert one.choices[0].message.content == again.choices[0].message.content
    assert len(one.choices[0].message.content) == 100
    assert one.choices[0].finish_reason == "length"
    assert one.usage.completion_tokens == 25
    assert one.usage.prompt_tokens == 4


async def test_left_alone_the_model_ends_by_itself(client):
    answer = await client.chat.completions.create(model=MODEL, messages=messages("Hello"))

    assert answer.choices[0].finish_reason == "stop"
    assert 32 <= answer.usage.completion_tokens < 512


async def test_a_stream_brings_the_same_text_in_parts_and_usage_only_if_asked(client):
    ask = {"model": MODEL, "messages": messages("Stream this"), "max_tokens": 400}
    whole = await client.chat.completions.create(**ask, extra_body={"ignore_eos": True})
    parts, usages = [], []
    async for chunk in await client.chat.completions.create(
        **ask, stream=True, stream_options={"include_usage": True}, extra_body={"ignore_eos": True}
    ):
        parts += [choice.delta.content for choice in chunk.choices]
        usages += [chunk.usage] if chunk.usage else []
    silent = [
        chunk.usage
        async for chunk in await client.chat.completions.create(**ask | {"max_tokens": 3}, stream=True)
    ]

    assert "".join(parts) == whole.choices[0].message.content
    assert 1 < len(parts) < 400
    assert [usage.completion_tokens for usage in usages] == [400]
    assert not any(silent)


async def test_the_next_turn_finds_its_context_in_the_cache(client):
    opening = filler("opening", 0, 2000)
    first = await client.chat.completions.create(
        model=MODEL, messages=messages(opening), max_tokens=64, extra_body={"ignore_eos": True}
    )
    second = await client.chat.completions.create(
        model=MODEL,
        messages=messages(opening, first.choices[0].message.content, "and now?"),
        max_tokens=5,
    )

    assert first.usage.prompt_tokens_details.cached_tokens == 0
    assert second.usage.prompt_tokens_details.cached_tokens >= 2064 // 16 * 16 - 16
    assert second.usage.prompt_tokens == 2066


async def test_n_answers_differ_and_count_the_prompt_once(client):
    answer = await client.completions.create(model=MODEL, prompt="Say something", max_tokens=10, n=3)

    assert len({choice.text for choice in answer.choices}) == 3
    assert [choice.index for choice in answer.choices] == [0, 1, 2]
    assert answer.usage.prompt_tokens == 4
    assert answer.usage.completion_tokens == 30


async def test_n_streams_come_side_by_side(client):
    texts = {0: "", 1: ""}
    reasons = {}
    async for chunk in await client.completions.create(
        model=MODEL,
        prompt=["One prompt", "another"],
        max_tokens=40,
        stream=True,
        extra_body={"ignore_eos": True},
    ):
        for choice in chunk.choices:
            texts[choice.index] += choice.text
            reasons[choice.index] = choice.finish_reason

    assert [len(text) for text in texts.values()] == [160, 160]
    assert reasons == {0: "length", 1: "length"}


async def test_a_context_that_does_not_fit_is_refused_as_vllm_refuses_it(engine, client):
    with pytest.raises(openai.BadRequestError) as refused:
        await client.completions.create(model=MODEL, prompt=list(range(engine.longest_tokens)), max_tokens=1)

    assert refused.value.code == "context_length_exceeded"
    assert f"maximum context length is {engine.longest_tokens} tokens" in refused.value.message


@pytest.mark.parametrize(
    ("change", "field"),
    [
        pytest.param({"max_tokens": 0}, "max_tokens", id="no tokens at all"),
        pytest.param({"n": 1000}, "n", id="too many answers"),
        pytest.param({"messages": []}, "messages", id="nothing said"),
    ],
)
async def test_a_wrong_field_is_named(client, change, field):
    with pytest.raises(openai.BadRequestError) as refused:
        await client.chat.completions.create(**{"model": MODEL, "messages": messages("x")} | change)

    assert refused.value.param == field


async def test_another_model_is_not_found_and_this_one_is_listed(engine, client):
    with pytest.raises(openai.NotFoundError):
        await client.chat.completions.create(model="other", messages=messages("x"))

    listed = [model async for model in client.models.list()]
    assert [model.id for model in listed] == [MODEL]
    assert listed[0].max_model_len == engine.longest_tokens


@pytest.mark.parametrize("stream", [False, True])
async def test_work_stops_when_the_client_goes(engine, stream):
    body = {"model": MODEL, "prompt": "x" * 400, "max_tokens": 50_000, "ignore_eos": True, "stream": stream}
    async with aiohttp.ClientSession() as http:
        task = asyncio.create_task(http.post(f"{engine.url}/v1/completions", json=body))
        while engine.engine.running == 0:
            await asyncio.sleep(0.005)
        if stream:
            (await task).close()
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        async with asyncio.timeout(5):
            while engine.engine.running:
                await asyncio.sleep(0.005)

    assert engine.tally.aborted == 1


async def test_metrics_have_the_names_of_vllm(engine, client):
    await client.completions.create(
        model=MODEL, prompt=filler("m", 0, 64), max_tokens=50, extra_body={"ignore_eos": True}
    )
    async with aiohttp.ClientSession() as http, http.get(f"{engine.url}/metrics") as response:
        text = await response.text()
    values = {
        name: float(value)
        for name, value in re.findall(r"^vllm:(\w+)\{[^}]*\} ([0-9.e+-]+)$", text, re.MULTILINE)
    }

    assert values["prompt_tokens_total"] == values["prefix_cache_queries_total"] == 64
    assert values["generation_tokens_total"] == 50
    assert values["num_requests_running"] == values["num_requests_waiting"] == 0
    assert values["time_to_first_token_seconds_count"] == 1
    assert values["inter_token_latency_seconds_count"] == 49
    assert 0 <= values["kv_cache_usage_perc"] < 0.01
    blocks = int(re.search(r'num_gpu_blocks="(\d+)"', text)[1])
    assert blocks == engine.engine.capacity_tokens // 16
    assert 'block_size="16"' in text


FORM = {
    "type": "object",
    "properties": {
        "files": {"type": "array", "items": {"type": "string", "minLength": 5}, "minItems": 2},
        "verdict": {"enum": ["good", "bad"]},
        "score": {"type": "number", "minimum": 3},
        "nested": {"properties": {"ok": {"type": "boolean"}, "n": {"type": ["integer", "null"]}}},
    },
    "required": ["files", "verdict"],
}


async def test_json_of_a_schema_is_answered_where_it_is_asked_for(client):
    form = {"type": "json_schema", "json_schema": {"name": "f", "schema": FORM}}
    ask = {"model": MODEL, "messages": messages("Plan it"), "response_format": form}
    whole = await client.chat.completions.create(**ask)
    cut = await client.chat.completions.create(**ask, max_tokens=2)

    jsonschema.validate(json.loads(whole.choices[0].message.content), FORM)
    assert whole.choices[0].finish_reason == "stop"
    assert whole.usage.completion_tokens == len(whole.choices[0].message.content) // 4
    assert (cut.choices[0].finish_reason, len(cut.choices[0].message.content)) == ("length", 8)
