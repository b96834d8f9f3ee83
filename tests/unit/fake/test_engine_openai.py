"""What the fake engine makes of a request body."""

import json

import pytest

from wattline.fake.openai import CallError, parse
from wattline.fake.tally import Histogram


def chat(**changes):
    return json.dumps({"model": "m", "messages": [{"role": "user", "content": "hello"}]} | changes).encode()


def text(raw):
    return parse(raw, chat=True).prompts[0].decode()


def test_every_message_begins_on_a_token_so_that_a_longer_conversation_begins_alike():
    short = text(chat())
    long = text(chat(messages=[{"role": "user", "content": "hello"}, {"role": "assistant", "content": "hé"}]))

    assert short == "hello   "
    assert long.startswith(short)
    assert len(long.encode()) % 4 == 0


@pytest.mark.parametrize(
    ("message", "wanted"),
    [
        pytest.param(
            {"content": [{"type": "text", "text": "ab"}, {"type": "text", "text": "cd"}]}, "abcd", id="parts"
        ),
        pytest.param(
            {"content": None, "tool_calls": [{"id": "1"}]}, '[{"id": "1"}]', id="a tool call without words"
        ),
        pytest.param({"role": "tool", "content": "result"}, "result", id="a tool's result"),
    ],
)
def test_all_that_a_model_reads_counts(message, wanted):
    assert text(chat(messages=[{"role": "assistant"} | message])).strip() == wanted


def test_tool_definitions_come_before_everything():
    assert text(chat(tools=[{"type": "function"}])).startswith('[{"type": "function"}]')


@pytest.mark.parametrize(
    ("raw", "chats", "param"),
    [
        pytest.param(b"{", True, None, id="not JSON"),
        pytest.param(b"[]", True, None, id="not an object"),
        pytest.param(b'{"model": "m"}', True, "messages", id="no messages"),
        pytest.param(chat(messages=[{"content": 7}]), True, "messages", id="content is a number"),
        pytest.param(chat(model=None), True, "model", id="no model"),
        pytest.param(chat(max_tokens=True), True, "max_tokens", id="a limit that is no number"),
        pytest.param(b'{"model": "m", "prompt": {}}', False, "prompt", id="a prompt that is none"),
    ],
)
def test_what_is_wrong_is_named(raw, chats, param):
    with pytest.raises(CallError) as refused:
        parse(raw, chat=chats)

    assert refused.value.status == 400
    assert refused.value.param == param


@pytest.mark.parametrize(
    ("ask", "wanted"),
    [
        pytest.param({"max_tokens": 5}, (5, "length"), id="cut short"),
        pytest.param({"max_completion_tokens": 6, "max_tokens": 9}, (6, "length"), id="the newer name wins"),
        pytest.param(
            {"max_tokens": 9000, "ignore_eos": True}, (9000, "length"), id="as long as was asked for"
        ),
    ],
)
def test_how_long_an_answer_gets(ask, wanted):
    call = parse(chat(**ask), chat=True)

    assert call.answer_tokens(call.prompts[0]) == wanted


def test_the_model_ends_by_itself_before_a_generous_limit():
    call = parse(chat(max_tokens=9000), chat=True)
    length, reason = call.answer_tokens(call.prompts[0])

    assert 32 <= length < 512
    assert reason == "stop"


def test_prompts_may_be_token_numbers_and_several():
    assert len(parse(b'{"model": "m", "prompt": [1, 2, 3]}', chat=False).prompts[0]) == 12
    assert len(parse(b'{"model": "m", "prompt": ["a", [1], "b"]}', chat=False).prompts) == 3


def test_a_histogram_counts_up_to_each_bound():
    histogram = Histogram((1.0, 2.0))
    histogram.observe(1.0)
    histogram.observe(1.5, times=3)
    histogram.observe(9.0)

    assert histogram.lines("h", 'a="b"') == [
        'h_bucket{a="b",le="1.0"} 1',
        'h_bucket{a="b",le="2.0"} 4',
        'h_bucket{a="b",le="+Inf"} 5',
        'h_sum{a="b"} 14.5',
        'h_count{a="b"} 5',
    ]
