"""Measured points become an engine, or a sentence that says what to measure."""

from dataclasses import replace
from functools import cache

import pytest
from tests.unit.profiles import truth

from wattline.api.modelprofile import Provenance, Quantity
from wattline.profiles.make import make
from wattline.profiles.points import ProfileError
from wattline.profiles.readers import Given, load
from wattline.world.curve import voltage_curve
from wattline.world.engines import ENGINES
from wattline.world.profiled import engine_of, engines_of, shape_of

FIT = truth.TRUTH.fit
ARCHITECTURE = truth.TRUTH.architecture


def made(points, **options):
    return make(points, ARCHITECTURE, name="one", **options)


@cache
def exact():
    """The profile of points without noise."""
    return made(truth.points())


def test_the_engine_that_made_the_points_is_found_again():
    profile = exact().profile
    found = profile.spec.engine.parameters
    assert found.bandwidth_share == pytest.approx(FIT.bandwidth_share, rel=0.02)
    assert found.compute_share == pytest.approx(FIT.compute_share, rel=0.02)
    assert found.sequence_seconds == pytest.approx(FIT.sequence_seconds, rel=0.02)
    assert found.memory_watts == pytest.approx(FIT.memory_watts, rel=0.02)
    assert found.compute_watts == pytest.approx(FIT.compute_watts, rel=0.02)
    assert all(error.worst_ratio < 0.01 for error in profile.spec.errors)


def test_with_noise_the_errors_of_points_left_out_are_of_the_size_of_the_noise():
    profile = made(truth.points((1, 2, 4, 8, 16, 32, 64, 128, 256), noise=0.03)).profile
    errors = {error.quantity: error.median_ratio for error in profile.spec.errors}
    assert set(errors) == set(Quantity)
    assert 0.002 < errors[Quantity.WATTS] < 0.04
    assert 0.002 < errors[Quantity.ITL] < 0.04


def test_locked_clocks_identify_what_clocks_do():
    shape = voltage_curve(0.8, 0.7, 0.7, 0.25)
    clocks = (990, 1305, 1650, 1980)
    profile = made(truth.points((1, 8, 64, 256), shape=shape, clocks=clocks)).profile
    assert profile.spec.clock.voltage_floor == pytest.approx(0.8, rel=0.05)
    assert profile.spec.clock.voltage_slope == pytest.approx(0.7, rel=0.05)
    assert profile.spec.clock.time_exponent == pytest.approx(0.7, rel=0.05)
    assert profile.spec.clock.memory_clock_share == pytest.approx(0.25, rel=0.1)
    assert shape_of(profile).time_ratio(0.5) == pytest.approx(0.5**-0.7, rel=0.05)


def test_without_locked_clocks_that_is_said_and_no_clock_response_written():
    one = exact()
    assert one.profile.spec.clock is None
    assert shape_of(one.profile) is None
    assert any("what clocks do is not measured" in warning for warning in one.warnings)


def test_a_profile_is_the_engine_that_a_simulation_runs():
    one = exact()
    engine = engine_of(one.profile)
    assert engine == one.fitted.physics
    assert engines_of([one.profile]) == ENGINES | {(truth.MODEL, "h100", 1): engine}


def test_every_point_is_kept_as_measured_with_its_place():
    points = truth.points()
    kept = exact().profile.spec.points
    assert [each.source for each in kept] == [point.place for point in points]
    assert {each.provenance for each in kept} == {Provenance.MEASURED}


def test_points_under_a_power_limit_are_read_with_it():
    caps = [replace(point, cap_watts=watts) for watts in (350.0, 700.0) for point in truth.points()]
    points = truth.measured(caps)
    found = made(points).profile
    assert found.spec.engine.parameters.compute_watts == pytest.approx(FIT.compute_watts, rel=0.02)
    assert found.spec.points[0].cap_watts == 350


def test_batches_of_a_real_leaderboard_that_were_left_out(shared_data):
    path = shared_data / "gpu/mlenergy_leaderboard_v3_configurations.csv.gz"
    reading = load([path], Given(model="google/gemma-3-27b-it", product="h100", gpus=2))
    gemma = replace(ARCHITECTURE, model="google/gemma-3-27b-it", weight_bytes=54.8e9, activated_parameters=27.4e9,
                    kv_bytes_per_token=2 * 10 * 16 * 128 * 2)  # fmt: skip
    errors = make(reading.points, gemma, name="gemma").profile.spec.errors
    of = {error.quantity: error.median_ratio for error in errors}
    assert of[Quantity.WATTS] <= 0.05
    assert of[Quantity.ITL] <= 0.10


def without(points, **gone):
    return [replace(point, **dict.fromkeys(gone, None)) for point in points]


REFUSED = {
    "no points at all": ([], "the files hold no operating points"),
    "no watts": (
        without(truth.points(), watts=True),
        "watts stand in none of 5 points; at least 3 are needed",
    ),
    "neither latency nor throughput": (
        without(truth.points(), itl_seconds=True, tokens_per_second=True),
        "inter-token latency or throughput stand in none of 5 points",
    ),
    "two batch sizes": (
        truth.points((8, 64)),
        "2 batch sizes (8, 64); at least 4 are needed, so that one can be left out to judge by: measure e.g. 128, 256 too",
    ),
    "batch sizes close together": (
        truth.points((10, 12, 14, 16)),
        "batch sizes from 10 to 16; the largest has to be 4 times the smallest",
    ),
    "nothing ever computes": (
        truth.points((1, 2, 3, 4), prompt_tokens=0, output_tokens=2000),
        "computeShare cannot be told apart by these points; measure watts at a batch or prompts so large",
    ),
    "two engines": (
        truth.points() + [replace(p, subject=replace(p.subject, gpus=2)) for p in truth.points()],
        "the points are of 2 engines: Qwen/Qwen3-14B on 1 h100; Qwen/Qwen3-14B on 2 h100",
    ),
    "latency that falls with the batch": (
        [
            replace(point, itl_seconds=0.004) if point.sequences == 64 else point
            for point in truth.points()
        ],
        "truth.csv:5: 4 ms between tokens with 64 running, but",
    ),
    "latency in milliseconds at a few": (
        [replace(p, itl_seconds=p.itl_seconds * (1 + p.sequences)) for p in truth.points()],
        "itlSeconds of batch sizes left out is off by",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("points", "said"), REFUSED.values(), ids=REFUSED.keys())
def test_points_that_identify_no_engine_are_refused_with_what_is_missing(points, said: str):
    with pytest.raises(ProfileError) as refused:
        made(points)
    assert said in str(refused.value)


def test_watts_that_fall_with_the_clock_are_named_with_both_places():
    points = truth.points((1, 8, 64, 256), clocks=(990, 1305, 1980), shape=voltage_curve(0.8, 0.7, 0.7, 0.25))
    points[-1] = replace(points[-1], watts=points[-2].watts * 0.9)
    with pytest.raises(
        ProfileError, match=r"truth\.csv:13: .* W at 1980 MHz, but .* W at 1305 MHz \(truth\.csv:12\)"
    ):
        made(points)
