"""Retention: what goes first, what is never given up, and how long a session is held."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wattline.model.survival import Survival
from wattline.policy.retain import Kept, Mode, RetainSeen, RetainSpec, Why, decide, hold

CURVES = {
    "file": Survival.prior(0.045, 0.32, 1.2, 100.0),
    "code": Survival.prior(0.18, 2.4, 28.0, 100.0),
    "web": Survival.prior(0.85, 4.5, 45.0, 100.0),
}
OURS, PAPERS, LRU = (RetainSpec(mode=mode) for mode in (Mode.NEXT_USE, Mode.WORKFLOW, Mode.LRU))


def kept(name, tokens=1600, used=99.0, **fields):
    return Kept(name, tokens, used, **fields)


def seen(*sessions, needed=16, at=100.0):
    return RetainSeen(at, needed, sessions, CURVES)


@pytest.mark.parametrize(
    ("spec", "sessions", "first", "why"),
    [
        pytest.param(LRU, [kept("a", used=90), kept("b", used=80)], "b", Why.UNUSED, id="LRU: the longest unused"),
        pytest.param(LRU, [kept("a", used=99, ended=True), kept("b", used=80)], "b", Why.UNUSED, id="LRU does not know who has ended"),
        pytest.param(PAPERS, [kept("a", used=99, ended=True), kept("b", used=80)], "a", Why.ENDED, id="WA-LRU: who has ended"),
        pytest.param(PAPERS, [kept("a", used=90), kept("b", used=40)], "b", Why.WORKFLOW, id="WA-LRU: the longest unused of equals"),
        pytest.param(PAPERS, [kept("a", 1600), kept("b", 32_000)], "b", Why.WORKFLOW, id="WA-LRU: the larger of equals"),
        pytest.param(PAPERS, [kept("a", reuse_ratio=0.9), kept("b", reuse_ratio=0.3)], "b", Why.WORKFLOW, id="WA-LRU: the less likely to come back"),
        pytest.param(OURS, [kept("a", ended=True), kept("b", used=1, tool="web")], "a", Why.ENDED, id="ours: who has ended"),
        pytest.param(OURS, [kept("a", used=99.99, tool="web"), kept("b", used=99.99, tool="file")], "a", Why.LATE, id="ours: the slower tool, both just begun"),
        pytest.param(OURS, [kept("a", used=60, tool="code"), kept("b", used=99.9, tool="code")], "a", Why.LATE, id="ours: a tool that has run long will run long"),
        pytest.param(OURS, [kept("a", used=99, tool="code"), kept("b", used=90, waiting_seconds=0.5)], "a", Why.LATE, id="ours: not one whose turn is about to start"),
        pytest.param(OURS, [kept("a", 1600, tool="web"), kept("b", 32_000, tool="web")], "a", Why.LATE, id="ours: of equals the one that is cheaper to compute again"),
        pytest.param(OURS, [kept("a", tool="web", pinned_until_seconds=101), kept("b", tool="file")], "b", Why.LATE, id="not one that is pinned"),
        pytest.param(OURS, [kept("a", tool="web", pinned_until_seconds=101)], "a", Why.PINNED, id="unless nothing else is left"),
        pytest.param(OURS, [kept("a", ended=True, pinned_until_seconds=101), kept("b", tool="file")], "a", Why.ENDED, id="an ended session has no pin"),
        pytest.param(OURS, [kept("a", tool="web", pinned_until_seconds=99), kept("b", tool="file")], "a", Why.LATE, id="a pin ends"),
    ],
)  # fmt: skip
def test_what_goes_first(spec, sessions, first, why):
    victim = decide(spec, seen(*sessions)).victims[0]
    assert (victim.name, victim.why) == (first, why)


def test_a_context_is_given_up_from_its_end_in_blocks():
    decision = decide(OURS, seen(kept("a", 1600, ended=True), kept("b", 1600, tool="file"), needed=1610))
    assert [(victim.name, victim.tokens) for victim in decision.victims] == [("a", 1600), ("b", 16)]


def test_or_whole_where_that_is_asked():
    decision = decide(replace(LRU, whole=True), seen(kept("a"), kept("b", used=50), needed=16))
    assert [(victim.name, victim.tokens) for victim in decision.victims] == [("b", 1600)]


def test_what_cannot_be_had_is_said():
    decision = decide(OURS, seen(kept("a", 1600, tool="file"), needed=2000))
    assert decision.missing_tokens == 400


names = st.sampled_from(["file", "code", "web", None])
sessions = st.lists(
    st.builds(
        Kept,
        name=st.uuids().map(str),
        tokens=st.integers(0, 400).map(lambda blocks: 16 * blocks),
        last_used_seconds=st.floats(0, 100),
        tool=names,
        ended=st.booleans(),
        reuse_ratio=st.floats(0, 1),
        pinned_until_seconds=st.sampled_from([-1.0, 50.0, 150.0]),
        waiting_seconds=st.floats(0, 60),
    ),
    max_size=12,
    unique_by=lambda one: one.name,
)


@given(st.sampled_from(Mode), sessions, st.integers(0, 30_000))
def test_enough_goes_and_not_a_block_more_and_pins_last(mode, kept_sessions, needed):
    decision = decide(RetainSpec(mode=mode), RetainSeen(100.0, needed, kept_sessions, CURVES))
    by_name = {one.name: one for one in kept_sessions}
    freed = sum(victim.tokens for victim in decision.victims)
    assert freed + decision.missing_tokens >= needed
    assert freed < needed + 16
    assert decision.missing_tokens == max(0, needed - sum(one.tokens for one in kept_sessions))
    pinned = [
        by_name[v.name].pinned_until_seconds > 100.0 and not by_name[v.name].ended for v in decision.victims
    ]
    assert pinned == sorted(pinned)


@pytest.mark.parametrize(
    ("tool", "memory", "why"),
    [
        pytest.param("code", 0.5, Why.TOOL, id="no pressure: the tool's P95"),
        pytest.param("code", 0.8, Why.PRESSURE, id="half of the pressure cuts a quarter"),
        pytest.param("code", 0.95, Why.PRESSURE, id="all of it a half"),
    ],
)
def test_holds_by_pressure(tool, memory, why):
    cut = {0.5: 1.0, 0.8: 0.75, 0.95: 0.5}[memory]
    held = hold(OURS, CURVES[tool], memory)
    assert held.why is why
    assert held.seconds == pytest.approx(cut * 2.4, rel=0.05)


@given(st.floats(0.001, 5000), st.floats(1, 50), st.floats(1, 50), st.floats(0, 1))
def test_a_hold_is_never_negative_nor_longer_than_the_longest(p50, spread, tail, memory):
    curve = Survival.prior(p50, p50 * (1 + spread), p50 * (1 + spread) * (1 + tail), 10.0)
    assert 0.0 <= hold(OURS, curve, memory).seconds <= 300.0
