"""The ledger counts what each replica must keep, shared beginnings once."""

from hypothesis import given
from hypothesis import strategies as st

from wattline.model.context import Extent, head, shared_tokens, tokens
from wattline.model.ledger import Ledger

OPENING = Extent("harness", 0, 1000)


def context(session, own, opening=1000):
    return (Extent("harness", 0, opening), Extent(session, 0, own))


def test_a_shared_beginning_counts_once_on_one_replica_and_fully_on_another():
    ledger = Ledger()
    ledger.hold("a", "r0", context("a", 500))
    ledger.hold("b", "r0", context("b", 300))
    ledger.hold("c", "r1", context("c", 200))

    assert ledger.resident_tokens("r0") == 1800
    assert ledger.resident_tokens("r1") == 1200
    assert ledger.added_tokens("d", "r0", context("d", 100)) == 100
    assert ledger.added_tokens("d", "r2", context("d", 100)) == 1100


def test_the_same_tokens_after_different_beginnings_are_not_shared():
    ledger = Ledger()
    ledger.hold("a", "r0", (Extent("x", 0, 10), Extent("tail", 0, 50)))
    ledger.hold("b", "r0", (Extent("y", 0, 10), Extent("tail", 0, 50)))

    assert ledger.resident_tokens("r0") == 120


def test_a_session_holds_one_context_in_one_place():
    ledger = Ledger()
    ledger.hold("a", "r0", context("a", 500))
    ledger.hold("a", "r1", context("a", 700))

    assert ledger.resident_tokens("r0") == 0
    assert ledger.resident_tokens("r1") == 1700
    assert ledger.replica_of("a") == "r1"
    assert ledger.added_tokens("a", "r1", context("a", 900)) == 200
    ledger.release("a")
    ledger.release("a")
    assert ledger.resident_tokens("r1") == 0


def test_shared_bytes_are_worth_the_learnt_tokens_and_own_totals_are_exact():
    ledger = Ledger(tokens_per_unit=0.25)
    ledger.hold("a", "r0", context("a", 600))
    ledger.hold("b", "r0", context("b", 200))
    assert ledger.resident_tokens("r0") == 400 + 300 - 250

    ledger.correct("a", 410)
    assert ledger.resident_tokens("r0") == 410 + 300 - 250
    assert ledger.tokens_of("a") == 410


def test_a_replica_that_lost_its_memory_holds_nothing():
    ledger = Ledger()
    ledger.hold("a", "r0", context("a", 500))
    ledger.hold("b", "r0", context("b", 500))

    assert ledger.drop("r0") == ("a", "b")
    assert ledger.resident_tokens("r0") == 0
    assert ledger.session_count("r0") == 0


extents = st.builds(
    lambda stream, start, length: Extent(stream, start * 4, start * 4 + length),
    st.sampled_from("abc"),
    st.integers(0, 3),
    st.integers(0, 20),
)
contexts = st.lists(extents, max_size=4).map(tuple)


@given(
    steps=st.lists(
        st.tuples(st.sampled_from(["s", "t", "u", "v"]), st.sampled_from(["r0", "r1"]), st.none() | contexts),
        max_size=25,
    ),
    probe=contexts,
)
def test_resident_tokens_are_the_distinct_beginnings_of_what_is_held(steps, probe):
    ledger, held = Ledger(), {}
    for session, replica, new in steps:
        if new is None:
            ledger.release(session)
            held.pop(session, None)
        else:
            ledger.hold(session, replica, new)
            held[session] = (replica, new)
    for replica in ("r0", "r1"):
        here = [context for where, context in held.values() if where == replica]
        assert ledger.resident_tokens(replica) == distinct(here)
        added = ledger.added_tokens("new", replica, probe)
        assert added == distinct([*here, probe]) - distinct(here)


def distinct(held):
    """Tokens of all contexts less, for each, the longest beginning it shares with one before it."""
    total = 0
    for index, each in enumerate(held):
        total += tokens(each) - max((shared_tokens(each, other) for other in held[:index]), default=0)
    return total


def test_a_long_chain_of_growing_turns_stays_one_stretch():
    ledger = Ledger()
    for turn in range(1, 2000):
        ledger.hold("a", "r0", context("a", turn * 50))
    assert ledger.resident_tokens("r0") == 1000 + 1999 * 50
    assert head(context("a", 5), 1000) == (OPENING,)
