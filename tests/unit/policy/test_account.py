"""Energy adds up, and goes to who used it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wattline.policy.account import DECODE_WEIGHT, Book, Window, Work


def test_a_window_waits_for_its_turns_and_is_divided_by_their_work():
    book = Book()
    book.read(Window(0, 1, 100))
    [idle] = book.settle()
    assert idle.idle_joules == 100

    book.started("t1", 1.0)
    book.started("t2", 1.0)
    book.read(Window(1, 2, 400))
    assert book.settle() == []
    book.ended("t1", Work("run-a", 1.0, 2.0, 2.0, 800, 0))
    assert book.unsettled_joules == 400
    book.ended("t2", Work("run-b", 1.0, 1.0, 2.0, 0, 300))
    [settled] = book.settle()

    assert settled.idle_joules == 100
    assert settled.runs["run-a"] == pytest.approx(300 * 800 / (800 + 300 * DECODE_WEIGHT))
    assert sum(settled.runs.values()) == pytest.approx(300)


def test_work_nobody_here_asked_for_is_foreign():
    book = Book()
    book.started("t", 0.0)
    book.ended("t", Work("run", 0.0, 1.0, 1.0, 100, 0))
    book.read(Window(0, 1, 200, foreign_ratio=0.75))
    [settled] = book.settle()

    assert settled.runs == {"run": 50}
    assert settled.foreign_joules == 150


def test_a_turn_that_never_reached_the_engine_costs_nothing():
    book = Book()
    book.started("t", 0.0)
    book.read(Window(0, 1, 60))
    book.ended("t", None)

    assert book.settle()[0].idle_joules == 60


turns = st.lists(
    st.tuples(
        st.floats(0, 50),
        st.floats(0, 10),
        st.floats(0, 30),
        st.integers(0, 20_000),
        st.integers(0, 2_000),
        st.sampled_from("abc"),
    ),
    max_size=12,
)


@given(
    turns=turns,
    windows=st.lists(
        st.tuples(st.floats(0.05, 5), st.floats(0, 3_000), st.floats(0, 1)), min_size=1, max_size=40
    ),
)
def test_promise_5_attributed_idle_and_foreign_are_the_counter(turns, windows):
    book, now = Book(), 0.0
    events = []
    for index, (start, prefill, decode, prompt, output, run) in enumerate(turns):
        work = Work(run, start, start + prefill, start + prefill + decode, prompt, output)
        events += [(start, 0, index, work), (work.last_seconds, 1, index, work)]
    events.sort(key=lambda event: event[:3])
    runs = {}
    for seconds, joules, foreign in windows:
        while events and events[0][0] <= now + seconds:
            at, ends, index, work = events.pop(0)
            if ends:
                book.ended(index, work)
            else:
                book.started(index, at)
        book.read(Window(now, now + seconds, joules, foreign))
        now += seconds
        for settled in book.settle():
            assert min([settled.idle_joules, settled.foreign_joules, *settled.runs.values()]) >= 0
            for run, joules_of_run in settled.runs.items():
                runs[run] = runs.get(run, 0.0) + joules_of_run
    total = book.attributed_joules + book.idle_joules + book.foreign_joules + book.unsettled_joules

    assert total == pytest.approx(sum(joules for _, joules, _ in windows), rel=0.01, abs=1e-6)
    assert sum(runs.values()) == pytest.approx(book.attributed_joules)
