"""Admission holds agents for memory, and only for it."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wattline.api.memory import Memory
from wattline.model.context import Extent
from wattline.model.ledger import Ledger
from wattline.policy.admit import AdmitSeen, AdmitSpec, AdmitState, Growth, Why, decide, goes_back

SPEC = AdmitSpec(Memory())
GROWN = Growth(turns=1000, ended=100, tokens=100_000)
"""10 turns of 100 tokens: sessions grow by 1,000 tokens in their life."""


def seen(**changes):
    calm = {
        "at_seconds": 100.0,
        "resident_tokens": 50_000,
        "capacity_tokens": 100_000,
        "sessions": 5,
        "added_tokens": 5_000,
        "returning": False,
    }
    return AdmitSeen(**calm | changes)


THRASHED = AdmitState(at_seconds=90.0, prefilled_tokens=100_000, recomputed_tokens=30_000)


@pytest.mark.parametrize(
    ("case", "state", "admitted", "why"),
    [
        pytest.param(seen(), AdmitState(), True, Why.ROOM, id="room: start"),
        pytest.param(
            seen(capacity_tokens=None), AdmitState(), False, Why.CAPACITY_UNKNOWN, id="unknown counts as full"
        ),
        pytest.param(
            seen(resident_tokens=90_000, added_tokens=0),
            AdmitState(),
            False,
            Why.ABOVE_GAMMA,
            id="at gamma: hold",
        ),
        pytest.param(
            seen(resident_tokens=89_000, added_tokens=7_000),
            AdmitState(),
            False,
            Why.ABOVE_BETA,
            id="never past beta",
        ),
        pytest.param(
            seen(resident_tokens=0, sessions=0, added_tokens=96_000),
            AdmitState(),
            False,
            Why.TOO_LARGE,
            id="larger than beta: waiting will not help",
        ),
        pytest.param(
            seen(resident_tokens=0, sessions=0, added_tokens=99_000, returning=True),
            AdmitState(),
            True,
            Why.ALONE,
            id="who was in and is alone may go on up to the capacity",
        ),
        pytest.param(
            seen(resident_tokens=80_000),
            THRASHED,
            False,
            Why.THRASHING,
            id="thrash while memory is tight: hold",
        ),
        pytest.param(
            seen(resident_tokens=80_000, returning=True),
            THRASHED,
            True,
            Why.ROOM,
            id="thrash does not hold who is owed an answer",
        ),
        pytest.param(
            seen(resident_tokens=60_000), THRASHED, True, Why.ROOM, id="thrash without need of memory: go"
        ),
    ],
)
def test_one_answer_for_one_reason(case, state, admitted, why):
    decision = decide(SPEC, GROWN, state, case)

    assert (decision.admitted, decision.why) == (admitted, why)


def test_a_crowd_that_just_started_is_given_room_to_grow_and_an_old_one_is_not_held_back():
    growing = Growth(turns=1000, ended=25, tokens=1000 * 500)  # 40 turns, 20,000 tokens in a life
    young = seen(resident_tokens=50_000, sessions=25, added_tokens=2_000)
    old = seen(resident_tokens=50_000, sessions=2, added_tokens=2_000)

    assert decide(SPEC, growing, AdmitState(), young).why is Why.GROWTH
    assert decide(SPEC, growing, AdmitState(), old).why is Why.ROOM
    assert decide(AdmitSpec(Memory(), growth_room=0), growing, AdmitState(), young).why is Why.ROOM


def test_many_agents_that_have_just_started_do_not_teach_that_none_ever_ends():
    growth = Growth()
    for _ in range(15 * 30):
        growth = growth.turn(900)

    assert growth.ended / growth.turns > 1 / 75


def test_growth_is_learnt_from_turns_and_ends():
    growth = Growth()
    for _ in range(2000):
        for _ in range(10):
            growth = growth.turn(200)
        growth = growth.end()

    assert growth.tokens / growth.turns == pytest.approx(200, rel=0.05)
    assert growth.ended / growth.turns == pytest.approx(0.1, rel=0.05)
    assert growth.peak_tokens(100_000, 10) == 100_000


def test_the_thrash_share_fades_with_time():
    state = AdmitState().prefilled(SPEC, 10.0, 50_000, 25_000)

    assert state.thrash_ratio(SPEC, 10.0) == pytest.approx(0.5)
    assert state.thrash_ratio(SPEC, 200.0) == 0


@pytest.mark.parametrize(
    ("resident", "capacity", "sessions", "back"),
    [
        pytest.param(95_000, 100_000, 4, False, id="at beta: stay"),
        pytest.param(95_001, 100_000, 4, True, id="past beta: back to pending"),
        pytest.param(99_000, 100_000, 1, False, id="alone: stay"),
        pytest.param(99_000, None, 4, False, id="capacity unknown: stay"),
    ],
)
def test_growth_past_beta_sends_a_session_back_at_its_turns_end(resident, capacity, sessions, back):
    assert goes_back(SPEC, resident, capacity, sessions) is back


@given(
    seed=st.integers(0, 10_000),
    capacity=st.integers(1_000, 200_000),
    room=st.sampled_from([0.0, 0.5, 1.0]),
    gamma=st.floats(0.76, 0.95),
)
def test_promise_4_no_admission_takes_resident_tokens_past_beta(seed, capacity, room, gamma):
    rng = random.Random(seed)
    spec = AdmitSpec(Memory(admit_below=gamma), growth_room=room)
    growth, ledger, alive = Growth(), Ledger(), {}
    for step in range(120):
        action = rng.random()
        if action < 0.5:
            new = (Extent("opening", 0, 300), Extent(step, 0, rng.randrange(1, 1 + capacity // 4)))
            decision = decide(
                spec,
                growth,
                AdmitState(),
                AdmitSeen(
                    step,
                    ledger.resident_tokens("r"),
                    capacity,
                    ledger.session_count("r"),
                    ledger.added_tokens(step, "r", new),
                ),
            )
            if decision.admitted:
                ledger.hold(step, "r", new)
                alive[step] = new
                assert ledger.resident_tokens("r") <= spec.memory.never_above * capacity
        elif alive and action < 0.8:
            session = rng.choice(list(alive))
            opening, own = alive[session]
            grown = rng.randrange(1 + capacity // 20)
            alive[session] = (opening, Extent(session, 0, own.end + grown))
            ledger.hold(session, "r", alive[session])
            growth = growth.turn(grown)
        elif alive:
            session = rng.choice(list(alive))
            del alive[session]
            ledger.release(session)
            growth = growth.end()


def test_memory_computed_again_lowers_the_level_and_new_work_raises_it():
    lost = AdmitState().returned(SPEC, tokens=40_000, recomputed=40_000, capacity_tokens=100_000)
    well = lost.returned(SPEC, tokens=100_000, recomputed=0, capacity_tokens=100_000)

    assert lost.level < well.level < AdmitState().level
    assert AdmitState().returned(SPEC, 1e9, 1e9, 1e5).level == SPEC.least_level
