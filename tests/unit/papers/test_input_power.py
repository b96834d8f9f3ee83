"""The row whose contents drift: what is drawn by hand, no effect no violation, and what readings give away."""

from dataclasses import replace

import numpy as np
import pytest
from bench.papers.input_power.channel import GRID, guessed
from bench.papers.input_power.row import (
    REPLICAS,
    TENANTS,
    World,
    _correlation,
    by_mean,
    by_model,
    by_quantile,
    contents,
    keys,
    operations,
    played,
)
from bench.papers.input_power.study import Case, rowed

from wattline.policy.quantile import QuantileSpec

SPEC = QuantileSpec()
EVEN = World(low=0.9, high=0.9, error_ratio=0.0)


def test_without_an_effect_the_model_is_right():
    outcome = played(0, EVEN, 200, by_model(), spec=SPEC)
    assert outcome.violated == 0.0
    assert outcome.unused == pytest.approx(0.0, abs=0.01)


def test_a_warmer_content_draws_its_share_of_dynamic_power():
    hot = played(0, replace(EVEN, low=1.0, high=1.0), 200, by_model(), spec=SPEC)
    even = played(0, EVEN, 200, by_model(), spec=SPEC)
    assert hot.violated == 1.0
    table = operations()
    at = [one for one in table if one.watts <= 0.85 * table[-1].watts][-1]
    more = (at.watts - at.idle_watts) * (1.0 / 0.9 - 1.0) / (0.85 * table[-1].watts)
    assert even.unused - hot.unused == pytest.approx(more, rel=1e-6)


def test_limits_are_never_passed_and_slow_someone():
    outcome = played(0, World(), 400, by_mean(SPEC), spec=SPEC, limits=True)
    assert outcome.violated == 0.0
    assert outcome.throttled > 0.0
    assert outcome.tokens_per_second < played(0, World(), 400, by_mean(SPEC), spec=SPEC).tokens_per_second


def test_a_quantile_sets_more_aside_than_the_mean():
    mean, high = (played(1, World(), 600, plan(SPEC), spec=SPEC) for plan in (by_mean, by_quantile))
    assert high.violated < mean.violated
    assert high.unused > mean.unused
    assert high.tokens_per_second < mean.tokens_per_second


@pytest.mark.parametrize("correlation", [0.0, 0.5, 1.0])
def test_contents_are_in_their_range_and_correlated_as_asked(correlation):
    world = World(correlation=correlation, drift_seconds=10.0, tenant_share=0.0)
    factors = contents(3, world, 3000)
    assert (factors.min() >= world.low, factors.max() <= world.high) == (True, True)
    assert _correlation(list(factors)) == pytest.approx(correlation, abs=0.05)


def test_tenants_differ_by_what_is_theirs():
    factors = contents(3, World(tenant_share=1.0), 10)
    assert np.ptp(factors, axis=0).max() == 0.0
    assert len(set(keys())) == TENANTS
    assert len(set(keys(pooled=True))) == 1
    assert len(keys()) == REPLICAS


def test_until_something_is_seen_contents_move_together():
    assert _correlation([np.ones(REPLICAS)] * 10) == 1.0


def test_fine_readings_tell_contents_and_coarse_ones_do_not():
    assert guessed(0, 2.0, GRID) == 1.0
    assert guessed(0, 0.2, 60.0) < 0.6


def test_the_same_case_is_the_same_result():
    assert rowed(Case(0, "measured", 150)) == rowed(Case(0, "measured", 150))
