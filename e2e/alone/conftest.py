"""Suites that start clusters of their own; they need a machine on which none runs."""

import pytest

from harness.local import Local


@pytest.fixture
def local():
    """The local cluster, not started; whatever a test left of it is taken away."""
    provider = Local()
    if provider.running:
        pytest.skip("a cluster runs; these tests start and crash clusters of their own")
    yield provider
    provider.stop()
