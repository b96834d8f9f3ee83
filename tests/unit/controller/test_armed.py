"""What lies ready in every order: emergency levels and parts of ramps."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.controller.small_fleet import MAX, MIN, Loop, bound, domain, pool

from wattline.api.base import PowerClass
from wattline.api.powerdomain import Emergency, Mode, PowerDomainSpec, Ramp

NODES = ("n1", "n2")
FIVE_MINUTES = Emergency(budget_ratio=0.75, duration_seconds=300)


def with_(made, **spec):
    return made.model_copy(update={"spec": made.spec.model_copy(update=spec)})


def settled(*domains, **more):
    loop = Loop(*domains, **more)
    loop.rounds()
    return loop


def levels(loop, node="n1"):
    return {level.level: level.budget_watts for level in loop.specs()[node].emergency}


def test_every_node_is_given_its_share_of_what_an_emergency_leaves():
    loop = settled(with_(domain(watts=2000, nodes=NODES), emergency=FIVE_MINUTES))

    assert levels(loop, "n1") == pytest.approx({"row": 750.0})
    assert levels(loop, "n2") == pytest.approx({"row": 750.0})
    assert loop.specs()["n1"].emergency[0].duration_seconds == 300


def test_what_is_not_a_gpu_is_paid_first():
    row = domain(watts=2000, nodes=NODES, node_overhead_watts=100, reserved_watts=200)
    loop = settled(with_(row, emergency=FIVE_MINUTES))

    assert sum(levels(loop, node)["row"] for node in NODES) == pytest.approx(1500 - 400)


def test_every_domain_above_a_node_arms_a_level_of_its_own():
    hall = with_(domain("hall", watts=3000), emergency=Emergency(budget_ratio=0.5, duration_seconds=60))
    row = with_(domain("row", watts=2000, parent="hall", nodes=("n1",)), emergency=FIVE_MINUTES)
    other = domain("other", watts=2000, parent="hall", nodes=("n2",))
    loop = settled(hall, row, other)

    assert set(levels(loop, "n1")) == {"hall", "row"}
    assert set(levels(loop, "n2")) == {"hall"}
    assert levels(loop, "n1")["hall"] + levels(loop, "n2")["hall"] <= 1500


def test_devices_keep_their_least_limits():
    loop = settled(
        with_(domain(watts=2000, nodes=NODES), emergency=Emergency(budget_ratio=0.1, duration_seconds=60))
    )

    assert levels(loop) == pytest.approx({"row": 2 * bound(MIN)})


def test_who_is_protected_keeps_watts_longest():
    keen = pool(gpus=("n1-0", "n1-1"), power_class=PowerClass.PROTECTED)
    loop = settled(with_(domain(watts=2600, nodes=NODES), emergency=FIVE_MINUTES), pools=(keen,))

    assert levels(loop, "n1")["row"] == pytest.approx(2 * bound(MAX))
    assert levels(loop, "n2")["row"] == pytest.approx(0.75 * 2600 - 2 * bound(MAX))


def test_demand_moves_neither_levels_nor_ramps():
    row = with_(domain(watts=2000, nodes=NODES), emergency=FIVE_MINUTES, ramp=Ramp(up_watts_per_second=100))
    loop = settled(row)
    before = [(spec.emergency, spec.ramp_up_watts_per_second) for spec in loop.specs().values()]
    loop.nodes["n1"].demand, loop.nodes["n2"].demand = 1400, 500
    for node in loop.nodes.values():
        node.publish()
    loop.rounds()

    assert [(spec.emergency, spec.ramp_up_watts_per_second) for spec in loop.specs().values()] == before
    assert loop.budget("n1") > loop.budget("n2")


def test_a_domain_that_only_observes_arms_nothing():
    ready = {"emergency": FIVE_MINUTES, "ramp": Ramp(up_watts_per_second=100)}
    hall = with_(domain("hall", watts=3000, mode=Mode.OBSERVE), **ready)
    loop = settled(hall, domain("row", watts=2000, parent="hall", nodes=NODES))

    assert loop.specs()["n1"].emergency == ()
    assert loop.specs()["n1"].ramp_up_watts_per_second is None


def test_a_level_that_is_taken_away_is_not_armed_any_more():
    loop = settled(with_(domain(watts=2000, nodes=NODES), emergency=FIVE_MINUTES))
    loop.change("row", emergency=None)
    loop.rounds()

    assert levels(loop) == {}


@pytest.mark.parametrize(
    ("hall", "row", "up", "down"),
    [
        pytest.param(None, None, None, None, id="none: no bound"),
        pytest.param(
            None, Ramp(up_watts_per_second=100), 50.0, None, id="shared by what the devices can use"
        ),
        pytest.param(
            Ramp(up_watts_per_second=30, down_watts_per_second=80),
            Ramp(up_watts_per_second=100, down_watts_per_second=40),
            15.0,
            20.0,
            id="the tightest domain above counts",
        ),
    ],
)
def test_ramps_are_shared_among_nodes(hall, row, up, down):
    loop = settled(
        with_(domain("hall", watts=3000), ramp=hall),
        with_(domain("row", watts=2800, parent="hall", nodes=NODES), ramp=row),
    )
    spec = loop.specs()["n1"]

    assert (spec.ramp_up_watts_per_second, spec.ramp_down_watts_per_second) == (up, down)


@given(st.floats(1000, 6000), st.floats(0.05, 1.0), st.floats(0, 200))
def test_levels_together_fit_what_is_left_unless_the_least_limits_do_not(watts, ratio, overhead):
    row = domain(watts=watts, nodes=NODES, node_overhead_watts=overhead)
    loop = Loop(with_(row, emergency=Emergency(budget_ratio=ratio, duration_seconds=60)))
    loop.settle()
    together = math.fsum(levels(loop, node)["row"] for node in NODES)

    assert together <= max(watts * ratio - 2 * overhead, 4 * bound(MIN)) + 1e-6


def test_an_emergency_has_to_leave_something():
    with pytest.raises(ValueError, match="leaves nothing of watts × emergency"):
        PowerDomainSpec.model_validate(
            {
                "budget": {"watts": 1000, "reservedWatts": 600},
                "emergency": {"budgetRatio": 0.5, "durationSeconds": 60},
            }
        )
