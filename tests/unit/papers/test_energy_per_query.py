"""Energy per query's study: the unit of its formula, its distributions and what levers are measured against."""

from dataclasses import replace

import numpy as np
import pytest
from bench.papers.energy_per_query import levers, montecarlo
from bench.papers.energy_per_query.montecarlo import Inputs
from bench.papers.energy_per_query.node import Choice, engine, idle_watts, most_sequences, served


def test_a_node_of_one_kilowatt_that_makes_one_token_a_second_spends_a_watt_hour_on_3_6_tokens():
    assert montecarlo.watt_hours(1.0, 1.0, 3.6, 1.0) == pytest.approx(1.0)


def test_medians_and_quartiles_are_those_that_the_implied_throughput_was_taken_from():
    low, middle, high = montecarlo.play(Inputs(1, 200_000, 300.0, 2300.0)).quartiles()
    assert (low, middle, high) == pytest.approx((0.14, 0.344, 0.70), rel=0.05)


def test_the_pue_has_the_published_percentiles():
    drawn = montecarlo.pue(np.random.default_rng(2), 200_000)
    assert np.quantile(drawn, (0.05, 0.95)) == pytest.approx((1.05, 1.40), rel=0.01)


def test_the_same_seed_draws_the_same_queries():
    one, two = (montecarlo.play(Inputs(3, 1000, 300.0, 2300.0)).quartiles() for _ in range(2))
    assert one == two


def test_a_fuller_node_makes_more_tokens_for_less_each():
    found = [served(Choice(share=share), 400.0) for share in (0.1, 0.3, 0.6, 1.0)]
    rates = [one.tokens_per_second for one in found]
    joules = [one.watts / one.tokens_per_second for one in found]
    assert rates == sorted(rates)
    assert joules == sorted(joules, reverse=True)


@pytest.mark.parametrize(
    "choice", [Choice(share=1.0), Choice(share=1.0, small=True), Choice(share=1.0, clock="knee")]
)
def test_no_answer_is_slower_than_the_objective(choice):
    now = served(choice, 400.0)
    assert now.tokens_per_second / now.sequences / (8 // engine(choice).gpus) >= 20.0 - 1e-3


def test_memory_holds_what_is_running():
    context = 500.0 + 7000.0 / 2
    assert most_sequences(Choice(), 7000.0) * context <= engine(Choice()).capacity_tokens * (1 + 1e-9)


def test_weights_are_as_published_unless_said():
    assert engine(Choice(small=True)).architecture.weight_bytes == pytest.approx(141.1e9)
    assert engine(Choice(small=True, weight_bits=4.0)).architecture.weight_bytes == pytest.approx(141.1e9 / 4)
    assert engine(Choice(weight_bits=4.0)).architecture.weight_bytes == pytest.approx(205e9)


def test_nodes_that_stay_on_and_idle_cost_part_of_what_filling_saves():
    placed = levers.LEVERS["placement"]
    assert 1.0 < levers.saved(placed) < levers.saved(replace(placed, idle_rest=False))
    assert 0 < idle_watts(Choice()) < served(Choice(share=0.01), 400.0).watts
