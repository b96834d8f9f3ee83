"""Agent rates count holding and prefill, and not tools."""

import pytest

from wattline.model.rates import AgentRates


def test_a_rate_is_tokens_over_the_seconds_a_request_was_open():
    rates = AgentRates()
    rates.arrived("a", 1, 0.0)
    rates.generated("a", 100, 8.0)
    rates.ended("a", 1, 10.0)

    assert rates.slowest(20.0) == pytest.approx(10)
    assert rates.slowest(25.0) == pytest.approx(10)
    assert rates.slowest(45.0) is None


def test_the_window_slides_over_long_turns():
    rates = AgentRates()
    rates.arrived("a", 1, 0.0)
    for second in range(100):
        rates.generated("a", 5 if second < 60 else 20, second)

    assert rates.slowest(100.0) == pytest.approx(20, rel=0.05)


def test_a_turn_that_just_came_says_nothing_yet_and_one_that_starves_does():
    rates = AgentRates()
    rates.arrived("a", 1, 0.0)

    assert rates.slowest(2.0) is None
    assert rates.slowest(6.0) == 0


def test_the_slowest_of_twenty_is_the_measure():
    rates = AgentRates()
    for index in range(40):
        rates.arrived(index, 1, 0.0)
        rates.generated(index, 10.0 * (index + 1), 5.0)
        rates.ended(index, 1, 10.0)

    assert rates.slowest(10.0) == pytest.approx(2.0)


def test_a_correction_takes_tokens_back():
    rates = AgentRates()
    rates.arrived("a", 1, 0.0)
    rates.generated("a", 100, 5.0)
    rates.generated("a", -40, 9.0)
    rates.ended("a", 1, 10.0)

    assert rates.slowest(10.0) == pytest.approx(6)


def test_a_turn_that_is_not_streamed_counts_at_its_end_over_the_time_it_took():
    rates = AgentRates()
    rates.arrived("a", 1, 0.0, streamed=False)
    assert rates.slowest(50.0) is None
    rates.generated_over("a", 600, 0.0, 60.0)
    rates.ended("a", 1, 60.0)

    assert rates.slowest(60.0) == pytest.approx(10, rel=0.1)
