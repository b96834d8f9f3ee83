"""Watts set aside for content: nothing seen is the most, what was seen is its quantile, and how replicas add up."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wattline.policy.quantile import NONE_SEEN, Claim, Key, QuantileSpec, Ratios, Why, decide

SPEC = QuantileSpec()
A, B = Key("llama", "fp8", "a"), Key("llama", "fp8", "b")


def seen(*ratios, spec=SPEC):
    known = NONE_SEEN
    for ratio in ratios:
        known = known.after(spec, 100.0, 100.0 * (1 + ratio))
    return known


EVEN = seen(*[step / 1000 for step in range(-100, 101)])
CALM = seen(*[0.0] * 200)


@pytest.mark.parametrize(
    ("spec", "known", "claims", "watts", "why"),
    [
        pytest.param(SPEC, {}, [], 0.0, Why.NOTHING, id="nothing claimed"),
        pytest.param(SPEC, {}, [Claim(A, 500.0)], 600.0, Why.UNKNOWN, id="nothing seen: the most"),
        pytest.param(SPEC, {A: seen(*[0.0] * 59)}, [Claim(A, 500.0)], 600.0, Why.UNKNOWN, id="too little seen: the most"),
        pytest.param(SPEC, {A: EVEN}, [Claim(B, 500.0)], 600.0, Why.UNKNOWN, id="of another tenant: the most"),
        pytest.param(SPEC, {A: EVEN}, [Claim(A, 500.0)], 546.0, Why.LEARNT, id="one in twenty may be above"),
        pytest.param(QuantileSpec(exceed_ratio=0.5), {A: EVEN}, [Claim(A, 500.0)], 501.0, Why.LEARNT, id="half may: about the mean"),
        pytest.param(SPEC, {A: CALM}, [Claim(A, 500.0)], 501.25, Why.LEARNT, id="no content effect: half a cell"),
        pytest.param(SPEC, {A: EVEN}, [Claim(A, 500.0)] * 4, 2184.0, Why.LEARNT, id="all together: quantiles add up"),
        pytest.param(QuantileSpec(correlation=0.0), {A: EVEN}, [Claim(A, 500.0)] * 4, 2092.0, Why.LEARNT, id="apart: half of it for four"),
    ],
)  # fmt: skip
def test_what_is_set_aside(spec, known, claims, watts, why):
    decision = decide(spec, known, claims)
    assert decision.watts == pytest.approx(watts, rel=0.004)
    assert decision.why is why


def test_a_tenant_that_changes_is_learnt_anew():
    spec = QuantileSpec(memory_samples=100)
    assert seen(*[-0.1] * 500, *[0.1] * 500, spec=spec).mean == pytest.approx(0.1, abs=0.01)


def test_a_sensor_that_lies_is_believed_to_a_bound():
    assert seen(*[5.0] * 100).upper(SPEC) == SPEC.most_ratio
    assert NONE_SEEN.after(SPEC, 0.0, 300.0) is NONE_SEEN


@given(st.integers(0, 1000), st.floats(0.01, 0.3), st.sampled_from([0.0, 0.5, 1.0]))
def test_it_is_passed_no_oftener_than_asked(seed, exceed, level):
    random = Random(seed)
    spec = QuantileSpec(exceed_ratio=exceed)
    values = [level * random.betavariate(2, 5) * 0.2 - 0.1 for _ in range(300)]
    upper = seen(*values, spec=spec).upper(spec)
    assert sum(value > upper for value in values) <= exceed * len(values)


def spread(seed, width):
    random = Random(seed)
    return [random.uniform(-width, width) for _ in range(70)]


ratios = st.builds(spread, st.integers(0, 1000), st.sampled_from([0.0, 0.05, 0.5]))


@given(ratios, ratios, st.floats(0, 1), st.floats(0, 1), st.floats(1, 1000))
def test_more_correlation_sets_no_less_aside_and_never_less_than_the_mean(one, other, low, high, watts):
    low, high = sorted((low, high))
    known: dict[Key, Ratios] = {A: seen(*one), B: seen(*other)}
    claims = [Claim(A, watts), Claim(B, 2 * watts)]
    apart = decide(QuantileSpec(correlation=low), known, claims)
    together = decide(QuantileSpec(correlation=high), known, claims)
    assert apart.mean_watts - 1e-6 <= apart.watts <= together.watts + 1e-6
    alone = sum(decide(QuantileSpec(), known, [claim]).watts for claim in claims)
    assert together.watts <= alone + 1e-6
