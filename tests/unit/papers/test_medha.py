"""Medha's study world: the iteration's arithmetic by hand, all is served that was asked, and the same again."""

from dataclasses import replace

import pytest
from bench.papers.medha.chunks import MILLION, fixed, packed
from bench.papers.medha.engine import Predictor, physics, run, work_seconds
from bench.papers.medha.study import _crossed
from bench.papers.medha.sweep import Case, played
from bench.papers.medha.workload import Asked, mix

from wattline.policy.slack import Chunk, Rule, SlackSpec
from wattline.world.physics import ATTENTION_SHARE

MODEL = physics(128)
BRIEF = Case(0, 0.7, 10.0, None)


def test_an_iteration_by_hand():
    architecture, fit = MODEL.architecture, MODEL.fit
    tokens, context = 4096, 100_000
    flops = (
        2 * architecture.activated_parameters * tokens / fit.compute_share
        + architecture.attention_flops_per_token_pair * tokens * (context + tokens / 2) / ATTENTION_SHARE
    )
    seconds = flops / 128 / MODEL.product.flops_per_second + fit.step_seconds
    assert Predictor(MODEL)((Chunk("a", context, tokens),)) == pytest.approx(seconds)


def test_each_chunk_reads_its_own_context():
    one, other = Chunk("a", 900_000, 1), Chunk("b", 900_000, 1)
    predicted = Predictor(MODEL)
    read = 900_000 * MODEL.architecture.kv_bytes_per_token / 128
    more = read / (MODEL.product.bandwidth_bytes_per_second * MODEL.fit.bandwidth_share)
    assert predicted((one, other)) - predicted((one,)) == pytest.approx(more, rel=1e-3)


def test_work_adds_up():
    whole = work_seconds(MODEL, 0, 500_000, 0.02)
    parts = [work_seconds(MODEL, done, 500_000, 0.02) for done in (200_000, 500_000)]
    assert whole > parts[0] > parts[1]
    assert fixed(MODEL, MILLION, 16_384).seconds == pytest.approx(
        work_seconds(MODEL, 0, MILLION, 0.1), rel=0.02
    )


def test_one_alone_waits_for_its_work():
    asked = (Asked("a", 1.0, 200_000, 10),)
    outcome = run(SlackSpec(), asked, 60.0, model=MODEL)
    (served,) = outcome.served
    assert served.first_seconds == pytest.approx(served.work_seconds, rel=0.02)
    assert outcome.prompt_tokens == 200_000


@pytest.mark.parametrize("rule", Rule)
def test_all_is_computed_once_and_held_no_longer_than_needed(rule):
    asked = mix(3, 60.0, 1.0, None)
    outcome = run(SlackSpec(rule=rule), asked, 10_000.0, model=MODEL)
    assert all(one.first_seconds is not None and one.first_seconds > 0 for one in outcome.served)
    assert outcome.prompt_tokens == sum(one.tokens for one in asked)
    assert outcome.late_iterations == 0
    assert (
        max(one.tokens for one in asked)
        <= outcome.peak_tokens
        <= sum(one.tokens + one.output_tokens for one in asked)
    )


def test_the_mix_without_long_ones_is_the_same_short_ones():
    whole, short = mix(1, 500.0, 1.0, None), mix(1, 500.0, 1.0, None, long_share=0.0)
    assert [(one.at_seconds, one.tokens) for one in whole if not one.long] == [
        (one.at_seconds, one.tokens) for one in short
    ]
    assert 0.02 < 1 - len(short) / len(whole) < 0.08


def test_the_same_case_is_the_same_result():
    assert played(BRIEF) == played(BRIEF)
    assert played(BRIEF) != played(replace(BRIEF, seed=1))


def test_packed_chunks_keep_tokens_flowing():
    spec = SlackSpec()
    one = packed(MODEL, 200_000, spec)
    assert one.longest_seconds <= spec.budget_seconds
    assert one.first_tokens > one.last_tokens


def test_a_load_between_two_is_read_off_a_straight_line():
    assert _crossed((0.5, 0.9), (100.0, 80.0)) == pytest.approx(0.7)
    assert _crossed((0.5, 0.9), (99.0, 95.0)) == 0.9
