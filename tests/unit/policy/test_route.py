"""Turns go where their context is, and new agents where room is."""

import pytest

from wattline.api.inferencepool import Routing
from wattline.api.memory import Memory
from wattline.policy.route import Ask, Mode, ReplicaSeen, RouteSpec, RouteState, Why, decide

WATTLINE = RouteSpec(Routing(), Memory())


def replica(name, share, *, usable=True, capacity=100_000, added=5_000):
    return ReplicaSeen(name, usable, share * 100_000, capacity, added)


NEW = Ask()


def at(home, turns=1):
    return Ask(home, turns)


@pytest.mark.parametrize(
    ("ask", "replicas", "chosen", "why"),
    [
        pytest.param(
            NEW,
            [replica("a", 0.3), replica("b", 0.1)],
            "a",
            Why.CONSOLIDATED,
            id="all below half: pack the first",
        ),
        pytest.param(
            NEW,
            [replica("a", 0.48), replica("b", 0.1)],
            "b",
            Why.CONSOLIDATED,
            id="no room in the first: the next",
        ),
        pytest.param(
            NEW, [replica("a", 0.6), replica("b", 0.2)], "b", Why.EMPTIEST, id="one past half: spread"
        ),
        pytest.param(
            NEW,
            [replica("a", 0.1, usable=False), replica("b", 0.6)],
            "b",
            Why.EMPTIEST,
            id="a replica that is away is not chosen",
        ),
        pytest.param(
            NEW,
            [replica("a", 0.0, capacity=None), replica("b", 0.8)],
            "b",
            Why.EMPTIEST,
            id="an unknown capacity counts as full",
        ),
        pytest.param(NEW, [replica("a", 0, usable=False)], None, Why.NONE_USABLE, id="nobody there"),
        pytest.param(
            at("b"), [replica("a", 0.1), replica("b", 0.8)], "b", Why.STAYS, id="the context is there"
        ),
        pytest.param(
            at("b", 8),
            [replica("a", 0.1), replica("b", 0.92)],
            "a",
            Why.REASSIGNED,
            id="eight turns, full, and twice as full",
        ),
        pytest.param(
            at("b", 8),
            [replica("a", 0.1), replica("b", 0.8)],
            "b",
            Why.STAYS,
            id="not full: a move would only cost the context again",
        ),
        pytest.param(
            at("b", 8), [replica("a", 0.5), replica("b", 0.8)], "b", Why.STAYS, id="not twice as full: stay"
        ),
        pytest.param(
            at("b", 8), [replica("a", 0.0), replica("b", 0.4)], "b", Why.STAYS, id="packed on purpose: stay"
        ),
        pytest.param(
            at("b", 8),
            [replica("a", 0.3, added=40_000), replica("b", 0.65, added=40_000)],
            "b",
            Why.STAYS,
            id="moving would only turn the imbalance round",
        ),
        pytest.param(
            at("b"),
            [replica("a", 0.1), replica("b", 0.2, usable=False)],
            "a",
            Why.REPLICA_AWAY,
            id="its replica is away: elsewhere",
        ),
    ],
)
def test_one_replica_for_one_reason(ask, replicas, chosen, why):
    decision = decide(WATTLINE, RouteState(), ask, replicas)

    assert (decision.replica, decision.why) == (chosen, why)


def test_round_robin_takes_every_replica_in_turn_whatever_the_session():
    spec, state, chosen = RouteSpec(Routing(), Memory(), Mode.ROUND_ROBIN), RouteState(), []
    for _ in range(4):
        decision = decide(
            spec, state, at("a"), [replica("a", 0.1), replica("b", 0.9), replica("c", 0, usable=False)]
        )
        state = decision.state
        chosen.append(decision.replica)

    assert chosen == ["a", "b", "a", "b"]


def test_affinity_stays_and_sends_new_sessions_to_the_emptiest():
    spec = RouteSpec(Routing(), Memory(), Mode.AFFINITY)
    replicas = [replica("a", 0.2), replica("b", 0.1)]

    assert decide(spec, RouteState(), NEW, replicas).replica == "b"
    assert decide(spec, RouteState(), at("a", 99), [replica("a", 0.9), replica("b", 0)]).replica == "a"


def test_young_agents_count_with_what_they_will_grow_to():
    young = [
        ReplicaSeen("a", True, 10_000, 100_000, 100, 60_000),
        ReplicaSeen("b", True, 30_000, 100_000, 100, 35_000),
    ]

    assert decide(WATTLINE, RouteState(), NEW, young).replica == "b"
