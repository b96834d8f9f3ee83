"""Images and text: spread by tokens, to the emptiest, the most urgent first."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wattline.policy.modal import least, spread, urgency


@pytest.mark.parametrize(
    ("images", "waiting", "chosen"),
    [
        pytest.param([100], {"a": 5, "b": 4}, ("b",), id="to the emptiest"),
        pytest.param([100, 100], {"a": 0, "b": 0}, ("a", "b"), id="one request in two places"),
        pytest.param([10, 100], {"a": 0, "b": 50}, ("b", "a"), id="the largest chooses first"),
        pytest.param(
            [10, 10], {"a": 0, "b": 50}, ("a", "a"), id="both in one place where the other is fuller"
        ),
        pytest.param([], {"a": 0}, (), id="no image"),
    ],
)
def test_where_images_go(images, waiting, chosen):
    assert spread(images, waiting) == chosen


def test_without_an_instance_there_is_no_choice():
    with pytest.raises(ValueError, match="at least one instance"):
        least({})


def test_the_short_one_goes_first_where_all_wait_alike():
    """Objectives are so many times the work, as they are where they follow from an isolated run."""
    assert urgency(10.0, 5 * 0.1, 0.1) < urgency(10.0, 5 * 2.0, 2.0)


def test_nobody_is_overtaken_for_ever():
    assert urgency(10.0, 5 * 2.0, 2.0) < urgency(19.0, 5 * 0.1, 0.1)


@given(
    st.lists(st.floats(1, 5000), max_size=20),
    st.dictionaries(st.sampled_from("abcdef"), st.floats(0, 5000), min_size=1),
)
def test_no_place_ends_above_another_by_more_than_an_image(images, waiting):
    after = dict(waiting)
    for tokens, name in zip(images, spread(images, waiting), strict=True):
        after[name] += tokens
    used = [name for name in waiting if after[name] > waiting[name]]
    for name in used:
        assert after[name] - min(after.values()) <= max(images) + 1e-6
