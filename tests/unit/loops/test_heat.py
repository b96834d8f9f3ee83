"""Heat of one GPU binds its whole group: on the node, from other nodes, with the limit in an emergency."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.loops.test_node import CALM, CLOCKS, gpu, limits, order, replica, seen, spec

from wattline.loops.node import NodeState, decide

PAIR = (order(0, "a"), order(1, "a"), order(2, "b"))


def clocks(decision):
    return {uuid: target.clock_mhz for uuid, target in decision.targets.items()}


@pytest.mark.parametrize(
    ("first", "orders", "want_mhz"),
    [
        pytest.param({"clock_top_mhz": 1500}, PAIR, 1500, id="a hot GPU takes its group along"),
        pytest.param(
            {"clock_top_mhz": 1500, "held": "Contested"}, PAIR, 1500, id="also one that cannot be written"
        ),
        pytest.param(
            {"clock_top_mhz": 1500, "reading": None}, PAIR, 1500, id="also one that does not answer any more"
        ),
        pytest.param(
            {},
            (order(0, "a"), order(1, "a", heat_clock_mhz=1200), order(2, "b")),
            1200,
            id="and one elsewhere",
        ),
        pytest.param(
            {"clock_top_mhz": 900},
            (order(0, "a"), order(1, "a", heat_clock_mhz=1200), order(2, "b")),
            900,
            id="the tightest of both counts",
        ),
        pytest.param(
            {"clock_top_mhz": 345},
            (order(0, "a", clock_mhz_min=1200), order(1, "a", clock_mhz_min=1200), order(2, "b")),
            345,
            id="no order asks for a clock that heat forbids",
        ),
    ],
)
def test_heat_binds_the_group_and_nobody_else(first, orders, want_mhz):
    decision = decide(spec(*orders), NodeState(), seen(gpu(0, **first), gpu(1), gpu(2)))

    assert decision.targets["G1"].clock_mhz == want_mhz
    assert decision.targets["G1"].clock_why == "Heat"
    assert decision.targets["G1"].heat_mhz == want_mhz
    assert decision.targets["G2"].clock_mhz is None
    assert decision.targets["G2"].heat_mhz is None


def test_in_an_emergency_the_whole_group_goes_to_its_least():
    hot = gpu(0, clock_top_mhz=345, emergency=True)
    decision = decide(spec(*PAIR), NodeState(), seen(hot, gpu(1), gpu(2)))

    assert limits(decision) == {"G0": 200.0, "G1": 200.0, "G2": 700.0}
    assert clocks(decision) == {"G0": 345, "G1": 345, "G2": None}
    assert [decision.targets[uuid].emergency for uuid in ("G0", "G1", "G2")] == [True, True, False]
    assert decision.targets["G1"].limit_why == "Heat"


def test_what_heat_frees_goes_to_others_and_is_told():
    cool = decide(spec(*PAIR), NodeState(), seen(*(gpu(i, watts=500) for i in range(3)), budget=1500.0))
    state, hot = cool.state, cool
    for _ in range(3):
        draws = [gpu(i, watts=200, clock_top_mhz=900) for i in range(2)] + [gpu(2, watts=500)]
        hot = decide(spec(*PAIR), state, seen(*draws, budget=1500.0))
        state = hot.state

    assert cool.heat_freed_watts == 0
    assert hot.heat_freed_watts == pytest.approx(cool.demand_watts - hot.demand_watts)
    assert hot.heat_freed_watts > 500
    assert limits(hot)["G2"] > limits(cool)["G2"]

    back = decide(spec(*PAIR), state, seen(*(gpu(i, watts=500) for i in range(3)), budget=1500.0))
    assert back.heat_freed_watts == 0


def test_a_silent_sensor_loosens_nothing_of_its_group():
    unsure = gpu(0, limit=300.0, unsure=True, locked_mhz=1200)
    decision = decide(spec(*PAIR), NodeState(), seen(unsure, gpu(1, limit=300.0), gpu(2)))

    assert limits(decision)["G0"] == 300.0
    assert clocks(decision) == {"G0": 1200, "G1": 1200, "G2": None}
    assert decision.targets["G0"].clock_why == "SensorLost"


def test_a_silent_sensor_is_still_tightened_with_the_budget():
    unsure = gpu(0, limit=600.0, unsure=True)
    decision = decide(spec(order(0)), NodeState(), seen(unsure, budget=400.0))

    assert limits(decision)["G0"] < 400.0


member = st.fixed_dictionaries(
    {
        "top": st.sampled_from([None, 345, 900, 1500]),
        "elsewhere": st.sampled_from([None, 600, 1700]),
        "least": st.sampled_from([None, 1000]),
        "most": st.sampled_from([None, 1400]),
        "held": st.sampled_from(["", "", "Contested"]),
        "lock": st.sampled_from([None, 345, 1305]),
        "unsure": st.booleans(),
        "emergency": st.booleans(),
        "group": st.sampled_from(["a", "b"]),
    }
)


@given(members=st.lists(member, min_size=1, max_size=5), known=st.booleans())
def test_no_group_is_ever_above_the_tightest_of_its_heat(members, known):
    orders = [
        order(i, m["group"], clock_mhz_min=m["least"], clock_mhz_max=m["most"], heat_clock_mhz=m["elsewhere"])
        for i, m in enumerate(members)
    ]
    gpus = [
        gpu(
            i,
            clock_top_mhz=m["top"],
            held=m["held"],
            unsure=m["unsure"],
            locked_mhz=m["lock"],
            emergency=m["emergency"],
        )
        for i, m in enumerate(members)
    ]
    uuids = {group: [f"G{i}" for i, m in enumerate(members) if m["group"] == group] for group in "ab"}
    replicas = [replica(group, *found) for group, found in uuids.items() if found]
    loads = {("p", each.name): CALM for each in replicas} if known else {}
    decision = decide(spec(*orders, replicas=replicas), NodeState(), seen(*gpus, replicas=loads))

    for i, mine in enumerate(members):
        if mine["held"]:
            continue
        group = [m for m in members if m["group"] == mine["group"]]
        tops = [top for m in group for top in (m["top"], m["elsewhere"]) if top is not None]
        held = [m["lock"] for m in group if m["unsure"] and m["lock"] is not None]
        target = decision.targets[f"G{i}"]
        if tops or held:
            assert target.clock_mhz is not None
            assert target.clock_mhz <= max(min([*tops, *held]), CLOCKS[0])
        if any(m["emergency"] for m in group):
            assert target.limit_watts == 200.0
