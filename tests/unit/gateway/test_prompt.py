"""A request is read once and sent on as it came."""

import json

import pytest

from wattline.gateway.prompt import Api, parse
from wattline.gateway.refusal import Refused


def chat(*messages, **more):
    body = {
        "model": "m",
        "messages": [{"role": role, "content": content} for role, content in messages],
    } | more
    return parse(json.dumps(body).encode(), Api.CHAT)


def test_a_conversation_that_goes_on_begins_with_the_same_text():
    one = chat(("system", "s"), ("user", "a"), tools=[{"name": "t"}])
    two = chat(
        ("system", "s"), ("user", "a"), ("assistant", "b"), ("user", "c"), tools=[{"name": "t"}], stream=True
    )

    assert two.text.startswith(one.text)
    assert two.opening == one.opening == one.text
    assert (one.continues, two.continues) == (False, True)


@pytest.mark.parametrize(
    ("body", "options"),
    [
        pytest.param(
            b' {"stream":true,"model":"m","messages":[{"role":"user","content":"x"}]}',
            {"include_usage": True},
            id="none",
        ),
        pytest.param(
            b'{"stream":true,"stream_options":{"a":1},"model":"m","messages":[{"role":"user"}]}',
            {"a": 1, "include_usage": True},
            id="others",
        ),
        pytest.param(
            b'{"stream":true,"stream_options":null,"model":"m","messages":[{"role":"user"}]}',
            {"include_usage": True},
            id="null",
        ),
        pytest.param(b'{"model":"m","messages":[{"role":"user"}]}', None, id="no stream: left alone"),
    ],
)
def test_streams_are_asked_for_usage_whatever_options_there_were(body, options):
    sent = json.loads(parse(body, Api.CHAT).body)

    assert sent.get("stream_options") == options
    assert sent | {"stream_options": 0} == json.loads(body) | {"stream_options": 0}


def test_a_body_that_needs_nothing_is_not_written_anew():
    raw = b'{"model":"m","stream":true,"stream_options":{"include_usage":true},"messages":[{"role":"user"}]}'

    assert parse(raw, Api.CHAT).body is raw
    assert parse(raw, Api.CHAT).wants_usage


@pytest.mark.parametrize(
    ("body", "sequences"),
    [
        pytest.param({"prompt": "a"}, 1, id="one prompt"),
        pytest.param({"prompt": "a", "n": 3}, 3, id="three answers"),
        pytest.param({"prompt": ["a", "b"], "n": 2}, 4, id="two prompts, two answers each"),
        pytest.param({"prompt": [1, 2, 3]}, 1, id="one prompt as tokens"),
    ],
)
def test_answers_asked_for_are_counted(body, sequences):
    assert parse(json.dumps(body | {"model": "m"}).encode(), Api.COMPLETIONS).sequences == sequences


@pytest.mark.parametrize(
    "content", [None, "text", [{"type": "text", "text": "a"}], [{"type": "image_url"}], 5]
)
def test_any_content_is_taken(content):
    assert chat(("user", content)).text.startswith(b"user\0")


@pytest.mark.parametrize(
    "raw", [b"", b"\xff", b"[" * 100_000, b'{"model":"m","messages":[3]}', b'{"model":"m"}']
)
def test_nonsense_is_refused(raw):
    with pytest.raises(Refused) as refused:
        parse(raw, Api.CHAT)
    assert refused.value.status == 400


def responses(*items, **more):
    return parse(json.dumps({"model": "m", "input": list(items)} | more).encode(), Api.RESPONSES)


SAYS = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "fix it"}]}
CALLS = {
    "type": "function_call",
    "name": "shell",
    "arguments": "{}",
    "call_id": "c",
    "id": "fc_1",
    "status": "completed",
}
GIVES = {"type": "function_call_output", "call_id": "c", "output": "done"}


def test_a_conversation_of_items_grows_at_its_end_only():
    first = responses(SAYS, instructions="be brief", tools=[{"type": "function", "name": "shell"}])
    second = responses(
        SAYS, CALLS, GIVES, instructions="be brief", tools=[{"type": "function", "name": "shell"}]
    )

    assert second.text.startswith(first.text)
    assert (first.continues, second.continues) == (False, True)
    assert first.opening == second.opening == first.text


def test_a_call_for_a_response_is_sent_on_as_it_came():
    raw = json.dumps({"model": "m", "input": "hello", "stream": True}).encode()
    prompt = parse(raw, Api.RESPONSES)

    assert prompt.body is raw
    assert (prompt.stream, prompt.sequences) == (True, 1)


def test_an_item_counts_for_what_it_says_and_not_for_its_names():
    anew = CALLS | {"id": "fc_2", "status": "in_progress"}

    assert responses(SAYS, CALLS).text == responses(SAYS, anew).text
    assert responses(SAYS, CALLS).text != responses(SAYS, CALLS | {"arguments": "{1}"}).text


def test_a_model_is_asked_for_under_the_name_its_engine_knows():
    prompt = responses(SAYS).asking_for("other")

    assert (prompt.model, json.loads(prompt.body)["model"]) == ("other", "other")
