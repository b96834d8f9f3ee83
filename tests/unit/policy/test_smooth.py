"""Ramps: what rises pays, what cannot pay waits, and nobody saves up for a jump."""

from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wattline.policy.smooth import SPAN_SECONDS, SmoothSpec, SmoothState, Step, decide

UP = SmoothSpec(up_watts_per_second=100.0, down_watts_per_second=None)
BOTH = SmoothSpec(up_watts_per_second=100.0, down_watts_per_second=50.0)
NOW = SmoothState()


def step(name="a", *watts, urgent=False):
    return Step(name, watts, urgent)


@pytest.mark.parametrize(
    ("spec", "steps", "pieces"),
    [
        pytest.param(UP, [step("a", 30, 60, 90)], {"a": 3}, id="what fits the second goes all the way"),
        pytest.param(UP, [step("a", 60, 120, 180)], {"a": 1}, id="what does not goes as far as it can"),
        pytest.param(UP, [step("a", 150)], {"a": 0}, id="a piece that cannot be paid waits"),
        pytest.param(UP, [step("a", 60), step("b", 60)], {"a": 1, "b": 0}, id="pools do not jump together"),
        pytest.param(UP, [step("a", 150), step("b", 60)], {"a": 0, "b": 0}, id="nobody overtakes one that saves"),
        pytest.param(UP, [step("a", 150), step("b", 0, 60)], {"a": 0, "b": 1}, id="what adds nothing costs nothing"),
        pytest.param(UP, [step("a", -500)], {"a": 1}, id="down at once"),
        pytest.param(UP, [step("a", -500), step("b", 150)], {"a": 1, "b": 0}, id="what falls does not pay for another's rise"),
        pytest.param(BOTH, [step("a", -40, -80)], {"a": 1}, id="down slowly where a ramp downwards is set"),
        pytest.param(BOTH, [step("a", -40, -80, urgent=True)], {"a": 2}, id="unless it is urgent"),
        pytest.param(BOTH, [step("a", 90), step("b", -50)], {"a": 1, "b": 1}, id="up and down have an allowance each"),
        pytest.param(UP, [], {}, id="nothing to do"),
    ],
)  # fmt: skip
def test_one_second(spec, steps, pieces):
    assert decide(spec, NOW, 10.0, steps).pieces == pieces


def test_who_waited_longest_goes_first():
    first = decide(UP, NOW, 10.0, [step("a", 90, 180), step("b", 90)])
    second = decide(UP, first.state, 12.0, [step("a", 90), step("b", 90)])

    assert first.pieces == {"a": 1, "b": 0}
    assert second.pieces == {"a": 0, "b": 1}


def taken(spec, calls):
    """Return how many pieces of one step each call takes; what was taken is not asked for again."""
    state, counts = NOW, []
    for at_seconds, watts in calls:
        decided = decide(spec, state, at_seconds, [step("a", *watts)] if watts else [])
        state = decided.state
        counts.append(decided.pieces.get("a", 0))
    return counts


LADDER = tuple(20.0 * piece for piece in range(1, 40))


@pytest.mark.parametrize(
    ("seconds", "counts"),
    [
        pytest.param([10, 11, 12, 13], [5, 0, 5, 0], id="once a second: a device may follow a second late"),
        pytest.param([10, 10.2, 11.2, 12.0], [5, 0, 0, 5], id="a call between two others gives nothing more"),
        pytest.param([10, 3610], [5, 5], id="a calm hour saves no jump"),
        pytest.param([10, 15, 20], [5, 5, 5], id="seldom called"),
        pytest.param([10, 9, 11, 12], [5, 0, 0, 5], id="a clock that goes back gives nothing"),
    ],
)
def test_a_long_rise(seconds, counts):
    assert taken(UP, [(at, LADDER) for at in seconds]) == counts


def test_what_was_not_used_is_there_a_little_later():
    assert taken(UP, [(10.0, (60.0,)), (11.0, (40.0,)), (11.5, (20.0,)), (12.0, (60.0,)), (13.0, (40.0,))]) == [
        1, 1, 0, 1, 1,
    ]  # fmt: skip


def test_a_ramp_that_was_lowered_counts_what_was_spent_before():
    first = decide(UP, NOW, 10.0, [step("a", 90)])

    assert decide(SmoothSpec(50.0, None), first.state, 11.0, [step("b", 40)]).pieces == {"b": 0}


@pytest.mark.parametrize(
    "watts",
    [
        pytest.param((250.0,), id="from the start"),
        pytest.param((0.0, 250.0), id="after one that adds nothing"),
    ],
)
def test_a_piece_dearer_than_the_ramp_is_saved_for(watts):
    seconds = [10, 11, 12, 13, 14, 15, 16, 17, 18, 19]
    went = [count == len(watts) for count in taken(UP, [(at, watts) for at in seconds])]

    assert [at for at, gone in zip(seconds, went, strict=True) if gone] == [13, 18]


def test_a_piece_dearer_than_the_ramp_is_saved_for_only_while_it_waits():
    assert taken(UP, [(10, (250.0,)), (11, ()), (12, (250.0,)), (14.9, (250.0,)), (15, (250.0,))]) == [
        0,
        0,
        0,
        0,
        1,
    ]


gaps = st.one_of(st.sampled_from([0.1, 0.2, 0.5, 1.0, 2.0]), st.floats(0.01, 4.0))
climb = st.lists(st.floats(0.5, 60), min_size=1, max_size=30).map(lambda parts: tuple(accumulate(parts)))
asked = st.lists(st.tuples(st.sampled_from("abcd"), climb), max_size=4, unique_by=lambda each: each[0])
story = st.lists(
    st.tuples(gaps, st.one_of(asked, st.just([("a", LADDER)])), st.floats(0, 1)), min_size=1, max_size=20
)


def played(spec, story, sign=1):
    """Return when something was allowed, when devices followed it, and its watts."""
    state, now, out = NOW, 0.0, []
    for gap, steps, late in story:
        now += gap
        decided = decide(
            spec, state, now, [Step(name, tuple(sign * w for w in watts)) for name, watts in steps]
        )
        state = decided.state
        spent = sum(watts[decided.pieces[name] - 1] for name, watts in steps if decided.pieces[name])
        out.append((now, now + late, spent))
    return out


def most_in(seconds, moves):
    """Return the most that moves within any span that is open at its beginning."""
    return max(sum(watts for at, watts in moves if end - seconds + 1e-5 < at <= end) for end, _ in moves)


@given(st.floats(60, 300), story, st.sampled_from([1, -1]))
def test_over_any_second_no_more_moves_than_the_ramp_however_late_devices_follow(rate, story, sign):
    """Once what is allowed counts at once, once each write counts up to a second after it was allowed."""
    moves = played(SmoothSpec(rate, rate), story, sign)

    assert most_in(1.0, [(at, watts) for at, _, watts in moves]) <= rate + 1e-6
    assert most_in(1.0, [(follows, watts) for _, follows, watts in moves]) <= rate + 1e-6


@pytest.mark.parametrize("gap", [0.1, 0.2, 0.3, 0.9, 1.0, 1.2, 3.0])
def test_a_long_rise_has_half_of_the_ramp_however_often_it_is_called(gap):
    calls = int(60 / gap)
    moves = played(UP, [(gap, [("a", tuple(float(watts) for watts in range(1, 200)))], 0.0)] * calls)
    risen = sum(watts for _, _, watts in moves)

    assert risen <= 100.0 * (1 + 60 / SPAN_SECONDS)
    assert risen >= 100.0 * 60 / (SPAN_SECONDS + gap)


@given(
    st.floats(1, 300),
    st.lists(st.tuples(gaps, st.lists(st.tuples(st.sampled_from("abcd"), st.lists(st.floats(1, 400), min_size=1, max_size=5).map(lambda parts: tuple(accumulate(parts)))), max_size=4, unique_by=lambda each: each[0]), st.just(0.0)), min_size=1, max_size=15),
)  # fmt: skip
def test_a_jump_goes_alone_and_was_saved_for(rate, story):
    """Whatever the pieces: in the long run half of the ramp and one second's, and who jumps has the second alone."""
    moves = played(SmoothSpec(rate, None), story)
    begin = moves[0][0]
    for end, _, spent in moves:
        given_watts = rate * (1 + (end - begin) / SPAN_SECONDS)
        assert sum(watts for at, _, watts in moves if at <= end) <= given_watts + 1e-3
        if spent > rate + 1e-6:
            assert sum(watts for at, _, watts in moves if end - SPAN_SECONDS + 1e-5 < at <= end) == spent


@given(
    st.lists(st.floats(1, 400), min_size=1, max_size=5), st.floats(1, 300), st.sampled_from([0.3, 1.0, 1.2])
)
def test_every_step_gets_there(parts, rate, gap):
    watts, state, done = tuple(accumulate(parts)), NOW, 0.0
    for call in range(1, 20000):
        left = tuple(each - done for each in watts if each > done)
        if not left:
            return
        decided = decide(SmoothSpec(rate, None), state, gap * call, [Step("a", left)])
        state = decided.state
        done += left[decided.pieces["a"] - 1] if decided.pieces["a"] else 0.0
    raise AssertionError("it never arrived")
