"""Turns in line: first come, first served, and a little earlier or later where their ask says so."""

from hypothesis import given
from hypothesis import strategies as st

from wattline.loops.line import Line
from wattline.loops.turns import Ask, Waiting

STEPS = st.lists(st.one_of(st.floats(0, 30), st.integers(0, 40)), max_size=60)
"""Seconds until the next turn joins; or the number of a turn that leaves."""


def waiting(turn, behind_seconds=0.0):
    return Waiting(Ask(turn, turn, (), behind_seconds=behind_seconds), 0.0)


def test_equals_stand_in_the_order_in_which_they_joined():
    line = Line()
    for turn in "abc":
        line.join(waiting(turn), 5.0)
    line.leave("b")
    line.join(waiting("b"), 5.0)

    assert list(line) == ["a", "c", "b"]
    assert line.first().ask.turn == "a"


def test_a_turn_stands_as_if_it_had_come_later_or_earlier():
    line = Line()
    line.join(waiting("standard"), 0.0)
    line.join(waiting("best effort", 30.0), 0.0)
    line.join(waiting("protected", -30.0), 20.0)
    line.join(waiting("late", 0.0), 31.0)

    assert list(line) == ["protected", "standard", "best effort", "late"]


def test_leaving_without_having_joined_is_nothing():
    line = Line()
    line.leave("a")

    assert len(line) == 0


@given(STEPS)
def test_a_line_without_privileges_is_a_queue(steps):
    line, plain, at, joined = Line(), {}, 0.0, 0
    for step in steps:
        if isinstance(step, int):
            line.leave(step)
            plain.pop(step, None)
        else:
            at, joined = at + step, joined + 1
            line.join(waiting(joined), at)
            plain[joined] = at

    assert list(line) == list(plain)
    assert [each.ask.turn for each in line.waiting()] == list(plain)
    assert len(line) == len(plain)
