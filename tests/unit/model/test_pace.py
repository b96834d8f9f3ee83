"""What a replica's counters teach: least squares that forget slowly, bends by clock, and the cost of a clock."""

from random import Random

import pytest

from wattline.model.fit import learn, prior
from wattline.model.pace import NEW, Work, rested, watched
from wattline.model.residuals import DOUBT, NONE_SEEN


def test_a_linear_law_is_learnt_from_noisy_observations():
    rng, fit = Random(1), prior((0.0, 0.0), (10.0, 10.0))
    for _ in range(400):
        x = rng.uniform(0, 2)
        fit = learn(fit, (1.0, x), 3.0 + 2.0 * x + rng.gauss(0, 0.1), noise=0.1, memory=200)

    assert fit.parameters == pytest.approx((3.0, 2.0), abs=0.1)
    assert fit.deviation((1.0, 1.0)) < 0.05


def test_what_is_not_excited_is_neither_forgotten_nor_blown_up():
    rng, fit = Random(1), prior((0.0, 0.0), (10.0, 10.0))
    for _ in range(300):
        x = rng.uniform(0, 2)
        fit = learn(fit, (1.0, x), 3.0 + 2.0 * x, noise=0.1, memory=50)
    for _ in range(20_000):
        fit = learn(fit, (1.0, 1.0), 5.0, noise=0.1, memory=50)

    assert fit.predict((1.0, 2.0)) == pytest.approx(7.0, abs=0.5)
    assert fit.deviation((1.0, 0.0)) < 10.0


def test_a_law_that_changes_is_followed():
    fit = prior((1.0,), (1.0,))
    for _ in range(500):
        fit = learn(fit, (1.0,), 1.0, noise=0.1, memory=50)
    for _ in range(200):
        fit = learn(fit, (1.0,), 2.0, noise=0.1, memory=50)

    assert fit.parameters[0] == pytest.approx(2.0, abs=0.1)


def test_errors_are_remembered_near_the_clock_they_were_made_at():
    errors = NONE_SEEN
    for _ in range(50):
        errors = errors.after(900, 0.2)

    assert errors.at(900) == pytest.approx(0.2 * 50 / (50 + DOUBT))
    assert 0 < errors.at(960) < errors.at(900)
    assert errors.at(1200) == 0
    assert errors.doubt(900) < 0.1
    assert errors.doubt(1200) == 1


def world(clock, agents, prefill, alone=0.0, busy=1.0):
    """Return work of an engine whose steps wait for memory down to 1000 MHz and for the clock below."""
    ghz = clock / 1000
    step = 0.01 * max(1.0, 1.0 / ghz) * (1 + agents / 20)
    rate = agents * (1 - prefill / 10_000 / ghz) / step
    watts = 90 + 40 * ghz + 15 * ghz**3 + 10 * agents**0.5
    return Work(clock, agents, 0.3, prefill, rate, watts, busy, alone)


def taught():
    rng, pace = Random(2), rested(NEW, 50.0)
    for _ in range(1500):
        pace = watched(pace, world(rng.choice(range(500, 1700, 50)), rng.randint(1, 8), rng.uniform(0, 800)))
    return pace


def test_pace_and_power_are_learnt_bends_included():
    pace = taught()
    for clock in (600, 1000, 1600):
        true = world(clock, 4, 300)
        assert pace.agent_tokens_per_second(clock, true) == pytest.approx(
            true.generated_per_second / 4, rel=0.12
        )
        assert pace.busy_watts(clock, 4, 300) == pytest.approx(true.watts, rel=0.06)


def test_slowness_costs_where_turns_run_alone_and_nothing_where_a_batch_absorbs_it():
    pace = taught()
    lonely, crowd = world(1000, 1, 50, alone=0.3, busy=0.3), world(1000, 6, 50)

    def saving(work):
        return 1 - pace.marginal_watts(500, work) / pace.marginal_watts(1000, work)

    assert saving(crowd) > 0.1 > saving(lonely)
