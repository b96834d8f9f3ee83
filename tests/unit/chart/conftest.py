"""The chart is judged as helm renders it, where helm is."""

import pytest
from tests.unit.chart import rendering


@pytest.fixture
def helm() -> None:
    """Skip where there is no helm."""
    if rendering.helm() is None:
        pytest.skip("no helm (put it on the path, name it with HELM, or let `make e2e` build it)")
