"""One second of a node: bounds by minimum, requests by maximum, watts inside the budget."""

from dataclasses import replace
from math import fsum

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wattline.api.base import PowerClass
from wattline.api.powernode import GpuOrder, LeaseRef, PowerNodeSpec, ReplicaOrder
from wattline.loops.node import GpuSeen, NodeSeen, NodeState, ReplicaSeen, decide
from wattline.model.bounds import bound_watts
from wattline.model.gpu import EventReason, GpuIdentity, GpuReading, Ramp

PRODUCT = "NVIDIA H100 80GB HBM3"
CLOCKS = tuple(range(345, 1981, 15))
CALM = ReplicaSeen(100_000, 400_000, 60.0, running=2)


def gpu(index=0, *, watts=400.0, limit=700.0, min_watts=200.0, max_watts=700.0, clocks=CLOCKS, **changes):
    identity = GpuIdentity(f"G{index}", PRODUCT, min_watts, max_watts, max_watts, clocks)
    at = GpuReading(0, watts, watts, 0, limit, 1980, 60, 30, EventReason(0), persistence=True)
    return GpuSeen(**{"identity": identity, "reading": at} | changes)


def order(index=0, group=None, **changes):
    return GpuOrder(uuid=f"G{index}", group=group or f"g{index}", **changes)


def replica(name, *gpus, target=20.0):
    return ReplicaOrder(pool="p", name=name, url="http://e", gpus=gpus, tokens_per_second_per_agent_p5=target)


def spec(*orders, replicas=(), **changes):
    calm = {"budget_watts": 2000.0, "highest_sent_watts": 2000.0, "failsafe_watts": 2000.0, "enforce": True}
    return PowerNodeSpec(lease=LeaseRef(name="box"), gpus=orders, replicas=replicas, **calm | changes)


def seen(*gpus, budget=2000.0, replicas=None, tighten_only=False, at_seconds=0.0):
    found = {each.identity.uuid: each for each in gpus}
    return NodeSeen(at_seconds, budget, found, replicas or {}, tighten_only=tighten_only)


def limits(decision):
    return {uuid: target.limit_watts for uuid, target in decision.targets.items()}


def test_a_budget_that_suffices_limits_nobody():
    decision = decide(spec(order(0), order(1)), NodeState(), seen(gpu(0), gpu(1)))

    assert limits(decision) == {"G0": 700.0, "G1": 700.0}
    assert {target.clock_mhz for target in decision.targets.values()} == {None}


def test_a_protected_group_keeps_its_watts_longest():
    orders = (order(0, power_class=PowerClass.PROTECTED), order(1, power_class=PowerClass.BEST_EFFORT))
    decision = decide(spec(*orders), NodeState(), seen(gpu(0, watts=500), gpu(1, watts=500), budget=900.0))

    assert limits(decision)["G0"] > 600
    assert limits(decision)["G1"] < 260


def test_a_gpu_that_cannot_be_written_is_paid_for_first():
    held = gpu(0, limit=650.0, held="Permissions: no")
    decision = decide(spec(order(0), order(1)), NodeState(), seen(held, gpu(1), budget=1000.0))

    assert limits(decision) == pytest.approx({"G1": (1000 - 663) / 1.02}, abs=0.01)


@pytest.mark.parametrize(
    "away",
    [
        pytest.param({"reading": None}, id="does not answer"),
        pytest.param({"held": "Contested", "contested": True}, id="is written by somebody else"),
    ],
)
def test_a_gpu_that_is_not_known_is_paid_for_at_its_most(away):
    decision = decide(
        spec(order(0), order(1)), NodeState(), seen(gpu(0, limit=300.0, **away), gpu(1), budget=1000.0)
    )

    assert limits(decision) == pytest.approx({"G1": (1000 - 714) / 1.02}, abs=0.01)


def test_a_pools_least_limit_gives_way_to_the_budget_and_the_devices_does_not():
    orders = (order(0, watts_min=400.0), order(1, watts_min=400.0))
    fits = decide(spec(*orders), NodeState(), seen(gpu(0), gpu(1), budget=600.0))
    exceeds = decide(spec(*orders), NodeState(), seen(gpu(0), gpu(1), budget=300.0))

    assert limits(fits) == pytest.approx({"G0": 294.117, "G1": 294.117})
    assert not fits.floors_exceed
    assert limits(exceeds) == {"G0": 200.0, "G1": 200.0}
    assert exceeds.floors_exceed
    assert exceeds.targets["G0"].limit_why == "FloorsExceedBudget"


def test_tightening_only_never_asks_for_more_than_there_is():
    decision = decide(
        spec(order(0), order(1)),
        NodeState(),
        seen(gpu(0, limit=300.0), gpu(1, limit=700.0), tighten_only=True),
    )

    assert limits(decision) == {"G0": 300.0, "G1": 700.0}


def test_bounds_of_a_group_combine_by_minimum():
    orders = (order(0, "a", clock_mhz_max=1800), order(1, "a"))
    decision = decide(spec(*orders), NodeState(), seen(gpu(0), gpu(1, clock_top_mhz=1500)))

    assert {target.clock_mhz for target in decision.targets.values()} == {1500}
    assert {target.clock_why for target in decision.targets.values()} == {"Heat"}


def test_a_least_clock_gives_way_to_the_fastest_allowed():
    decision = decide(spec(order(0, clock_mhz_min=1700, clock_mhz_max=1600)), NodeState(), seen(gpu(0)))

    assert decision.targets["G0"].clock_mhz == 1590


def test_a_device_without_clock_control_still_gets_its_limit():
    decision = decide(spec(order(0)), NodeState(), seen(gpu(0, clocks=()), budget=500.0))

    assert decision.targets["G0"].clock_mhz is None
    assert decision.targets["G0"].limit_watts == pytest.approx(490.196, abs=0.001)


def test_an_unknown_replica_goes_to_the_top_of_its_bounds():
    here = spec(order(0, clock_mhz_max=1500), replicas=(replica("r0", "G0"),))
    decision = decide(here, NodeState(), seen(gpu(0)))

    assert decision.targets["G0"].clock_mhz == 1500
    assert decision.targets["G0"].clock_why == "UnknownLoad"


def test_requests_of_replicas_on_one_gpu_combine_by_maximum():
    """One replica is idle and could be slow, nothing is known of the other."""
    here = spec(order(0), replicas=(replica("r0", "G0"), replica("r1", "G0")))
    state = NodeState()
    for second in range(60):
        known = {("p", "r0"): ReplicaSeen(100, 400_000, running=0)}
        decision = decide(here, state, seen(gpu(0), replicas=known, at_seconds=float(second)))
        state = decision.state

    assert decision.targets["G0"].clock_mhz is None
    assert decision.targets["G0"].clock_why == "UnknownLoad"


def test_members_of_unequal_range_stay_inside_their_groups_watts():
    orders = (order(0, "a"), order(1, "a"))
    decision = decide(
        spec(*orders), NodeState(), seen(gpu(0, min_watts=400.0), gpu(1, min_watts=200.0), budget=700.0)
    )

    total = fsum(bound_watts(PRODUCT, watts, 700.0) for watts in limits(decision).values())
    assert limits(decision)["G0"] == 400.0
    assert total <= 700.0


def test_a_group_at_its_limit_gets_its_neighbours_unused_watts_and_keeps_them_for_a_while():
    capped = GpuReading(0, 379, 379, 0, 380, 1400, 60, 30, EventReason.SW_POWER_CAP, persistence=True)
    orders = [order(i) for i in range(4)]
    idle = [gpu(i, watts=100.0, limit=380.0) for i in range(3)]
    first = decide(spec(*orders), NodeState(), seen(*idle, gpu(3, reading=capped), budget=1550.0))
    soon = decide(
        spec(*orders),
        first.state,
        seen(*idle, gpu(3, watts=300.0, limit=700.0), budget=1550.0, at_seconds=10.0),
    )
    late = decide(
        spec(*orders),
        soon.state,
        seen(*idle, gpu(3, watts=300.0, limit=700.0), budget=1550.0, at_seconds=60.0),
    )

    assert limits(first)["G3"] == limits(soon)["G3"] == 700.0
    assert limits(first)["G0"] == pytest.approx((1550 - 714) / 3 / 1.02, abs=0.01)
    assert limits(late)["G3"] < 400.0


class TestSharedGpu:
    """One GPU, two replicas: time slicing, MPS, or parts of a GPU (MIG)."""

    def run(self, orders, replicas, replicas_seen, steps=60, **changes):
        state, decision = NodeState(), None
        for second in range(steps):
            decision = decide(
                spec(*orders, replicas=replicas),
                state,
                seen(gpu(0), replicas=replicas_seen, at_seconds=float(second), **changes),
            )
            state = decision.state
        return decision

    def test_it_takes_one_value_inside_the_strictest_owners_bounds(self):
        orders = (
            order(0, "a", watts_max=600, clock_mhz_max=1500),
            order(0, "b", watts_max=450, clock_mhz_max=1800),
        )
        decision = self.run(orders, (replica("a", "G0"), replica("b", "G0")), {}, steps=1)

        assert limits(decision) == {"G0": 450.0}
        assert decision.targets["G0"].clock_mhz == 1500

    def test_its_watts_are_counted_once(self):
        decision = self.run((order(0, "a"), order(0, "b")), (), {}, steps=1, budget=500.0)

        assert bound_watts(PRODUCT, limits(decision)["G0"], 700.0) == pytest.approx(500.0)

    def test_it_is_as_fast_as_its_keenest_replica_needs(self):
        """One is idle, nothing is known of the other; they are in two groups."""
        idle = {("p", "idle"): ReplicaSeen(100, 400_000, running=0)}
        replicas = (replica("idle", "G0"), replica("unknown", "G0"))
        decision = self.run((order(0, "a"), order(0, "b")), replicas, idle)

        assert (decision.targets["G0"].clock_mhz, decision.targets["G0"].clock_why) == (None, "UnknownLoad")


def test_a_gpu_is_tuned_to_inference_where_a_replica_runs_on_it_alone():
    decision = decide(
        spec(order(0), order(1), replicas=(replica("r", "G0"),)), NodeState(), seen(gpu(0), gpu(1))
    )

    assert [decision.targets[uuid].serves for uuid in ("G0", "G1")] == [True, False]


OWN = Ramp(on=True, preset=0, up_watts_per_second=150.0, floor_percent=0.0)


@pytest.mark.parametrize(
    ("own", "down", "at_once"),
    [
        pytest.param(
            OWN, None, True, id="a device that keeps its share of the ramp by itself goes all the way"
        ),
        pytest.param(None, None, False, id="one that cannot steps"),
        pytest.param(replace(OWN, on=False), None, False, id="one that does not steps"),
        pytest.param(replace(OWN, up_watts_per_second=900.0), None, False, id="one that is too fast steps"),
        pytest.param(OWN, 100.0, False, id="downwards no device keeps a ramp"),
    ],
)
def test_a_ramp_is_kept_by_the_device_or_by_steps(own, down, at_once):
    low = GpuReading(0, 300, 300, 0, 300, 990, 60, 30, EventReason.SW_POWER_CAP, persistence=True, ramp=own)
    here = spec(order(0), order(1), ramp_up_watts_per_second=300.0, ramp_down_watts_per_second=down)
    decision = decide(here, NodeState(), seen(gpu(0, reading=low), gpu(1, reading=low)))

    assert ({*limits(decision).values()} == {700.0}) is at_once


def test_steps_have_what_devices_leave_of_the_ramp():
    """One of two devices keeps its half by itself: the other steps by half of the ramp, and not by the whole."""
    low = GpuReading(0, 300, 300, 0, 300, 990, 60, 30, EventReason.SW_POWER_CAP, persistence=True)
    here = spec(order(0), order(1), ramp_up_watts_per_second=300.0)
    decision = decide(here, NodeState(), seen(gpu(0, reading=low._replace(ramp=OWN)), gpu(1, reading=low)))

    assert limits(decision)["G0"] == 700
    assert 300 < limits(decision)["G1"] <= 460


def test_the_nodes_ramp_is_shared_by_its_gpus():
    decision = decide(
        spec(order(0), order(1), ramp_up_watts_per_second=300.0), NodeState(), seen(gpu(0), gpu(1))
    )

    assert {each.ramp_up_watts_per_second for each in decision.targets.values()} == {150.0}


gpus = st.builds(
    dict,
    watts=st.floats(50, 750),
    limit=st.floats(200, 700),
    held=st.sampled_from(["", "", "", "Permissions"]),
    clock_top_mhz=st.sampled_from([None, 345, 1500]),
    group=st.sampled_from(["a", "b", "c"]),
    low=st.sampled_from([None, 250.0, 500.0]),
    high=st.sampled_from([None, 300.0, 600.0]),
)


@given(st.lists(gpus, min_size=1, max_size=8), st.floats(0, 6000), st.booleans())
def test_the_targets_fit_the_budget_whenever_the_devices_least_limits_do(machines, budget, tighten_only):
    found = [
        gpu(i, watts=m["watts"], limit=m["limit"], held=m["held"], clock_top_mhz=m["clock_top_mhz"])
        for i, m in enumerate(machines)
    ]
    orders = [order(i, m["group"], watts_min=m["low"], watts_max=m["high"]) for i, m in enumerate(machines)]
    replicas = tuple(replica(f"r{i}", f"G{i}") for i in range(len(machines)))
    decision = decide(
        spec(*orders, replicas=replicas),
        NodeState(),
        seen(*found, budget=budget, tighten_only=tighten_only, replicas={("p", "r0"): CALM}),
    )

    bounds = {each.identity.uuid: each.bound_watts for each in found if each.held}
    least = fsum([*bounds.values(), *(204.0 for each in found if not each.held)])
    bounds |= {uuid: bound_watts(PRODUCT, watts, 700.0) for uuid, watts in limits(decision).items()}
    assert fsum(bounds.values()) <= max(budget, least) + 1e-6
    assert decision.floors_exceed is (least > budget)
    by_group: dict[str, set[int | None]] = {}
    for i, machine in enumerate(machines):
        if not machine["held"]:
            target = decision.targets[f"G{i}"]
            by_group.setdefault(machine["group"], set()).add(target.clock_mhz)
            assert target.clock_mhz is None or target.clock_mhz in CLOCKS
            assert not tighten_only or target.limit_watts <= max(200.0, machine["limit"])
    assert all(len(clocks) == 1 for clocks in by_group.values())
