"""Which replicas stop while the others suffice, and when they come back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wattline.policy.rest import ReplicaSeen, RestSeen, RestSpec, RestState, Why, decide

SPEC = RestSpec()


def replica(name, share=0.0, *, working=True, moving=False, running=0):
    return ReplicaSeen(name, working and not moving, moving, round(share * 1000), 1000, running)


def resting(name):
    return replica(name, working=False)


@pytest.mark.parametrize(
    ("replicas", "held", "since", "why", "stop", "start"),
    [
        pytest.param([replica("a", 0.1), replica("b")], 0, 0.0, Why.SPARE, "b", None, id="the last one goes when it was spare for long enough"),
        pytest.param([replica("a", 0.1), replica("b")], 0, 1.0, Why.WAITING, None, None, id="and not a second before"),
        pytest.param([replica("a", 0.1), replica("b")], 0, None, Why.WAITING, None, None, id="the clock starts when it is spare"),
        pytest.param([replica("a", 0.2), replica("b", 0.2)], 0, 0.0, Why.NEEDED, None, None, id="nobody goes where one could not carry both"),
        pytest.param([replica("a", 0.1), replica("b", running=12)], 0, 0.0, Why.NEEDED, None, None, id="turns fill a replica as memory does"),
        pytest.param([replica("a")], 0, 0.0, Why.LEAST, None, None, id="the only one stays"),
        pytest.param([replica("a"), resting("b")], 0, 0.0, Why.LEAST, None, None, id="the only working one stays"),
        pytest.param([replica("a", 0.7), resting("b"), resting("c")], 0, None, Why.FILLING, None, "b", id="the first that rests comes when the working ones fill up"),
        pytest.param([replica("a", 0.1), resting("b")], 1, 0.0, Why.HELD, None, "b", id="a held turn brings one back whatever the shares"),
        pytest.param([replica("a", 0.1), replica("b")], 1, 0.0, Why.NEEDED, None, None, id="nobody goes while a turn is held"),
        pytest.param([replica("a", 0.9), replica("b", moving=True), resting("c")], 3, None, Why.MOVING, None, None, id="one at a time"),
        pytest.param([replica("a"), replica("b"), replica("c", moving=True)], 0, 0.0, Why.MOVING, None, None, id="nobody goes while another moves"),
        pytest.param([resting("a"), resting("b")], 0, None, Why.FILLING, None, "a", id="where all rest one comes"),
    ],
)  # fmt: skip
def test_who_goes_and_who_comes(replicas, held, since, why, stop, start):
    decision = decide(SPEC, RestState(since), RestSeen(SPEC.dwell_seconds, replicas, held))

    assert (decision.why, decision.stop, decision.start) == (why, stop, start)


def test_a_need_in_between_sets_the_clock_back():
    calm = [replica("a", 0.1), replica("b")]
    state = decide(SPEC, RestState(), RestSeen(0.0, calm, 0)).state
    state = decide(SPEC, state, RestSeen(200.0, [replica("a", 0.3), replica("b", 0.3)], 0)).state
    state = decide(SPEC, state, RestSeen(210.0, calm, 0)).state

    assert decide(SPEC, state, RestSeen(500.0, calm, 0)).why is Why.WAITING
    assert decide(SPEC, state, RestSeen(510.0, calm, 0)).stop == "b"


@pytest.mark.parametrize("bounds", [(0.6, 0.6), (0.0, 0.5), (0.5, 1.1)])
def test_bounds_between_which_replicas_would_come_and_go_are_refused(bounds):
    with pytest.raises(ValueError, match="come and go"):
        RestSpec(rest_below=bounds[0], start_above=bounds[1])


seen = st.lists(
    st.builds(
        replica,
        st.just("r"),
        st.floats(0, 1),
        working=st.booleans(),
        moving=st.booleans(),
        running=st.integers(0, 64),
    ),
    min_size=1,
    max_size=6,
)


@given(seen, st.integers(0, 3), st.one_of(st.none(), st.floats(0, 1e4)))
def test_at_most_one_moves_and_the_least_always_work(replicas, held, since):
    decision = decide(SPEC, RestState(since), RestSeen(2e4, replicas, held))

    working = sum(each.working for each in replicas)
    assert decision.stop is None or decision.start is None
    assert decision.stop is None or working > SPEC.least
    assert decision.stop is None or not held


@given(st.floats(0, 4.0), st.integers(1, 5))
def test_a_steady_load_comes_to_rest(load, count):
    """Replicas that come and go at once reach a number at which they stay."""
    working, state, changes = count, RestState(), []
    for step in range(200):
        each = min(1.0, load / working)
        replicas = [replica(f"r{i}", each) if i < working else resting(f"r{i}") for i in range(count)]
        decision = decide(SPEC, state, RestSeen(15.0 * step, replicas, 0))
        state = decision.state
        if decision.stop or decision.start:
            working += 1 if decision.start else -1
            changes.append(step)

    assert len(changes) <= count
    assert not changes or changes[-1] < 150
