"""The fleet with images of the ModServe study: times by hand, nothing lost, text not behind images once they are apart."""

import pytest
from bench.papers.modserve import asked, day, sweep
from bench.papers.modserve.asked import Request
from bench.papers.modserve.cluster import (
    CROSS,
    DECODER,
    FASTER,
    STEP_SECONDS,
    TRANSFER_SECONDS,
    Fleet,
    Stages,
    first_tokens,
)
from bench.papers.modserve.day import Day
from bench.papers.modserve.sweep import Case

ONE = Fleet(1, 4)
APART = Fleet(1, 4, encoders=2)
TEXT = Request(0.0, 1_000, (), 10)
IMAGE = Request(0.0, 100, (6_404,), 10)


def played(requests, fleet, model=CROSS, rate=1.0):
    return first_tokens(requests, rate, fleet, Stages(model, fleet))


def test_a_text_alone_takes_a_step_and_its_prefill():
    # 1,000 tokens × 18 GFLOP over 0.4 × 312 TFLOPS × 3.2
    assert played([TEXT], ONE)[0] == pytest.approx(STEP_SECONDS + 18e12 / (0.4 * 312e12 * 3.2))


def test_an_image_alone_is_encoded_first():
    encode = 2 * 0.85e9 * 6_404 / (0.4 * 312e12)
    prefill = 100 * 18e9 / (0.4 * 312e12 * 3.2)

    assert played([IMAGE], ONE)[0] == pytest.approx(2 * STEP_SECONDS + encode / FASTER[4] + prefill)
    assert played([IMAGE], APART)[0] == pytest.approx(2 * STEP_SECONDS + encode + TRANSFER_SECONDS + prefill)


def test_decoder_only_models_prefill_images_as_well():
    assert Stages(CROSS, ONE).text_tokens(IMAGE) == 100
    assert Stages(DECODER, ONE).text_tokens(IMAGE) == 6_504


@pytest.mark.parametrize(
    ("model", "recorded", "tokens"),
    [
        pytest.param(CROSS, 16, 6_404, id="every image is padded"),
        pytest.param(CROSS, 1_200, 6_404, id="whatever its size"),
        pytest.param(DECODER, 16, 256, id="one tile"),
        pytest.param(DECODER, 1_200, 6 * 256, id="five tiles and the whole"),
        pytest.param(DECODER, 16_000, 13 * 256, id="twelve at most"),
    ],
)
def test_what_a_model_makes_of_an_image(model, recorded, tokens):
    assert model.image_tokens(recorded) == tokens


def test_text_waits_behind_images_only_where_they_share_a_server():
    crowd = [IMAGE, IMAGE, IMAGE, Request(0.001, 10, (), 1)]

    assert played(crowd, ONE)[-1] > 3 * played(crowd, APART)[-1]


def test_images_go_to_the_encoder_with_least_waiting_where_they_are_spread():
    crowd = [
        Request(0.0, 100, (6_404,), 10),
        Request(0.001, 100, (1_601,), 10),
        Request(0.002, 100, (1_601,), 10),
    ]
    by_turns, spread = (played(crowd, Fleet(1, 4, 2, spread=on)) for on in (False, True))

    assert spread[2] < by_turns[2]


def test_images_of_one_request_are_encoded_side_by_side_as_soon_as_encoders_are_apart():
    many = Request(0.0, 100, (6_404,) * 4, 10)
    four, one = (played([many], Fleet(1, 4, encoders))[0] for encoders in (4, 1))

    assert one > 3 * four


def test_the_short_one_goes_first_by_urgency():
    crowd = [Request(0.0, 4_000, (), 1), Request(0.001, 4_000, (), 1), Request(0.002, 100, (), 1)]
    in_turn, urgent = (played(crowd, Fleet(1, 4, 1, ordered=on)) for on in (False, True))

    assert urgent[2] < in_turn[2]
    assert urgent[1] > in_turn[1]


def test_every_request_gets_its_first_token():
    requests = asked.requests(1, 200, None, None, None)
    for fleet in (ONE, APART, Fleet(2, 2, 2, ordered=True, spread=True)):
        stages = Stages(CROSS, fleet)
        found = first_tokens(requests, 20.0, fleet, stages)
        assert len(found) == 200
        assert all(
            took >= stages.alone_seconds(each) - 1e-9 or fleet.encoders > 1
            for each, took in zip(requests, found, strict=True)
        )
        assert min(found) > 0


def test_requests_come_once_a_unit_half_with_images_and_the_same_for_a_seed():
    requests = asked.requests(3, 1_000, None, None, None)

    assert requests == asked.requests(3, 1_000, None, None, None)
    assert requests != asked.requests(4, 1_000, None, None, None)
    assert 0.45 <= sum(bool(each.images) for each in requests) / len(requests) <= 0.55
    assert requests[-1].at == pytest.approx(1_000, rel=0.25)


def test_the_most_load_is_within_the_objective_and_more_is_not():
    case = Case("cross-attention", 2, 4, 2, True, True, 0, 200, None, None, None)
    most = sweep.play(case)

    assert most["inside"] >= sweep.WITHIN
    assert sweep.at_rate(sweep.replace(case, rate=2 * most["rate"]))["inside"] < sweep.WITHIN


def test_what_misses_its_objective_even_idle_is_told_at_the_least_load():
    case = Case("cross-attention", 8, 4, 0, False, False, 0, 200, None, None, None, late=0.5)
    most = sweep.play(case)

    assert most["inside"] < sweep.WITHIN
    assert most["busy"] == pytest.approx(1 / 2**sweep.HALVINGS)


@pytest.mark.parametrize("model", ["cross-attention", "decoder-only"])
def test_objectives_are_of_one_image_whatever_a_request_has(model):
    case = Case(model, 8, 4, 0, False, False, 0, 200, None, None, None)
    text, image = sweep.alone_seconds(case)

    assert (text, image) == sweep.alone_seconds(sweep.replace(case, seed=1, servers=2))
    assert 0 < text < 0.2 < 10 * image


DAY = Day(0, 400.0, None, 0.05, 0.03, 0.06, 0.6, 0.7, 0.6, 4, 4, 0.08, 0.5, 4)


def test_replicas_that_follow_cost_less_than_the_peak_and_hold_the_load():
    said = day.play(DAY)

    assert said["ours"] < said["ours_peak"]
    assert said["one"] < said["one_peak"]
    assert said["theirs"] < said["theirs_peak"]
    assert said["attained"] > 0.95
    assert said == day.play(DAY)


def test_a_burst_of_images_leaves_the_text_servers_alone():
    calm = [100.0] * 12
    burst = [100.0] * 4 + [250.0] * 4 + [100.0] * 4

    image, text = day._followed(burst, 10.0)[0], day._followed(calm, 10.0)[0]

    assert image[5] == max(image) == 28  # 250 over 10 × 0.9
    assert set(text[1:]) == {12}
