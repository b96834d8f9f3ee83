"""Stealing: when anything moves, what, and that a move pays."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wattline.policy.steal import Queued, ReplicaSeen, StealSpec, Why, decide, load

OURS = StealSpec()
PAPERS = StealSpec(counts_cost=False)


def queue(*names, wait=5.0, move=0.3, need=1000):
    return tuple(Queued(name, need, move, wait) for name in names)


def replica(name, use=0.5, memory=0.5, *, idle=None, free=100_000, waiting=()):
    return ReplicaSeen(name, use, memory, free, idle, waiting)


BUSY = replica("busy", 1.0, 1.0, waiting=queue("x", "y", "z"))
IDLE = replica("idle", 0.2, 0.2, idle=9.0)


@pytest.mark.parametrize(
    ("spec", "replicas", "moved", "why"),
    [
        pytest.param(OURS, [BUSY, IDLE], ["x", "y"], Why.IDLE, id="an empty queue takes the oldest, until the queues are about even"),
        pytest.param(OURS, [BUSY, replace(IDLE, idle_since_seconds=9.95)], ["x", "y"], Why.UNEVEN, id="one only just empty has not waited long enough, but loads differ"),
        pytest.param(OURS, [BUSY, replica("b", 0.9, 0.9, idle=9.95)], [], Why.EVEN, id="just empty and about as loaded: nothing"),
        pytest.param(OURS, [BUSY, replica("b", 0.9, 0.9, idle=9.0)], ["x"], Why.IDLE, id="two that wait are too many beside an empty queue"),
        pytest.param(OURS, [replica("a", 0.6, 0.6, waiting=queue("x")), replica("b", 0.6, 0.6, idle=9.0)], [], Why.EVEN, id="one that waits on an even load stays"),
        pytest.param(OURS, [replace(BUSY, waiting=queue("x", "y", wait=0.2)), IDLE], [], Why.COSTS_MORE, id="a move dearer than the wait is not made"),
        pytest.param(PAPERS, [replace(BUSY, waiting=queue("x", "y", wait=0.2)), IDLE], ["x"], Why.IDLE, id="the paper's rule makes it"),
        pytest.param(OURS, [BUSY, replace(IDLE, free_tokens=500)], [], Why.NO_ROOM, id="nor one to where there is no room"),
        pytest.param(OURS, [replace(BUSY, waiting=queue(*"abcdefghij")), IDLE], ["a", "b", "c", "d"], Why.IDLE, id="four at most"),
        pytest.param(OURS, [BUSY], [], Why.EVEN, id="one replica has nobody to give to"),
        pytest.param(OURS, [replace(BUSY, waiting=()), IDLE], [], Why.EVEN, id="nothing waits, nothing moves"),
    ],
)  # fmt: skip
def test_when_something_moves(spec, replicas, moved, why):
    decision = decide(spec, 10.0, replicas)
    assert ([move.session for move in decision.moves], decision.why) == (moved, why)


def test_the_longest_queue_gives():
    other = replica("other", 1.0, 1.0, waiting=queue(*"pqrs"))
    assert decide(OURS, 10.0, [BUSY, other, IDLE]).moves[0].source == "other"


def test_load_is_as_the_paper_weighs_it():
    assert load(OURS, replica("a", 0.8, 0.4, waiting=queue("x", "y"))) == pytest.approx(0.4 + 0.2 + 0.1)


replicas = st.lists(
    st.builds(
        ReplicaSeen,
        name=st.uuids().map(str),
        utilisation=st.floats(0, 1),
        memory_ratio=st.floats(0, 1),
        free_tokens=st.integers(0, 50_000),
        idle_since_seconds=st.sampled_from([None, 0.0, 9.95]),
        waiting=st.lists(
            st.builds(Queued, st.uuids().map(str), st.integers(0, 20_000), st.floats(0, 2), st.floats(0, 10)),
            max_size=6,
        ).map(tuple),
    ),
    max_size=5,
    unique_by=lambda one: one.name,
)


@given(st.booleans(), replicas)
def test_moves_are_few_oldest_first_and_pay(counts_cost, seen):
    moves = decide(StealSpec(counts_cost=counts_cost), 10.0, seen).moves
    assert len(moves) <= 4
    taken = {one.name: [move.session for move in moves if move.source == one.name] for one in seen}
    for one in seen:
        own = [queued.session for queued in one.waiting]
        assert [name for name in taken[one.name] if name in own] == own[: len(taken[one.name])]
    if counts_cost:
        by_name = {queued.session: queued for one in seen for queued in one.waiting}
        assert all(by_name[m.session].move_seconds < by_name[m.session].wait_seconds for m in moves)
        for one in seen:
            assert (
                sum(by_name[m.session].need_tokens for m in moves if m.target == one.name) <= one.free_tokens
            )


def test_what_was_taken_is_not_passed_on_in_the_same_period():
    empty = replica("empty", 0.0, 0.0, idle=9.0)
    moves = decide(PAPERS, 10.0, [BUSY, empty, replica("third", 0.0, 0.0, idle=9.0)]).moves
    assert [(move.source, move.session) for move in moves] == [("busy", "x"), ("busy", "y")]


@given(replicas)
def test_nothing_moves_to_and_fro_in_one_period(seen):
    moves = decide(OURS, 10.0, seen).moves
    assert len({move.session for move in moves}) == len(moves)
