"""Label selectors as text."""

import pytest

from wattline.model.selector import equal, selects

LABELS = {"app": "coder", "tier": "gold", "app.kubernetes.io/part-of": "agents"}


@pytest.mark.parametrize(
    ("selector", "want"),
    [
        ("app=coder", True),
        ("app==coder,tier=gold", True),
        ("app=coder,tier=silver", False),
        ("app!=chat", True),
        ("gone!=chat", True),
        ("app in (coder, chat)", True),
        ("app in (chat)", False),
        ("app notin (chat),tier", True),
        ("gone notin (chat)", True),
        ("!gone,app", True),
        ("!app", False),
        ("app.kubernetes.io/part-of=agents", True),
        ("", False),
        ("app=(", False),
        ("app=coder,,tier", False),
    ],
)
def test_a_selector_selects_as_kubectl_does_and_one_that_is_not_known_selects_nothing(selector, want):
    assert selects(selector, LABELS) is want


def test_equal_labels_as_a_selector():
    assert equal({"b": "2", "a": "1"}) == "a=1,b=2"
    assert selects(equal(LABELS), LABELS)
