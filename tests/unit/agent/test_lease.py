"""A lease is extended by change alone, and nothing older than the newest order is heard."""

import pytest

from wattline_agent.lease import Fence, Lease


def test_a_first_sight_does_not_extend():
    lease = Lease().sighted("box", renewals=7, duration_seconds=60, now_seconds=100)

    assert not lease.valid(100)


def test_a_changed_renewal_extends_for_its_duration():
    lease = Lease().sighted("box", 7, 60, 100).sighted("box", 8, 60, 115)

    assert lease.valid(174.9)
    assert not lease.valid(175)
    assert lease.remaining_seconds(115) == 60


def test_the_same_renewal_seen_again_does_not_extend():
    lease = Lease().sighted("box", 7, 60, 100).sighted("box", 8, 60, 115).sighted("box", 8, 60, 170)

    assert not lease.valid(176)


def test_a_counter_that_went_back_is_a_change():
    lease = Lease("box", 9, None).sighted("box", 1, 60, 100)

    assert lease.valid(150)


def test_the_first_sight_of_another_lease_keeps_the_old_deadline():
    lease = Lease("box", 9, 130.0).sighted("row", 4, 60, 100)

    assert lease == Lease("row", 4, 130.0)


@pytest.mark.parametrize(
    ("uid", "epoch", "generation", "want"),
    [
        pytest.param("a", 3, 5, True, id="the same order again"),
        pytest.param("a", 3, 6, True, id="a newer generation"),
        pytest.param("a", 3, 4, False, id="an older generation"),
        pytest.param("a", 4, 1, True, id="a newer leader"),
        pytest.param("a", 2, 9, False, id="an older leader, whatever its generation"),
        pytest.param("b", 3, 1, True, id="an object made anew under the same leader"),
        pytest.param("b", 2, 9, False, id="an older leader's object"),
    ],
)
def test_the_fence(uid, epoch, generation, want):
    assert Fence("a", 3, 5).admits(uid, epoch, generation) is want
