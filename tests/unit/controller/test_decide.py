"""What one pass decides, case by case."""

import pytest
from tests.unit.controller.small_fleet import AT, MAX, Loop, Node, bound, domain, pool

from wattline.api.base import ConditionStatus, PowerClass
from wattline.api.inferencepool import PoolPower, WattRange
from wattline.api.powerdomain import Mode

ROW = ("n1", "n2")


def settled(*domains, **more):
    loop = Loop(*(domains or (domain(nodes=ROW),)), **more)
    loop.rounds()
    return loop


def test_a_row_comes_under_its_budget_within_one_pass_and_one_read_back():
    loop = Loop(domain(watts=1500, nodes=ROW))

    loop.settle()
    assert (loop.enforced().status, loop.enforced().reason) == ("False", "EnforceStarting")
    for node in loop.nodes.values():
        node.follow(loop.store)
    loop.settle()

    assert loop.enforced().status is ConditionStatus.TRUE
    assert sum(node.bound_watts for node in loop.nodes.values()) <= 1500


def test_the_first_order_never_loosens_what_somebody_else_had_set():
    loop = Loop(domain(watts=9000, nodes=ROW))
    loop.nodes["n1"].limits = dict.fromkeys(loop.nodes["n1"].limits, 400.0)
    loop.nodes["n1"].publish()

    loop.settle()

    assert loop.budget("n1") == pytest.approx(2 * bound(400))


def test_watts_move_only_once_the_giver_has_read_its_decrease_back():
    loop = settled(domain(watts=2000, nodes=ROW))
    giver, taker = loop.nodes.values()
    giver.demand, taker.demand = 500, 1400
    giver.publish()
    taker.publish()
    before = loop.budget("n2")

    loop.settle()
    assert loop.budget("n1") < 1000
    assert loop.budget("n2") == before, "the decrease is not read back yet"

    giver.follow(loop.store)
    loop.settle()
    assert loop.budget("n2") == pytest.approx(1400, rel=0.05)
    assert loop.enforced().status is ConditionStatus.TRUE


def test_a_node_that_is_away_keeps_its_watts_and_the_others_pay_for_a_cut():
    loop = settled(domain(watts=2000, nodes=ROW))
    loop.nodes["n1"].answers = False
    held = loop.nodes["n1"].bound_watts

    loop.change("row", watts=1500)
    loop.settle()
    loop.nodes["n2"].follow(loop.store)
    loop.settle()

    assert loop.enforced().status is ConditionStatus.TRUE
    assert loop.budget("n2") <= 1500 - held
    assert loop.budget("n1") == pytest.approx(750), "its order is lowered too, for when it comes back"


def test_a_node_that_is_away_is_not_raised():
    loop = settled(domain(watts=1500, nodes=ROW))
    loop.nodes["n1"].answers = False
    before = loop.budget("n1")

    loop.change("row", watts=2800)
    loop.rounds(1)

    assert loop.budget("n1") == before
    assert loop.budget("n2") > before


@pytest.mark.parametrize(
    ("happens", "reason"),
    [
        pytest.param(lambda loop: loop.nodes["n1"].reboot(), "NodeRestarted", id="a node reboots"),
        pytest.param(lambda loop: _gets_a_gpu(loop.nodes["n1"]), "GpuAppeared", id="a GPU appears"),
        pytest.param(lambda loop: loop.change("row", watts=1300), "LoweringToBudget", id="the budget is cut"),
        pytest.param(
            lambda loop: loop.change("row", watts=500), "FloorsExceedBudget", id="the floors are above it"
        ),
        pytest.param(
            lambda loop: _contested(loop.nodes["n1"]), "GpuContested", id="somebody else writes a GPU"
        ),
        pytest.param(
            lambda loop: loop.change("row", nodes=("n1", "n2", "n9")),
            "WaitingForAgents",
            id="a node nobody knows",
        ),
    ],
)
def test_while_it_cannot_be_promised_it_says_why_and_raises_nothing(happens, reason):
    loop = settled(domain(watts=1500, nodes=ROW))
    loop.nodes["n1"].demand = 300
    loop.nodes["n2"].demand = 1400
    before = {node: loop.budget(node) for node in ROW}

    happens(loop)
    loop.settle()

    condition = loop.enforced()
    assert (condition.status, condition.reason) == ("False", reason)
    assert "nothing is raised meanwhile" in condition.message
    assert all(loop.budget(node) <= before[node] for node in ROW)


def _gets_a_gpu(node):
    node.limits["new"] = MAX
    node.publish()


def _contested(node):
    node.contested = {f"{node.name}-0"}
    node.publish()


def test_neighbours_are_lowered_for_a_contested_gpu():
    loop = settled(domain(watts=2000, nodes=ROW))
    _contested(loop.nodes["n1"])

    loop.rounds(2)

    assert loop.enforced().status is ConditionStatus.TRUE
    assert loop.budget("n2") < 1000


def test_a_budget_below_the_devices_least_limits_is_said_with_its_excess():
    loop = settled(domain(watts=700, nodes=ROW))

    assert loop.enforced().reason == "FloorsExceedBudget"
    assert loop.enforced().message.startswith(f"{4 * bound(200) - 700:.0f} W above the budget of 700 W")


def test_overheads_and_reserved_watts_come_first():
    loop = settled(domain(watts=2000, nodes=ROW, node_overhead_watts=200, reserved_watts=100))

    assert loop.budget("n1") + loop.budget("n2") == pytest.approx(1500, abs=0.01)
    assert loop.statuses["row"].may_draw_watts <= 2000


def test_a_hall_counts_what_its_rows_reserve():
    loop = settled(
        domain("hall", watts=2000),
        domain("row", watts=1900, parent="hall", nodes=ROW, node_overhead_watts=100, reserved_watts=300),
    )

    assert loop.budget("n1") + loop.budget("n2") == pytest.approx(1400, abs=0.01)


def test_an_observing_domain_constrains_nothing_and_touches_nothing():
    loop = settled(domain(watts=700, nodes=ROW, mode=Mode.OBSERVE))

    assert loop.enforced().reason == "Observing"
    assert not any(spec.enforce for spec in loop.specs().values())
    assert all(node.limits == dict.fromkeys(node.limits, MAX) for node in loop.nodes.values())
    assert loop.budget("n1") == pytest.approx(2 * bound(200)), "it says what it would order"


def test_an_observing_row_under_an_enforced_hall_leaves_the_hall_to_decide():
    loop = settled(
        domain("hall", watts=2000), domain("row", watts=700, parent="hall", nodes=ROW, mode=Mode.OBSERVE)
    )

    assert loop.budget("n1") == pytest.approx(1000, abs=0.01)
    assert loop.enforced("hall").status is ConditionStatus.TRUE


def test_protected_pools_keep_their_watts():
    loop = Loop(
        domain(watts=1500, nodes=ROW),
        pools=(
            pool("chat", gpus=("n1-0", "n1-1"), power_class=PowerClass.PROTECTED),
            pool("batch", gpus=("n2-0", "n2-1"), node="n2", power_class=PowerClass.BEST_EFFORT),
        ),
    )
    for node in loop.nodes.values():
        node.demand = 1000
        node.publish()
    last = loop.rounds()

    assert loop.budget("n1") == pytest.approx(1000, rel=0.01)
    assert loop.budget("n2") == pytest.approx(500, rel=0.01)
    assert last.grants["n2"].detail.endswith("short of its demand: row is full")


def test_a_pools_bounds_reach_its_gpus():
    loop = Loop(domain(nodes=ROW), pools=(pool(power=PoolPower(watts_per_gpu=WattRange(min=250, max=500))),))
    loop.rounds()
    one, other = loop.store["n1"][0].gpus

    assert (one.uuid, one.group, one.watts_min, one.watts_max) == ("n1-0", "coder/a", 250, 500)
    assert (other.group, other.watts_max) == ("n1-1", None)
    assert loop.budget("n1") <= bound(500) + bound(MAX)


def test_a_gpu_of_two_pools_has_the_strictest_bounds_and_one_group():
    strict = pool(power=PoolPower(watts_per_gpu=WattRange(max=500)))
    keen = pool("keen", gpus=("n1-0", "n1-1"), power=PoolPower(watts_per_gpu=WattRange(min=250, max=600)))
    loop = Loop(domain(nodes=ROW), pools=(strict, keen))
    loop.rounds()
    one, other = loop.store["n1"][0].gpus

    assert (one.watts_min, one.watts_max, other.watts_max) == (250, 500, 600)
    assert one.group == other.group
    assert {each.pool for each in loop.store["n1"][0].replicas} == {"coder", "keen"}


def test_noise_in_demand_writes_nothing():
    loop = settled(domain(watts=2000, nodes=ROW))
    before = dict(loop.store)

    for node, watts in zip(loop.nodes.values(), (1001, 1003), strict=True):
        node.demand = watts
        node.publish()
    loop.rounds(2)

    assert loop.store == before


def test_a_new_leader_takes_over_every_order_before_it_raises_any():
    loop = settled(domain(watts=1500, nodes=ROW))
    loop.change("row", watts=2600)
    loop.epoch = 2

    loop.settle()
    assert [(loop.budget(n), loop.store[n][0].epoch) for n in ROW] == [(pytest.approx(750), 2)] * 2

    loop.rounds(2)
    assert loop.budget("n1") > 1000


def test_a_takeover_does_not_bring_back_what_was_once_sent():
    loop = settled(domain(watts=2400, nodes=ROW))
    loop.change("row", watts=1500)
    loop.rounds()
    loop.epoch = 2

    loop.settle()
    loop.settle()

    assert loop.enforced().status is ConditionStatus.TRUE
    assert all(spec.highest_sent_watts == pytest.approx(750) for spec in loop.specs().values())


def test_switching_to_observe_puts_the_gpus_back():
    loop = settled(domain(watts=1500, nodes=ROW))

    loop.change("row", mode=Mode.OBSERVE)
    loop.settle()

    assert all((spec.enforce, spec.release) == (False, True) for spec in loop.specs().values())
    loop.rounds(1)
    assert all(node.limits == dict.fromkeys(node.limits, MAX) for node in loop.nodes.values())


def test_a_node_that_leaves_is_put_back_once_the_others_made_room():
    loop = settled(domain(watts=2300, nodes=ROW))

    loop.change("row", nodes=("n1",))
    loop.settle()
    assert not loop.store["n2"][0].release, "its previous limits, 1428 W, do not fit yet"
    waits = next(c for c in loop.statuses["row"].conditions if c.type == "Released")
    assert (waits.reason, waits.message) == ("ReleaseWaitsForWatts", "n2 needs 278 W more than is free")

    loop.nodes["n1"].follow(loop.store)
    loop.settle()
    assert loop.store["n2"][0].release
    loop.rounds(2)
    assert loop.nodes["n2"].limits == dict.fromkeys(loop.nodes["n2"].limits, MAX)
    assert loop.enforced().status is ConditionStatus.TRUE


def test_the_failsafe_share_does_not_move_with_demand():
    loop = settled(domain(watts=1500, nodes=ROW))
    before = {name: spec.failsafe_watts for name, spec in loop.specs().items()}
    loop.nodes["n1"].demand = 420
    loop.nodes["n1"].publish()

    loop.rounds()

    assert {name: spec.failsafe_watts for name, spec in loop.specs().items()} == before
    assert sum(before.values()) <= 1500


def test_a_condition_keeps_the_time_of_its_last_change():
    loop = settled()
    loop.settle("2026-01-02T00:00:00Z")
    assert loop.enforced().last_transition_time == AT

    loop.change("row", watts=500)
    loop.settle("2026-01-03T00:00:00Z")

    assert loop.enforced().last_transition_time == "2026-01-03T00:00:00Z"
    assert loop.enforced().observed_generation == 2


def test_a_pool_is_ready_when_the_gpus_of_its_active_replicas_answer():
    loop = settled(domain(nodes=ROW), pools=(pool(),))
    status = loop.pool_statuses["coder"]
    assert (status.replicas, status.ready_replicas, status.draw_watts) == (1, 1, 100)

    loop.nodes["n1"].answers = False
    loop.settle()

    status = loop.pool_statuses["coder"]
    assert (status.ready_replicas, status.draw_watts) == (0, None)
    ready = next(c for c in status.conditions if c.type == "Ready")
    assert (ready.reason, ready.message) == ("AgentAway", "replica a: the agent of node n1 does not answer")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        pytest.param({"node": "n7"}, "NodeNotOptedIn", id="its node is in no domain"),
        pytest.param({"gpus": ("nope",)}, "GpuNotFound", id="its GPU is not there"),
        pytest.param({"replicas": 0}, "NoReplicas", id="it is scaled to nothing"),
    ],
)
def test_a_pool_that_is_not_ready_says_why(changes, reason):
    loop = settled(domain(nodes=ROW), pools=(pool(**changes),))

    ready = next(c for c in loop.pool_statuses["coder"].conditions if c.type == "Ready")
    assert (ready.status, ready.reason) == ("False", reason)


def test_every_root_domain_has_its_lease_renewed():
    loop = Loop(domain("hall"), domain("row", parent="hall", nodes=("n1",)), domain("other", nodes=("n2",)))

    assert loop.settle().leases == ("hall", "other")


@pytest.mark.parametrize(
    "nodes", [pytest.param(ROW, id="of the row"), pytest.param(("n1",), id="that leaves the row")]
)
def test_a_node_whose_driver_is_gone_is_taken_over_and_keeps_its_order(nodes):
    loop = settled(domain(watts=1500, nodes=ROW))
    loop.nodes["n2"].limits = {}
    loop.nodes["n2"].publish()
    loop.change("row", nodes=nodes)
    loop.epoch = 2

    loop.settle()

    assert (loop.budget("n2"), loop.store["n2"][0].epoch) == (pytest.approx(750), 2)
    assert loop.enforced().reason == "WaitingForAgents"
    assert loop.statuses["row"].may_draw_watts is None


def test_a_node_without_devices_is_not_ordered_anything():
    loop = Loop(domain(nodes=ROW))
    loop.nodes = {"n1": Node("n1")}

    loop.settle()

    assert "n2" not in loop.store
