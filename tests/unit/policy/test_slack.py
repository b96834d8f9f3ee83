"""Relative slack: whose prompt goes next, the largest chunk that fits, and that nobody waits for ever."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wattline.policy.slack import (
    Chunk,
    Prompt,
    Rule,
    SlackSpec,
    Why,
    after,
    decide,
    ordered,
    relative_slack,
)

SPEC = SlackSpec()


def prompt(name="a", *, arrived=0.0, within=1.0, work=0.5, left=None, tokens=1000, done=0):
    return Prompt(name, arrived, within, work, work if left is None else left, tokens, done)


def predictor(decodes_seconds=0.001):
    """A token takes 10 µs, and each of its thousand predecessors a hundredth of that more."""

    def seconds(chunks):
        return decodes_seconds + sum(1e-5 * c.tokens * (1 + c.context_tokens / 1e5) for c in chunks)

    return seconds


SHORT, LONG = prompt("short", tokens=1000), prompt("long", within=16.0, work=10.0, tokens=100_000)


def test_slack_is_relative_to_the_whole_work():
    assert relative_slack(LONG, 0.0) == pytest.approx(0.6)
    assert relative_slack(SHORT, 0.0) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("rule", "at", "first"),
    [
        pytest.param(Rule.RELATIVE_SLACK, 0.0, "long", id="the long one has less to spare for its size"),
        pytest.param(Rule.RELATIVE_SLACK, 0.3, "short", id="and the short one soon less"),
        pytest.param(Rule.SLACK, 0.0, "short", id="in seconds the short one has less"),
        pytest.param(Rule.DEADLINE, 0.0, "short", id="its deadline is the earlier"),
        pytest.param(Rule.ARRIVAL, 0.0, "long", id="who came first"),
        pytest.param(Rule.SHORTEST, 0.0, "short", id="who has least to do"),
    ],
)
def test_who_goes_first(rule, at, first):
    assert ordered(rule, [LONG, SHORT], at)[0].name == first


@pytest.mark.parametrize(
    ("spec", "prompts", "decoding", "chunks", "why"),
    [
        pytest.param(SPEC, [], 3, [], Why.NOTHING, id="nothing waits"),
        pytest.param(SPEC, [prompt()], 0, [("a", 1000)], Why.ALL, id="all fits"),
        pytest.param(SPEC, [prompt(tokens=5000)], 0, [("a", 1888)], Why.BUDGET, id="the largest on the grid that fits"),
        pytest.param(SPEC, [prompt(tokens=10_000)], 0, [("a", 1888)], Why.BUDGET, id="a long one alone gets all back"),
        pytest.param(replace(SPEC, least_share=0.0), [replace(LONG, within_seconds=99.0)], 1, [("long", 1888)], Why.BUDGET, id="even one whose share is too small for any chunk"),
        pytest.param(SPEC, [LONG, prompt("b", tokens=500)], 0, [("long", 1376), ("b", 500)], Why.BUDGET, id="a long one leaves room, and gets the rest back"),
        pytest.param(replace(SPEC, fills=False), [LONG, prompt("b", tokens=5000)], 0, [("long", 1888)], Why.BUDGET, id="nobody passes where nothing is filled"),
        pytest.param(SPEC, [LONG, replace(LONG, name="other", arrived_seconds=0.1)], 0, [("long", 1888)], Why.BUDGET, id="one long prompt at a time"),
        pytest.param(SPEC, [prompt(tokens=9), prompt("b", tokens=7)], 0, [("a", 9), ("b", 7)], Why.ALL, id="ends need no grid"),
    ],
)  # fmt: skip
def test_an_iteration(spec, prompts, decoding, chunks, why):
    decision = decide(spec, 0.0, prompts, decoding, predictor())
    assert ([(chunk.name, chunk.tokens) for chunk in decision.chunks], decision.why) == (chunks, why)


def test_what_decodes_comes_first_and_alone_nobody_starves():
    waits = [prompt(tokens=5000)]
    assert decide(SPEC, 0.0, waits, 4, predictor(0.03)).why is Why.DECODES
    alone = decide(SPEC, 0.0, waits, 0, predictor(0.03))
    assert (alone.why, alone.chunks) == (Why.LEAST, (Chunk("a", 0, 32),))


@given(st.integers(0, 900_000), st.integers(0, 900_000))
def test_chunks_grow_no_larger_with_the_context(one, other):
    def tokens(done):
        long = prompt(tokens=2_000_000, done=done, within=9.0)
        return sum(chunk.tokens for chunk in decide(SPEC, 0.0, [long], 1, predictor()).chunks)

    few, many = sorted((one, other))
    assert tokens(few) >= tokens(many)


prompts = st.lists(
    st.builds(
        prompt,
        st.uuids().map(str),
        arrived=st.floats(0, 10),
        within=st.floats(0.1, 100),
        work=st.floats(0.001, 50),
        tokens=st.integers(1, 200_000),
    ),
    max_size=6,
    unique_by=lambda one: one.name,
)


@given(st.sampled_from(Rule), st.booleans(), prompts, st.floats(0, 0.019), st.floats(0, 30))
def test_the_budget_is_kept_and_no_chunk_is_more_than_is_left(rule, fills, waiting, decodes, at):
    spec = replace(SPEC, rule=rule, fills=fills)
    decision = decide(spec, at, waiting, 1, predictor(decodes))
    assert decision.seconds <= spec.budget_seconds
    assert decision.seconds == pytest.approx(predictor(decodes)(decision.chunks))
    left = {one.name: one for one in waiting}
    assert all(0 < chunk.tokens <= left[chunk.name].left_tokens for chunk in decision.chunks)
    assert sum(left[chunk.name].tokens > spec.long_tokens for chunk in decision.chunks) <= 1
    assert len({chunk.name for chunk in decision.chunks}) == len(decision.chunks)


def served(rule):
    """One long prompt among short ones that alone need all of the engine; return when it is done."""
    spec = SlackSpec(rule=rule)
    seconds = predictor(0.0)
    long = prompt("long", within=1.0, work=0.22, tokens=20_000)
    now, number, waiting = 0.0, 0, {"long": long}
    while "long" in waiting and now < 20.0:
        while number * 0.01 <= now:
            name = str(number)
            waiting[name] = prompt(name, arrived=number * 0.01, within=0.1, work=0.01, tokens=1000)
            number += 1
        decision = decide(spec, now, list(waiting.values()), 0, seconds)
        now += decision.seconds
        for chunk in decision.chunks:
            one = waiting.pop(chunk.name)
            done = (chunk.context_tokens + chunk.tokens) / one.tokens
            if done < 1:
                waiting[chunk.name] = after(one, chunk.tokens, one.work_seconds * (1 - done))
    return now


def test_a_long_one_is_served_among_short_ones_that_need_the_whole_engine():
    assert served(Rule.RELATIVE_SLACK) < 10.0


def test_shortest_first_never_serves_it():
    assert served(Rule.SHORTEST) >= 20.0


@given(
    st.integers(0, 2_000_000),
    st.floats(1e-6, 1e-4),
    st.floats(0.0, 1e-9),
    st.floats(0.0, 0.03),
    st.integers(1, 40_000),
)
def test_the_chunk_is_the_largest_of_the_grid_that_fits_whatever_the_curve(done, slope, bend, flat, left):
    def seconds(chunks):
        tokens = sum(chunk.tokens for chunk in chunks)
        return 0.001 + max(flat, slope * tokens + bend * tokens * tokens)

    one = prompt(tokens=done + left, done=done, within=100.0)
    spec = SlackSpec(rule=Rule.ARRIVAL)
    grid = [size for size in range(0, min(left, spec.most_tokens), spec.grid_tokens) if size]
    fitting = [
        size
        for size in (*grid, min(left, spec.most_tokens))
        if seconds([Chunk("a", done, size)]) <= spec.budget_seconds
    ]
    decision = decide(spec, 0.0, [one], 1, seconds)
    assert [chunk.tokens for chunk in decision.chunks] == fitting[-1:]
