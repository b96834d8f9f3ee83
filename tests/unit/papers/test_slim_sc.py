"""Slim-SC's study: a question by hand, the same chains for every policy, and what the engine adds up."""

from dataclasses import replace

import numpy as np
import pytest
from bench.papers.slim_sc.chains import write
from bench.papers.slim_sc.items import HARD, REDUNDANT, Item, item
from bench.papers.slim_sc.runs import FULL, HALF, POLICIES, Sample, play
from bench.papers.slim_sc.serving import PROMPT_TOKENS, Asked, serve

from wattline.policy.prune import PruneSpec

EAGER = PruneSpec(warmup_thoughts=0, least_chains=1, guarded=False)


def question(*, alike):
    """Four chains of 1000 tokens, ten thoughts each, that answer 0, 1, 1 and 1; only those said to be alike ever are."""
    closeness = np.full((4, 11, 4), 1e9, dtype=np.float32)
    for chain, thought, other in alike:
        closeness[chain, thought - 1, other] = 0.0
    regime = replace(REDUNDANT, alike_right=1.0, alike_wrong=1.0, alike_across=1.0)
    return Item(
        regime, np.array([0, 1, 1, 1]), np.full(4, 1000), np.full(4, 100.0), np.full(4, 0.5), closeness, np.zeros(4)
    )  # fmt: skip


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
    assert np.array_equal(one.closeness, two.closeness)
    assert np.array_equal(one.first(4).tokens, two.tokens[:4])


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
    sample = Sample(0, "hard", 6, 2)
    played = play(sample)
    assert played == play(sample)
    assert set(played) == set(POLICIES)
    assert played[HALF]["joules"] < played[FULL]["joules"]
    assert played[FULL]["left"] == pytest.approx(16)
