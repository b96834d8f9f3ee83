"""DroidSpeak's study world: losses by hand, every hop served once and in its time, and what sharing takes alone."""

from dataclasses import replace

import pytest
from bench.papers.droidspeak.hop import (
    LINK_BYTES,
    LLAMA_8B,
    Hop,
    Way,
    at_rate,
    hops,
    prefill_seconds,
    replica,
)
from bench.papers.droidspeak.pairs import Drawn, Model, drawn
from bench.papers.droidspeak.sweep import Case, played

from wattline.policy.reuse import Group, Pair, ReuseSpec

PAIR = Pair("base", "base", 32, (Group(8, 16, 0.005),))
WHOLE, SHARED, TAKEN = Way("whole", connector=False), Way("shared", ReuseSpec()), Way("taken")
HOP = Hop(1.0, 8000, 100, 20, known=True)


def first(way, hop=HOP, link=LINK_BYTES):
    (served,) = replica([hop], way, PAIR, 0.5, link)
    return served


def test_losses_multiply_and_a_step_into_the_group_costs():
    model = Model((0.1, 0.2, 0.0, 0.3), transition_drop=0.01)
    assert model.drop(0, 0) == pytest.approx(1 - 0.9 * 0.8 * 0.7)
    assert model.drop(0, 2) == pytest.approx(0.3)
    assert model.drop(1, 3) == pytest.approx(1 - 0.9 * 0.99)
    assert model.drop(0, 4) == 0.0


def test_pairs_are_critical_in_a_tenth_of_their_layers():
    models = [model for seed in range(40) for model in drawn(seed, 8, Drawn())]
    critical = sum(drop >= 0.1 for model in models for drop in model.drops)
    assert 0.09 < critical / (32 * len(models)) < 0.14


def test_a_profile_is_better_with_more_layers_only():
    for model in drawn(1, 8, Drawn()):
        groups = model.profile().groups
        assert [group.count for group in groups] == sorted({group.count for group in groups})
        assert groups[0].count == 0


def test_alone_a_whole_prompt_takes_its_prefill():
    assert first(WHOLE).first_seconds == pytest.approx(prefill_seconds(8100))


def test_half_of_the_layers_take_half_of_it_and_the_hidden_states_before():
    hidden = 8192 * 8000 / LINK_BYTES
    assert first(SHARED).first_seconds == pytest.approx(prefill_seconds(8000) / 2 + hidden, rel=0.05)
    assert first(SHARED).drop_ratio == 0.005


def test_what_is_not_computed_is_fetched():
    link = 1e9
    fetched = 8000 * LLAMA_8B.kv_bytes_per_token / link
    assert first(TAKEN, link=link).first_seconds == pytest.approx(fetched)
    assert first(TAKEN).drop_ratio == 0.5


def test_nobody_else_knows_it_nothing_is_shared():
    unknown = replace(HOP, known=False)
    assert first(SHARED, unknown) == first(WHOLE, unknown) == first(TAKEN, unknown)


@pytest.mark.parametrize("way", [WHOLE, SHARED, TAKEN])
def test_every_hop_is_served_once_after_it_came(way):
    asked = at_rate(hops(2, 60, 1.0, hit=0.8, median=4000.0), 2.0)
    served = replica(asked, way, PAIR, 0.5, LINK_BYTES)
    assert len(served) == len(asked)
    assert all(0 < one.first_seconds <= one.end_seconds for one in served)


def test_the_same_case_is_the_same_result():
    case = Case(0, 1, "shared", 24, (0.5,))
    assert played(case) == played(case)
