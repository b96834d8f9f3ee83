"""Slim-SC's study: a question by hand, the same chains for every policy, and what the engine adds up."""

import numpy as np
import pytest
from bench.papers.slim_sc.chains import write
from bench.papers.slim_sc.items import HARD, LEAST_SIMILARITY, REDUNDANT, RIGHT, Alike, Item, item
from bench.papers.slim_sc.runs import FULL, HALF, POLICIES, Sample, play
from bench.papers.slim_sc.serving import PROMPT_TOKENS, Asked, serve

from wattline.policy.prune import PruneSpec

EAGER = PruneSpec(warmup_thoughts=0, least_chains=1, guarded=False)


def question(*, alike):
    """Four chains of 1000 tokens, ten thoughts each, that answer 0, 1, 1 and 1; only those said to be alike ever are."""
    rows = np.array([(chain, thought - 1, other) for chain, thought, other in alike], dtype=int).reshape(
        -1, 3
    )
    pairs = Alike(rows[:, 0], rows[:, 1], rows[:, 2], np.ones(len(rows)))
    return Item(np.array([0, 1, 1, 1]), np.full(4, 1000), np.full(4, 100.0), np.full(4, 0.5), pairs, np.zeros(4))  # fmt: skip


def test_chains_that_are_never_alike_all_vote():
    written = write(question(alike=[]), EAGER)
    assert (written.cut, written.tokens, written.right) == ((), (1000,) * 4, False)


def test_a_chain_that_is_alike_ends_at_its_thought():
    written = write(question(alike=[(1, 3, 2)]), EAGER)
    assert (written.cut, written.tokens) == ((1,), (1000, 300, 1000, 1000))


def test_nobody_is_alike_to_one_that_was_cut():
    written = write(question(alike=[(1, 3, 2), (3, 5, 1)]), EAGER)
    assert written.cut == (1,)


def test_redundant_wrong_chains_lose_the_vote_they_would_win():
    written = write(question(alike=[(1, 3, 2), (2, 4, 3)]), EAGER)
    assert written.cut == (1, 2)
    assert write(question(alike=[]), None).result.answer == "1"
    assert written.result.agreement_ratio == 0.5


def test_the_same_question_is_drawn_for_every_policy():
    one, two = (item(HARD, 3, 7, 8) for _ in range(2))
    assert np.array_equal(one.alike.similarity, two.alike.similarity)
    assert np.array_equal(one.first(4).tokens, two.tokens[:4])


def test_pairs_are_drawn_as_often_as_their_chance_says_and_never_with_oneself():
    whole = item(REDUNDANT, 5, 0, 64)
    alike, answers = whole.alike, whole.answers
    across = answers[alike.chain] != answers[alike.other]
    wrong = (answers[alike.chain] != RIGHT) & ~across
    thoughts = int((whole.tokens / whole.thought_tokens).max()) + 1
    pairs = [(answers == answer).sum() for answer in np.unique(answers[answers != RIGHT])]
    expected = sum(count * (count - 1) for count in pairs) * thoughts * REDUNDANT.alike_wrong

    assert (alike.chain != alike.other).all()
    assert (alike.similarity > LEAST_SIMILARITY).all()
    assert wrong.sum() == pytest.approx(expected, rel=0.3, abs=5)


def test_a_question_of_fewer_chains_has_the_same_ones():
    whole = item(REDUNDANT, 2, 3, 32)
    part = whole.first(8)

    assert part.alike.chain.max(initial=0) < 8
    assert set(zip(part.alike.chain, part.alike.thought, part.alike.other, strict=True)) <= set(
        zip(whole.alike.chain, whole.alike.thought, whole.alike.other, strict=True)
    )


def test_thoughts_less_alike_than_those_drawn_are_refused():
    with pytest.raises(ValueError, match="at least"):
        item(REDUNDANT, 2, 3, 4).near(0.9)


def test_memory_that_is_too_small_makes_chains_wait_and_cutting_shortens_that():
    chains = (9_000,) * 64
    waiting, few = serve([Asked(0.0, chains)]), serve([Asked(0.0, chains[:16])])

    assert waiting.preemptions > 0
    assert few.preemptions == 0


def test_a_cut_chain_never_writes_more():
    whole = item(REDUNDANT, 1, 2, 16)
    kept, cut = write(whole, None).tokens, write(whole, EAGER).tokens
    assert all(less <= full for less, full in zip(cut, kept, strict=True))


def test_memory_over_time_is_the_triangle_of_what_is_written():
    cost = serve([Asked(0.0, (2000,))])
    seconds = cost.seconds[0]
    assert cost.kv_token_seconds == pytest.approx(seconds * (PROMPT_TOKENS + 2000 / 2), rel=0.03)
    assert cost.preemptions == 0


def test_a_question_that_comes_later_is_timed_from_when_it_comes():
    alone = serve([Asked(0.0, (500, 500))]).seconds[0]
    assert serve([Asked(0.0, (500, 500)), Asked(60.0, (500, 500))]).seconds[1] == pytest.approx(
        alone, rel=0.02
    )


def test_fewer_chains_cost_less_and_play_is_the_same_twice():
    sample = Sample(0, "hard", 6, 2, chains=16)
    played = play(sample)
    assert played == play(sample)
    assert set(played) == set(POLICIES)
    assert played[HALF]["joules"] < played[FULL]["joules"]
    assert played[FULL]["left"] == pytest.approx(16)
