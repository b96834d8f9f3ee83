"""The fake library is held against captures of real GPUs, where there are any, and the survey itself against the fake."""

import json

import pytest
from conformance.survey import CAPTURES, MOVING, STANDING, differences, of_fake, product_of

SAVED = sorted(CAPTURES.glob("*.json"))


@pytest.fixture(scope="module")
def fake():
    return of_fake("h100")


def test_a_survey_says_where_it_is_from_and_asks_every_getter(fake):
    (gpu,) = fake["gpus"]

    assert {"taken", "driver", "nvml", "nvidia-ml-py", "kernel"} <= fake.keys()
    assert gpu["standing"].keys() == STANDING.keys()
    assert gpu["moving"].keys() == MOVING.keys()
    assert gpu["standing"]["limit constraints"] == {"value": [200_000, 700_000]}
    assert product_of(fake) == "h100"


def test_no_difference_is_found_where_there_is_none(fake):
    assert differences(fake, json.loads(json.dumps(fake))) == []


def test_another_value_and_another_code_are_differences(fake):
    other = json.loads(json.dumps(fake))
    other["gpus"][0]["standing"]["default limit"] = {"value": 650_000}
    other["gpus"][0]["moving"]["margin"] = {"error": 3}

    assert differences(other, fake) == [
        "default limit: the device answers {'value': 650000}, the fake library {'value': 700000}",
        "margin: the device's code is 3, the fake library's 0",
    ]


@pytest.mark.skipif(not SAVED, reason="no capture of a real GPU has been saved yet")
@pytest.mark.parametrize("path", SAVED, ids=lambda path: path.stem)
def test_the_fake_answers_as_the_device_did(path):
    captured = json.loads(path.read_text())
    product = product_of(captured)

    assert product is not None
    assert differences(captured, of_fake(product)) == []
