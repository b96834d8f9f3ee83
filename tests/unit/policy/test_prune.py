"""Pruning: which chain ends, how many are left, that disagreement stops it, and what the rest votes."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wattline.policy.prune import (
    Ballot,
    Chain,
    PruneSeen,
    PruneSpec,
    Rule,
    Vote,
    Why,
    agreement,
    decide,
    least,
    vote,
)

RANDOM = PruneSpec()
DIVERSE = PruneSpec(rule=Rule.DIVERSE)
PAPERS = PruneSpec(guarded=False)


def seen(**changed):
    a, b = Chain("a", 21, 0.4), Chain("b", 5, 0.5)
    calm = {
        "chain": a,
        "nearest": b,
        "similarity": 0.97,
        "started": 16,
        "left": 16,
        "answers": "xxxy",
        "toss": 0.0,
    }
    return PruneSeen(**{**calm, **changed})


@pytest.mark.parametrize(
    ("spec", "now", "cut", "why"),
    [
        pytest.param(RANDOM, seen(), "a", Why.ALIKE, id="two that think the same: one ends"),
        pytest.param(RANDOM, seen(toss=0.9), "b", Why.ALIKE, id="which of them, the toss says"),
        pytest.param(DIVERSE, seen(), "b", Why.ALIKE, id="or the less diverse"),
        pytest.param(DIVERSE, seen(nearest=Chain("b", 5, 0.4), toss=0.9), "b", Why.ALIKE, id="equally diverse: the toss again"),
        pytest.param(RANDOM, seen(similarity=0.95), None, Why.DIFFERENT, id="at the threshold is not above it"),
        pytest.param(RANDOM, seen(chain=Chain("a", 20, 0.4)), None, Why.WARMING_UP, id="first thoughts are alike in all chains"),
        pytest.param(PAPERS, seen(left=4), None, Why.FEW_LEFT, id="a quarter is left"),
        pytest.param(PAPERS, seen(left=5), "a", Why.ALIKE, id="above a quarter one may end"),
        pytest.param(PAPERS, seen(started=4, left=3), None, Why.FEW_LEFT, id="three are left"),
        pytest.param(PAPERS, seen(started=2, left=2), None, Why.FEW_LEFT, id="two that were started both go on"),
        pytest.param(RANDOM, seen(answers=""), None, Why.UNHEARD, id="nobody has answered: none ends"),
        pytest.param(RANDOM, seen(answers="xxx"), None, Why.UNHEARD, id="three answers say little yet"),
        pytest.param(RANDOM, seen(answers="xxyz"), "a", Why.ALIKE, id="half of them the same is agreement"),
        pytest.param(RANDOM, seen(answers="wxyz"), None, Why.DISAGREEMENT, id="answers that disagree stop it"),
        pytest.param(PAPERS, seen(answers=""), "a", Why.ALIKE, id="the paper waits for no answer"),
        pytest.param(PAPERS, seen(answers="wxyz"), "a", Why.ALIKE, id="nor for agreement"),
    ],
)  # fmt: skip
def test_which_chain_ends(spec, now, cut, why):
    decision = decide(spec, now)
    assert (decision.cut, decision.why) == (cut, why)


@pytest.mark.parametrize(
    ("ballots", "result"),
    [
        pytest.param("xxy", Vote("x", 2 / 3), id="the most frequent wins"),
        pytest.param("", Vote(None, 0.0), id="nobody voted"),
        pytest.param("yx", Vote("y", 0.5), id="a tie of equals goes to the first"),
    ],
)
def test_what_is_voted(ballots, result):
    assert vote([Ballot(answer) for answer in ballots]) == result


def test_a_tie_goes_to_the_more_diverse():
    assert vote([Ballot("x", 0.6), Ballot("y", 0.4)]).answer == "y"


def test_nobody_disagrees_where_nobody_answered():
    assert agreement(()) == 1.0


specs = st.builds(
    PruneSpec,
    similarity=st.floats(0, 1),
    warmup_thoughts=st.integers(0, 5),
    least_chains=st.integers(1, 5),
    rule=st.sampled_from(Rule),
    guarded=st.booleans(),
)


@given(spec=specs, started=st.integers(1, 24), data=st.data())
def test_never_fewer_are_left_than_the_least(spec, started, data):
    live = {f"c{i}": Chain(f"c{i}", 0, data.draw(st.floats(0, 1))) for i in range(started)}
    for _ in range(40):
        if len(live) < 2:
            break
        one, other = data.draw(st.permutations(sorted(live)))[:2]
        live[one] = replace(live[one], thoughts=live[one].thoughts + 1)
        decision = decide(
            spec,
            PruneSeen(
                live[one],
                live[other],
                data.draw(st.floats(0, 1)),
                started,
                len(live),
                data.draw(st.lists(st.sampled_from("xyz"), max_size=5)),
                data.draw(st.floats(0, 0.999)),
            ),
        )
        assert decision.cut in {None, one, other}
        assert (decision.cut is None) == (decision.why is not Why.ALIKE)
        if decision.cut is not None:
            del live[decision.cut]
    assert len(live) >= least(spec, started) or len(live) == started


@given(answers=st.lists(st.sampled_from("xyz"), min_size=1, max_size=12), data=st.data())
def test_cutting_duplicates_of_the_majority_while_it_stays_one_changes_no_vote(answers, data):
    before = vote([Ballot(answer) for answer in answers])
    counts = sorted((answers.count(answer) for answer in set(answers)), reverse=True)
    lead = counts[0] - (counts[1] if len(counts) > 1 else 0)
    cut = data.draw(st.integers(0, max(0, lead - 1)))
    kept = list(answers)
    for _ in range(cut):
        kept.remove(before.answer)
    assert not kept or vote([Ballot(answer) for answer in kept]).answer == before.answer


@given(
    spec=specs, started=st.integers(2, 24), left=st.integers(2, 24), answers=st.lists(st.sampled_from("xyz"))
)
def test_the_guard_only_keeps_more(spec, started, left, answers):
    now = seen(started=started, left=min(left, started), answers=answers)
    if decide(replace(spec, guarded=True), now).cut is not None:
        assert decide(replace(spec, guarded=False), now).cut is not None
