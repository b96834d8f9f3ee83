"""A request is read once and sent on as it came."""

import json

import pytest

from wattline.gateway.prompt import parse
from wattline.gateway.refusal import Refused


def chat(*messages, **more):
    body = {
        "model": "m",
        "messages": [{"role": role, "content": content} for role, content in messages],
    } | more
    return parse(json.dumps(body).encode(), chat=True)


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
    sent = json.loads(parse(body, chat=True).body)

    assert sent.get("stream_options") == options
    assert sent | {"stream_options": 0} == json.loads(body) | {"stream_options": 0}


def test_a_body_that_needs_nothing_is_not_written_anew():
    raw = b'{"model":"m","stream":true,"stream_options":{"include_usage":true},"messages":[{"role":"user"}]}'

    assert parse(raw, chat=True).body is raw
    assert parse(raw, chat=True).wants_usage


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
    assert parse(json.dumps(body | {"model": "m"}).encode(), chat=False).sequences == sequences


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
        parse(raw, chat=True)
    assert refused.value.status == 400
