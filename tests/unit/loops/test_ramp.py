"""A node's ramp: what a step is predicted to draw decides how far it goes now."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.loops.test_node import CLOCKS, gpu, order, seen, spec

from wattline.loops.ceiling import STEEPNESS
from wattline.loops.node import NodeState, decide
from wattline.model.gpu import EventReason, Ramp


def limited(index=0, watts=400.0, **changes):
    """A GPU that stands at its limit."""
    each = gpu(index, watts=watts, limit=watts, **changes)
    reading = each.reading._replace(reasons=EventReason.SW_POWER_CAP, clock_mhz=1500)
    return each._replace(reading=reading)


def ramped(*orders, up=100.0, down=None, **changes):
    return spec(*orders, ramp_up_watts_per_second=up, ramp_down_watts_per_second=down, **changes)


def moved(decision, uuid="G0"):
    target = decision.targets[uuid]
    return round(target.limit_watts), target.clock_mhz


@pytest.mark.parametrize(
    ("up", "gpus", "want"),
    [
        pytest.param(None, [limited()], (700, None), id="no ramp, no bound"),
        pytest.param(1000.0, [limited()], (700, None), id="what the ramp allows goes all the way"),
        pytest.param(100.0, [gpu(watts=200.0, limit=400.0)], (700, None), id="a limit that binds nothing costs nothing"),
        pytest.param(3.0, [limited()], (400, None), id="what cannot be paid waits"),
        pytest.param(500.0, [gpu(watts=300.0, locked_mhz=1200)], (700, None), id="a clock that can be paid goes up"),
        pytest.param(3.0, [gpu(watts=300.0, locked_mhz=1200)], (700, 1200), id="one that cannot stays"),
    ],
)  # fmt: skip
def test_how_far_a_step_goes(up, gpus, want):
    state = NodeState()
    decision = decide(ramped(order(0), up=up), state, seen(*gpus))

    assert moved(decision) == want


def test_a_part_of_a_step_is_taken_and_says_so():
    decision = decide(ramped(order(0)), NodeState(), seen(limited()))
    target = decision.targets["G0"]

    assert 470 <= target.limit_watts <= 500
    assert target.limit_why == "Ramp"
    assert "700 W" in target.limit_detail


def test_a_clock_goes_up_in_steps_the_device_supports():
    decision = decide(ramped(order(0)), NodeState(), seen(gpu(watts=300.0, locked_mhz=1200)))
    mhz = decision.targets["G0"].clock_mhz

    assert mhz in CLOCKS
    assert 1200 < mhz < 1980
    assert 300.0 * (mhz / 1200) ** 2.6 <= 400.0


def test_pools_do_not_jump_together():
    first = decide(ramped(order(0), order(1)), NodeState(), seen(limited(0), limited(1), at_seconds=1.0))
    second = decide(
        ramped(order(0), order(1)), first.state, seen(limited(0, 490.0), limited(1), at_seconds=3.0)
    )

    assert [round(first.targets[uuid].limit_watts) > 410 for uuid in ("G0", "G1")] == [True, False]
    assert [round(second.targets["G0"].limit_watts) > 500, round(second.targets["G1"].limit_watts) > 410] == [
        False,
        True,
    ]


def test_all_gpus_of_a_group_stay_together():
    decision = decide(
        ramped(order(0, "a"), order(1, "a")), NodeState(), seen(limited(0), limited(1), at_seconds=1.0)
    )

    assert moved(decision, "G0") == moved(decision, "G1")


@pytest.mark.parametrize(
    ("down", "changes", "clock"),
    [
        pytest.param(None, {}, 900, id="no ramp downwards: at once"),
        pytest.param(5.0, {}, 1500, id="a ramp downwards spreads it"),
        pytest.param(5.0, {"budget": 100.0}, 900, id="above the budget it is urgent"),
        pytest.param(5.0, {"tighten_only": True}, 900, id="after the lease too"),
    ],
)
def test_downwards(down, changes, clock):
    slow = order(0, clock_mhz_max=900)
    now = gpu(watts=300.0, locked_mhz=1500)
    decision = decide(ramped(slow, up=None, down=down), NodeState(), seen(now, **changes))

    assert decision.targets["G0"].clock_mhz == clock


def test_heat_makes_a_step_downwards_urgent():
    hot = gpu(watts=300.0, locked_mhz=1500, clock_top_mhz=900)
    decision = decide(ramped(order(0), up=None, down=5.0), NodeState(), seen(hot))

    assert decision.targets["G0"].clock_mhz == 900


def test_devices_that_smooth_their_own_power_are_let_go():
    own = limited()
    own = own._replace(
        reading=own.reading._replace(
            ramp=Ramp(on=True, preset=0, up_watts_per_second=3.0, floor_percent=0.0)
        ),
    )
    decision = decide(ramped(order(0), up=3.0), NodeState(), seen(own))

    assert moved(decision) == (700, None)


@given(st.floats(1, 500), st.lists(st.floats(200, 700), min_size=1, max_size=4))
def test_a_ramp_never_goes_beyond_the_target_nor_back_nor_adds_more_than_it_has(up, stand):
    gpus = [limited(index, watts) for index, watts in enumerate(stand)]
    orders = [order(index) for index in range(len(stand))]
    free = decide(spec(*orders, budget_watts=4000.0), NodeState(), seen(*gpus, budget=4000.0)).targets
    held = decide(
        ramped(*orders, up=up, budget_watts=4000.0), NodeState(), seen(*gpus, budget=4000.0)
    ).targets
    added = 0.0
    for each in gpus:
        uuid, watts = each.identity.uuid, each.reading.watts
        assert watts - 1e-6 <= held[uuid].limit_watts <= free[uuid].limit_watts + 1e-6
        at_full_speed = watts * (CLOCKS[-1] / each.reading.clock_mhz) ** STEEPNESS
        added += max(0.0, min(held[uuid].limit_watts, at_full_speed) - watts)

    assert added <= up + 1e-6
