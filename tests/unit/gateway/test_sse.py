"""Events are passed on whole and at once; the one with usage is read."""

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wattline.gateway.sse import Stream, Usage, usage_of


def event(**body):
    return b"data: " + json.dumps(body).encode() + b"\n\n"


USAGE = {"prompt_tokens": 10, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 4}}
PARTS = [
    event(choices=[{"delta": {"content": "a"}}], usage=None),
    event(choices=[{"delta": {"content": 'say "usage" and "error"'}}]),
    event(choices=[], usage=USAGE),
    b"data: [DONE]\n\n",
]


@given(cuts=st.lists(st.integers(0, 400), max_size=8), keep=st.booleans())
def test_however_a_stream_is_cut_its_events_come_out_whole(cuts, keep):
    whole, stream, out = b"".join(PARTS), Stream(keep_usage=keep), b""
    edges = [0, *sorted(cut for cut in cuts if cut < len(whole)), len(whole)]
    for start, end in pairwise(edges):
        out += stream.feed(whole[start:end])
    out += stream.finish()

    assert out == b"".join(PARTS if keep else PARTS[:2] + PARTS[3:])
    assert stream.usage == Usage(10, 4, 2)
    assert stream.done
    assert not stream.failed


def test_usage_with_text_in_the_same_event_stays():
    stream, both = Stream(keep_usage=False), event(choices=[{"delta": {}}], usage=USAGE)

    assert stream.feed(both) == both
    assert stream.usage == Usage(10, 4, 2)


def test_events_that_end_in_carriage_returns_are_events():
    stream = Stream(keep_usage=False)
    first = PARTS[0].replace(b"\n\n", b"\r\n\r\n")

    assert stream.feed(first + PARTS[2].replace(b"\n\n", b"\r\n\r\n")) == first
    assert stream.usage is not None


def test_an_engine_that_says_it_failed_is_believed():
    stream, error = Stream(keep_usage=False), event(error={"message": "out of memory"})

    assert stream.feed(error) == error
    assert stream.failed


@pytest.mark.parametrize("body", [None, [], {}, {"usage": None}, {"usage": {"prompt_tokens": "x"}}])
def test_bodies_without_usage_have_none(body):
    assert usage_of(body) is None


def test_an_engine_that_says_nothing_of_its_cache_leaves_it_open():
    assert usage_of({"usage": {"prompt_tokens": 3, "completion_tokens": 1}}) == Usage(3, None, 1)


def response_event(kind, **more):
    body = {"type": kind, "sequence_number": 1, **more}
    return f"event: {kind}\ndata: {json.dumps(body)}\n\n".encode()


def test_a_stream_of_responses_ends_with_its_usage_and_repeats_count_for_nothing():
    stream = Stream(keep_usage=False, repeats=True)
    created = response_event("response.created", response={"usage": None, "instructions": "x" * 1000})
    delta = response_event("response.output_text.delta", delta="word")
    usage = {"input_tokens": 30, "output_tokens": 4, "input_tokens_details": {"cached_tokens": 16}}
    completed = response_event("response.completed", response={"usage": usage, "output": ["word" * 100]})

    assert stream.feed(created + delta) == created + delta
    assert (stream.done, stream.usage, stream.answer_bytes) == (False, None, len(delta))
    assert stream.feed(completed) == completed
    assert (stream.done, stream.failed, stream.answer_bytes) == (True, False, len(delta))
    assert stream.usage == Usage(30, 16, 4)


@pytest.mark.parametrize("kind", ["response.failed", "error"])
def test_a_response_that_failed_says_so(kind):
    stream = Stream(keep_usage=False, repeats=True)
    stream.feed(response_event(kind, error={"message": "no"}, response={"usage": None}))

    assert stream.failed
