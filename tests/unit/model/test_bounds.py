"""What a limit promises, and which limit a bound needs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wattline.model.bounds import PRODUCTS, UNKNOWN, bound_watts, honour, limit_for

H100 = "NVIDIA H100 80GB HBM3"


@pytest.mark.parametrize(
    ("product", "limit", "watts"),
    [
        pytest.param(H100, 400, 408, id="a little above the limit"),
        pytest.param(H100, 100, 150, id="never below the floor"),
        pytest.param(H100, None, 714, id="its greatest limit when the limit is not known"),
        pytest.param("NVIDIA H100 NVL", 100, 102, id="another product of the same name has its own floor"),
        pytest.param("NVIDIA A100-SXM4-80GB", 300, 306, id="spelled with dashes"),
        pytest.param("Some New GPU", 400, 420, id="a wide margin where nothing is known"),
    ],
)
def test_a_limit_bounds_the_draw(product, limit, watts):
    assert bound_watts(product, limit, 700) == pytest.approx(watts)


@pytest.mark.parametrize("product", [H100, "NVIDIA H200", "NVIDIA A100-PCIE-40GB", "Some New GPU"])
@given(bound=st.floats(200, 1000))
def test_the_limit_for_a_bound_keeps_it(product, bound):
    assert bound_watts(product, limit_for(product, bound), 2000) <= bound * (1 + 1e-12)


@pytest.mark.parametrize(
    "known", [UNKNOWN, *(each for _, each in PRODUCTS)], ids=lambda known: known.source[:30]
)
def test_every_number_says_where_it_is_from(known):
    assert known.source.startswith(("ours", "http", "arXiv"))
    assert 0 <= known.overshoot_ratio <= 0.1


def test_names_match_by_whole_words():
    assert honour("NVIDIA GH2000") is UNKNOWN
