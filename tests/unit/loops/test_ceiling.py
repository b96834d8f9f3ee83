"""The clock bound that follows from watts: taken from what the device settled at, given back when the draw allows."""

from hypothesis import given
from hypothesis import strategies as st

from wattline.loops.ceiling import CeilingState, limited, step
from wattline.model.gpu import EventReason, GpuReading

CLOCKS = tuple(range(345, 1981, 15))


def watched(seconds, mhz, share, *, bound, state=None):
    state = CeilingState(at_seconds=0.0) if state is None else state
    begin = state.at_seconds or 0.0
    for second in range(1, seconds + 1):
        state = step(state, CLOCKS, begin + second, [(mhz, share, bound)])
    return state


def test_a_burst_at_the_limit_changes_nothing():
    assert watched(8, 1400, 1.0, bound=True).top_mhz is None


def test_standing_at_the_limit_makes_the_clock_the_regulator():
    assert watched(30, 1402, 1.0, bound=True).top_mhz == 1410


def test_the_slowest_member_of_a_group_decides():
    state = CeilingState(at_seconds=0.0)
    for second in range(30):
        state = step(state, CLOCKS, float(second), [(1500, 1.0, True), (1395, 1.0, True), (900, 0.5, False)])

    assert state.top_mhz == 1395


def test_the_bound_rises_again_once_the_draw_allows_and_then_goes():
    state = watched(30, 1402, 1.0, bound=True)
    state = watched(60, 1410, 0.7, bound=False, state=state)

    assert state.top_mhz is None


def test_the_bound_stays_while_the_next_clock_would_not_fit():
    state = watched(30, 1402, 1.0, bound=True)
    state = watched(120, 1410, 0.965, bound=False, state=state)

    assert state.top_mhz == 1410


def test_a_device_without_clocks_has_no_bound():
    assert step(CeilingState(), (), 1.0, [(1400, 1.0, True)]).top_mhz is None


def test_the_power_cap_event_far_below_the_limit_is_peak_current_and_not_a_limit():
    def reading(watts):
        return GpuReading(0, watts, watts, 0, 700, 1400, 60, 20, EventReason.SW_POWER_CAP, persistence=True)

    assert not limited(reading(400.0))
    assert limited(reading(690.0))


@given(st.lists(st.tuples(st.sampled_from(CLOCKS), st.floats(0, 1.1), st.booleans()), max_size=120))
def test_the_bound_is_a_supported_clock_or_none(seen):
    state = CeilingState()
    for second, member in enumerate(seen):
        state = step(state, CLOCKS, float(second), [member])
        assert state.top_mhz is None or state.top_mhz in CLOCKS
