"""The desk places turns where memory is, holds first turns, and owes everybody else an answer."""

import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wattline.api.inferencepool import Routing
from wattline.api.memory import Memory
from wattline.loops.desk import Desk
from wattline.loops.turns import Ask, DeskSpec
from wattline.model.context import Extent
from wattline.policy import admit, route
from wattline.policy.admit import AdmitSpec


def desk(*replicas, capacity=100_000, mode=route.Mode.WATTLINE, admission=True, growth_room=0.0):
    spec = DeskSpec(
        admit.AdmitSpec(Memory(), growth_room=growth_room),
        route.RouteSpec(Routing(), Memory(), mode),
        admission=admission,
    )
    made = Desk(spec, replicas or ("r0",))
    for name in replicas or ("r0",):
        made.replica(name, usable=True, capacity_tokens=capacity)
    return made


def context(session, tokens):
    return (Extent(session, 0, tokens),)


def ask(session, tokens, turn=1, **changes):
    return Ask((session, turn), session, context(session, tokens), **changes)


def placed(made, at_seconds=0.0):
    return {answer.turn[0]: answer.replica for answer in made.place(at_seconds)}


def test_first_turns_are_held_in_order_until_there_is_room():
    made = desk()
    for session, tokens in (("a", 60_000), ("b", 40_000), ("c", 10_000)):
        made.arrive(ask(session, tokens), 0.0)

    assert placed(made) == {"a": "r0"}
    assert made.held_because is admit.Why.ABOVE_BETA
    assert (made.running("r0"), made.waiting("r0"), made.held) == (1, 2, 2)
    made.ended(("a", 1), 5.0, context("a", 61_000))
    assert placed(made) == {}
    made.finished("a")
    assert placed(made) == {"b": "r0", "c": "r0"}


def test_a_turn_of_a_session_that_is_inside_goes_on_whatever_the_memory():
    made = desk()
    made.arrive(ask("a", 60_000), 0.0)
    placed(made)
    made.ended(("a", 1), 1.0, context("a", 60_500))
    made.arrive(ask("a", 99_000, turn=2), 2.0)

    assert placed(made) == {"a": "r0"}
    assert made.resident_tokens("r0") == 99_000


def test_growth_past_beta_sends_the_youngest_back_and_its_next_turn_waits_before_first_turns():
    made = desk()
    for session in ("a", "b"):
        made.arrive(ask(session, 45_000), 0.0)
    placed(made)
    made.ended(("a", 1), 1.0, context("a", 52_000))
    assert made.inside("a")
    made.ended(("b", 1), 1.0, context("b", 45_500))
    assert not made.inside("b")
    assert made.resident_tokens("r0") == 52_000
    made.arrive(ask("b", 46_000, turn=2), 3.0)
    made.arrive(ask("new", 1_000), 3.0)

    assert placed(made, 3.0) == {}
    made.finished("a")
    assert placed(made, 4.0) == {"b": "r0", "new": "r0"}


def test_an_owed_turn_that_waited_long_gets_the_memory_of_the_longest_tool():
    made = desk()
    for session in ("a", "b"):
        made.arrive(ask(session, 45_000), 0.0)
    placed(made)
    made.ended(("a", 1), 1.0, context("a", 45_100))
    made.ended(("b", 1), 2.0, context("b", 45_100))
    made.arrive(ask("child", 20_000, owed=True), 3.0)

    assert placed(made, 4.0) == {}
    assert placed(made, 24.0) == {"child": "r0"}
    assert (made.inside("a"), made.inside("b")) == (False, True)


def test_a_replica_that_goes_away_loses_its_sessions_to_the_others():
    made = desk("r0", "r1")
    made.arrive(ask("a", 10_000), 0.0)
    assert placed(made) == {"a": "r0"}
    made.ended(("a", 1), 1.0, context("a", 11_000))
    made.replica("r0", usable=False, capacity_tokens=None)
    made.lost("r0")
    made.arrive(ask("a", 12_000, turn=2), 2.0)

    assert placed(made, 2.0) == {"a": "r1"}


def test_without_admission_everybody_starts_at_once():
    made = desk("r0", "r1", mode=route.Mode.ROUND_ROBIN, admission=False)
    for index in range(6):
        made.arrive(ask(index, 90_000), 0.0)

    assert list(placed(made).values()) == ["r0", "r1"] * 3


def test_an_adopted_session_starts_at_once_and_counts():
    made = desk()
    made.arrive(ask("a", 94_000), 0.0)
    assert placed(made) == {"a": "r0"}
    made.arrive(ask("old", 80_000, adopted=True), 0.0)

    assert placed(made) == {"old": "r0"}
    assert made.resident_tokens("r0") == 174_000
    made.arrive(ask("child", 5_000, owed=True), 0.0)
    made.arrive(ask("other", 1_000, adopted=True), 0.0)
    assert placed(made) == {"other": "r0"}


@pytest.mark.parametrize(
    "happens",
    [
        pytest.param(lambda made: made.finished("a"), id="a session ends"),
        pytest.param(lambda made: made.ended(("a", 1), 1.0, context("a", 20_000)), id="a context shrinks"),
        pytest.param(
            lambda made: made.replica("r0", usable=True, capacity_tokens=200_000), id="a replica holds more"
        ),
        pytest.param(
            lambda made: made.replica("r1", usable=True, capacity_tokens=100_000), id="a replica comes up"
        ),
        pytest.param(lambda made: made.lost("r0"), id="a replica loses its memory"),
        pytest.param(
            lambda made: setattr(made.ledger, "tokens_per_unit", 0.25),
            id="a unit is found to be fewer tokens",
        ),
        pytest.param(
            lambda made: setattr(
                made, "spec", replace(made.spec, admit=AdmitSpec(Memory(never_above=1.0), growth_room=0.0))
            ),
            id="the pool's memory rule is another",
        ),
    ],
)
def test_a_turn_that_was_told_to_wait_starts_once_that_makes_room(happens):
    made = desk()
    made.arrive(ask("a", 60_000), 0.0)
    made.arrive(ask("b", 38_000), 0.0)
    placed(made)
    assert placed(made, 0.5) == {}
    happens(made)
    assert list(placed(made, 1.0)) == ["b"]


def test_a_turn_that_waits_for_the_thrash_to_pass_starts_by_time_alone():
    made = desk(growth_room=0.0)
    for session in ("a", "b"):
        made.arrive(ask(session, 40_000), 0.0)
    assert len(placed(made)) == 2
    made.prefilled(("a", 1), 0.0, 35_000.0, 20_000.0)
    made.arrive(ask("c", 5_000), 0.0)
    assert placed(made, 0.0) == {}
    assert made.held_because is admit.Why.THRASHING
    assert placed(made, 600.0) == {"c": "r0"}


def test_a_forecast_that_falls_lets_a_turn_start():
    made = desk(growth_room=1.0)
    made.arrive(ask("a", 30_000), 0.0)
    made.arrive(ask("b", 10_000), 0.0)
    made.growth = admit.Growth(turns=1000, ended=1, tokens=500_000)
    assert placed(made) == {"a": "r0"}
    made.growth = admit.Growth(turns=1000, ended=900, tokens=1000)
    assert placed(made) == {"b": "r0"}


def test_what_can_never_fit_is_answered_at_once():
    made = desk()
    made.arrive(ask("a", 100_001), 0.0)
    [answer] = made.place(0.0)

    assert (answer.replica, answer.admitted) == (None, admit.Why.TOO_LARGE)
    assert made.held == 0


def test_nothing_starts_on_a_replica_nobody_knows_yet():
    made = desk()
    made.replica("r0", usable=False, capacity_tokens=None)
    made.arrive(ask("a", 100), 0.0)
    assert placed(made) == {}
    made.replica("r0", usable=True, capacity_tokens=1_000)
    assert placed(made) == {"a": "r0"}


def test_sessions_that_idle_give_their_memory_back_and_are_still_known():
    made = desk()
    made.arrive(ask("a", 10_000), 0.0)
    placed(made)
    made.ended(("a", 1), 1.0, context("a", 11_000))

    assert made.expired(100.0, 200.0) == ()
    assert made.expired(300.0, 200.0) == ("a",)
    assert made.known("a")
    assert made.resident_tokens("r0") == 0


@given(
    seed=st.integers(0, 5_000),
    mode=st.sampled_from(list(route.Mode)),
    growth_room=st.sampled_from([0.0, 1.0]),
)
def test_every_turn_is_placed_once_and_admissions_keep_below_beta(seed, mode, growth_room):
    rng = random.Random(seed)
    made = desk("r0", "r1", mode=mode, growth_room=growth_room)
    sizes, running, held, now = {}, {}, set(), 0.0
    for step in range(150):
        now += rng.random() * 5
        if rng.random() < 0.5:
            sizes[step] = rng.randrange(100, 30_000)
            made.arrive(ask(step, sizes[step]), now)
            held.add(step)
        elif running:
            session = rng.choice(list(running))
            turn = running.pop(session)
            sizes[session] += rng.randrange(3_000)
            made.ended((session, turn), now, context(session, sizes[session]))
            if rng.random() < 0.3 or sizes[session] > 60_000:
                made.finished(session)
            else:
                made.arrive(ask(session, sizes[session], turn=turn + 1), now)
                held.add(session)
        for answer in made.place(now):
            session, turn = answer.turn
            assert session in held
            held.discard(session)
            assert answer.replica in ("r0", "r1")
            running[session] = turn
            if turn == 1:
                assert made.resident_tokens(answer.replica) <= 95_000
        assert made.held == len(held)
    for session, turn in list(running.items()):
        made.ended((session, turn), now)
        made.finished(session)
    for _ in range(300):
        now += 30
        for answer in made.place(now):
            made.ended(answer.turn, now)
            made.finished(answer.turn[0])
            held.discard(answer.turn[0])
    assert not held


def test_of_held_first_turns_the_one_that_seems_to_come_first_starts_first():
    made = desk()
    made.arrive(ask("big", 90_000), 0.0)
    placed(made)
    for session, behind, at in (("standard", 0.0, 1.0), ("protected", -30.0, 10.0), ("slowed", 60.0, 1.0)):
        made.arrive(ask(session, 30_000, behind_seconds=behind), at)
    made.finished("big")

    assert list(placed(made, 20.0)) == ["protected", "standard", "slowed"]


def test_an_owed_turn_starts_before_a_protected_first_turn():
    made = desk()
    made.arrive(ask("big", 90_000), 0.0)
    placed(made)
    made.arrive(ask("protected", 60_000, behind_seconds=-40.0), 1.0)
    made.arrive(ask("sub-agent", 60_000, owed=True, behind_seconds=70.0), 2.0)
    made.finished("big")

    assert list(placed(made, 3.0)) == ["sub-agent"]
