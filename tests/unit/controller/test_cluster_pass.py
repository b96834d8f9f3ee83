"""What one pass decides in a cluster, case by case."""

import dataclasses

import pytest
from tests.unit.controller.small_cluster import Cluster, pool, row
from tests.unit.controller.small_fleet import bound

from wattline.api.base import ConditionStatus
from wattline.api.inferencepool import PoolPower, WattRange
from wattline.api.powerdomain import Mode
from wattline.controller.replicas import resolve
from wattline.model.cluster import Broken
from wattline.model.names import HELD


def want(watts):
    """Bounds of a pool whose GPUs want at least so many watts."""
    return PoolPower(watts_per_gpu=WattRange(min=watts))


def scarce(*, replicas, raised=1):
    """Two nodes in a row with the watts for so many raised GPUs, and a pool each of whose replicas wants one."""
    return Cluster(
        row("row-a", watts=4 * bound(200) + raised * (bound(500) - bound(200)) + 1),
        pools=[pool(replicas=replicas, power=want(500))],
        row_a=("n1", "n2"),
    )


def settled(*domains, **more):
    cluster = Cluster(*domains, **more)
    cluster.rounds()
    return cluster


# opting in and out


def test_every_opted_in_node_has_an_order_before_its_agent_names_a_device_and_also_without_a_domain():
    cluster = Cluster(row(mode=Mode.OBSERVE), row_a=("n1",), nowhere=("n2",))
    cluster.settle()

    spec = cluster.store["n1"][0]
    assert (spec.enforce, spec.domain, spec.lease.name) == (False, "row-a", "row-a")
    assert cluster.store["n2"][0].enforce is False
    assert cluster.store["n2"][0].domain == ""


def test_a_node_is_labelled_as_held_before_its_first_enforcing_order():
    cluster = Cluster(row(), row_a=("n1",))
    cluster.settle()
    cluster.nodes["n1"].follow(cluster.store)

    cluster.settle()
    assert cluster.machines["n1"].held
    assert not cluster.store["n1"][0].enforce, "the label was not there yet when this pass looked"

    cluster.settle()
    assert cluster.store["n1"][0].enforce


def test_opting_out_puts_the_gpus_back_takes_label_and_taint_away_and_forgets_the_node():
    cluster = settled(row(watts=2000), row_a=("n1", "n2"))
    assert cluster.enforced("row-a").status is ConditionStatus.TRUE

    cluster.change("row-a", watts=3300)
    cluster.opt("n1", into=False)
    cluster.rounds(6)

    assert "n1" not in cluster.store
    assert cluster.forgotten == ["n1"]
    assert HELD not in cluster.machines["n1"].labels
    assert not cluster.machines["n1"].uncapped
    assert set(cluster.nodes["n1"].limits.values()) == {700.0}
    assert cluster.store["n2"][0].enforce


def test_a_node_that_was_let_go_before_is_forgotten_though_its_agent_hears_nothing_any_more():
    cluster = settled(row(watts=2000), row_a=("n1",))
    cluster.change("row-a", mode=Mode.OBSERVE)
    cluster.rounds(6)
    assert HELD not in cluster.machines["n1"].labels
    assert set(cluster.nodes["n1"].limits.values()) == {700.0}

    cluster.epoch += 1
    cluster.settle()
    cluster.opt("n1", into=False)  # and with the label goes the agent
    cluster.settle()
    cluster.settle()

    assert cluster.forgotten == ["n1"]


def test_opting_out_waits_while_the_watts_for_it_are_not_there():
    cluster = settled(row(watts=1600), row_a=("n1", "n2"))
    before = cluster.nodes["n1"].limits

    cluster.opt("n1", into=False)
    cluster.rounds(3)

    released = next(c for c in cluster.statuses["row-a"].conditions if c.type == "Released")
    assert released.reason == "ReleaseWaitsForWatts"
    assert cluster.machines["n1"].held
    assert cluster.store["n1"][0].enforce
    assert max(cluster.nodes["n1"].limits.values()) <= max(before.values())
    assert cluster.enforced("row-a").status is ConditionStatus.TRUE


def test_a_node_that_the_cluster_no_longer_has_is_forgotten_once_its_agent_is_silent():
    cluster = settled(row(watts=2000), row_a=("n1", "n2"))
    del cluster.machines["n1"]

    cluster.settle()
    assert "n1" in cluster.store, "the agent still answers"

    cluster.nodes["n1"].answers = False
    cluster.settle()
    assert "n1" not in cluster.store


def test_a_domain_that_stops_enforcing_gives_back_and_its_node_stays_with_an_observing_order():
    cluster = settled(row(watts=2000), row_a=("n1",))
    cluster.change("row-a", mode=Mode.OBSERVE)
    cluster.rounds()

    assert not cluster.machines["n1"].held
    assert cluster.store["n1"][0].enforce is False
    assert set(cluster.nodes["n1"].limits.values()) == {700.0}


def test_a_node_is_tainted_until_its_limits_are_read_back_and_not_while_budgets_move():
    cluster = Cluster(row(watts=2000), row_a=("n1", "n2"))
    cluster.settle()
    for _ in range(2):
        for node in cluster.nodes.values():
            node.follow(cluster.store)
        cluster.settle()
        assert all(machine.uncapped for machine in cluster.machines.values())
    cluster.settle()
    assert all(machine.uncapped for machine in cluster.machines.values()), "ordered is not read back"
    for node in cluster.nodes.values():
        node.follow(cluster.store)
    cluster.settle()
    assert not any(machine.uncapped for machine in cluster.machines.values())

    cluster.change("row-a", watts=1700)
    cluster.settle()
    assert not any(machine.uncapped for machine in cluster.machines.values()), "an order is on its way"

    cluster.nodes["n1"].reboot()
    cluster.settle()
    assert cluster.machines["n1"].uncapped


# which domain


def test_a_node_hangs_on_the_lowest_domain_that_selects_it():
    hall = row("hall", labels={"wattline.dev/managed": "true"}, mode=Mode.OBSERVE)
    cluster = settled(hall, row(parent="hall", mode=Mode.OBSERVE), row_a=("n1",), row_b=("n2",))

    assert cluster.store["n1"][0].domain == "row-a"
    assert cluster.store["n2"][0].domain == "hall"
    assert cluster.statuses["hall"].nodes == 2


def test_a_node_that_is_named_and_not_opted_in_is_left_alone_and_the_domain_says_so():
    cluster = Cluster(row(nodes=("n1", "n9")), row_a=("n1",))
    cluster.opt("n1", into=False)
    cluster.settle()

    assert cluster.store == {}
    assert "n1, n9" in cluster.accepted("row-a").message


def test_two_domains_side_by_side_that_select_a_node_both_say_so_and_its_order_stands():
    cluster = settled(
        row("hall", watts=5000, labels={"hall": "1"}),
        row("row-a", watts=2500, parent="hall"),
        row("row-b", watts=2500, parent="hall"),
        row_a=("n1", "n2"),
        row_b=("n3",),
    )
    before = cluster.store["n1"][0]
    cluster.change("row-b", node_selector=cluster.domains["row-a"].spec.node_selector)
    cluster.epoch += 1
    cluster.rounds()

    for name in ("row-a", "row-b"):
        assert cluster.accepted(name).reason == "NodeInTwoDomains"
        assert cluster.enforced(name).reason == "NodeInTwoDomains"
        assert cluster.enforced(name).status is ConditionStatus.FALSE
    assert cluster.store["n1"][0] == before.model_copy(update={"epoch": 2})
    assert cluster.accepted("hall").status is ConditionStatus.TRUE
    assert cluster.enforced("hall").status is ConditionStatus.TRUE, "it still counts the nodes below it"
    assert cluster.statuses["hall"].nodes == 3 - 1, "n3 has left for nobody"


def test_a_new_node_that_two_domains_select_may_name_its_devices_and_is_ordered_nothing_more():
    labels = {"wattline.dev/managed": "true"}
    cluster = Cluster(row("row-a", labels=labels), row("row-b", labels=labels), row_a=("n1",))
    cluster.rounds()

    spec = cluster.store["n1"][0]
    assert (spec.enforce, spec.domain) == (False, "")
    assert not cluster.machines["n1"].held
    assert cluster.accepted("row-a").reason == "NodeInTwoDomains"


@pytest.mark.parametrize(
    ("change", "reason", "below"),
    [
        pytest.param({"parent": "hal"}, "ParentMissing", "ParentNotAccepted", id="no such parent"),
        pytest.param({"parent": "rack"}, "DomainsFormRing", "DomainsFormRing", id="a ring"),
    ],
)
def test_a_domain_without_a_sound_place_in_the_tree_keeps_its_nodes_as_they_are(change, reason, below):
    cluster = settled(
        row("hall", watts=5000, labels={"hall": "1"}),
        row("row-a", watts=2500, parent="hall"),
        row("rack", watts=1500, parent="row-a"),
        row("row-b", watts=2500, parent="hall"),
        row_a=("n1",),
        rack=("n2",),
        row_b=("n3",),
    )
    before = cluster.specs()
    cluster.change("row-a", **change)
    decisions = cluster.settle()

    assert cluster.accepted("row-a").reason == reason
    assert cluster.accepted("rack").reason == below
    assert {name: cluster.store[name][0] for name in ("n1", "n2")} == {n: before[n] for n in ("n1", "n2")}
    assert cluster.accepted("row-b").status is ConditionStatus.TRUE
    assert decisions.leases == ("hall",), "the root is sound, so the orders under it live on"
    assert cluster.statuses["hall"].nodes == 3, "what hung on it still draws through it"


def test_what_stands_is_paid_for_before_others_are_raised():
    cluster = settled(
        row("hall", watts=2400, labels={"hall": "1"}),
        row("row-a", watts=2400, parent="hall"),
        row("row-b", watts=2400, parent="hall"),
        row_a=("n1",),
        row_b=("n2",),
    )
    stays = cluster.nodes["n1"].bound_watts
    cluster.change("row-a", parent="hal")
    cluster.nodes["n1"].demand, cluster.nodes["n2"].demand = 410, 1400
    cluster.rounds(6)

    assert cluster.store["n1"][0].budget_watts == pytest.approx(stays, abs=5)
    assert cluster.nodes["n2"].bound_watts <= 2400 - stays
    assert cluster.enforced("hall").status is ConditionStatus.TRUE


def test_an_object_nobody_can_read_is_refused_and_the_others_go_on():
    cluster = settled(row("row-a"), row("row-b"), row_a=("n1",), row_b=("n2",))
    del cluster.domains["row-a"]
    cluster.broken = (
        Broken("PowerDomain", "row-a", 2, "spec.mode: unknown"),
        Broken("InferencePool", "a/b", 1, "no"),
    )
    before = cluster.store["n1"][0]
    cluster.change("row-b", watts=900)
    cluster.rounds()

    assert (cluster.accepted("row-a").reason, cluster.pool_statuses["a/b"].conditions[0].reason) == (
        "Unreadable",
        "Unreadable",
    )
    assert cluster.store["n1"][0] == before
    assert cluster.enforced("row-b").status is ConditionStatus.TRUE


# placement


def test_gated_pods_go_where_the_watts_are_and_the_others_wait_with_a_reason():
    cluster = scarce(replicas=3, raised=2)
    cluster.rounds(6)

    placed = [each for each in cluster.pods.values() if each.node]
    assert len(placed) == 2
    assert cluster.ready().reason == "WaitingForPower"
    assert "W are missing in row-a" in cluster.ready().message
    assert cluster.pool_statuses["agents/coder"].ready == "2/3"
    assert cluster.enforced("row-a").status is ConditionStatus.TRUE

    cluster.change("row-a", watts=3000)
    cluster.rounds()
    assert cluster.ready().reason == "AllReplicasAnswer"
    assert cluster.pool_statuses["agents/coder"].ready == "3/3"


def test_pods_of_one_pass_do_not_count_on_the_same_watts():
    cluster = scarce(replicas=4)
    cluster.settle()
    cluster.run()
    while not cluster.said or "Placed" not in [each.reason for each in cluster.said]:
        for node in cluster.nodes.values():
            node.follow(cluster.store)
        cluster.settle()

    assert sum(1 for each in cluster.pods.values() if not each.gates) == 1


def test_a_pod_that_was_let_through_counts_until_it_is_bound():
    cluster = scarce(replicas=4)
    cluster.settle()
    cluster.run()
    for _ in range(6):
        for node in cluster.nodes.values():
            node.follow(cluster.store)
        cluster.settle()

    assert sum(1 for each in cluster.pods.values() if not each.gates) == 1


def test_the_affinity_of_a_pod_says_where_it_may_go_by_host_name():
    cluster = Cluster(row("row-a"), row("row-b", watts=100.5), pools=[pool()], row_a=("n1",), row_b=("n2",))
    cluster.rounds()

    (only,) = cluster.pods.values()
    assert [each.values for each in only.affinity[0]] == [("host-n1",)]
    assert only.node == "n1"


def test_nothing_is_placed_on_a_node_whose_domain_has_problems():
    cluster = settled(row(), row_a=("n1",))
    cluster.change("row-a", parent="nowhere")
    cluster.pools["agents/coder"] = pool()
    cluster.rounds()

    assert not any(each.node for each in cluster.pods.values())
    assert cluster.ready().reason == "NoNodeAllowed"


def test_nothing_is_placed_on_nodes_that_are_not_opted_in():
    cluster = Cluster(row(), pools=[pool()], row_a=("n1",))
    cluster.opt("n1", into=False)
    cluster.rounds()

    assert not any(each.node for each in cluster.pods.values())
    assert cluster.ready().reason == "NoNodeAllowed"


def test_gpus_that_a_driver_of_claims_hands_out_are_counted_as_the_kubelet_names_them():
    cluster = scarce(replicas=2)
    for name in cluster.machines:
        cluster.machines[name] = dataclasses.replace(cluster.machines[name], gpus=0)
    for _ in range(8):
        cluster.settle()
        cluster.run(gpus=0)
        cluster.pods = {n: dataclasses.replace(p, claims=True) for n, p in cluster.pods.items()}
        for node in cluster.nodes.values():
            node.follow(cluster.store)
        for name, seen in cluster.pods.items():
            if not seen.gates and not seen.node:
                cluster.start(name, "n1")
                cluster.nodes["n1"].pods[name] = ("n1-0",)
                cluster.nodes["n1"].publish()

    assert [each.node for each in cluster.pods.values() if not each.gates] == ["n1"]
    assert cluster.ready().reason == "WaitingForPower"
    assert next(e.gpus for e in cluster.pool_statuses["agents/coder"].endpoints if e.gpus) == ("n1-0",)


# traffic and statuses


def test_a_replica_gets_no_work_until_its_gpus_are_read_back_and_an_event_says_when_they_are_not():
    cluster = settled(row(watts=2000), pools=[pool()], row_a=("n1",))
    (name,) = [each.name for each in cluster.pods.values()]
    assert cluster.replica(name).traffic
    assert cluster.replica(name).gpus == ("n1-0",)
    assert cluster.ready().reason == "AllReplicasAnswer"

    cluster.nodes["n1"].reboot()
    cluster.settle()

    assert not cluster.replica(name).traffic
    assert cluster.ready().reason == "UncappedGpus"
    assert "TrafficWithheld" in [each.reason for each in cluster.said]


def test_under_a_domain_that_only_observes_work_flows_at_once():
    cluster = settled(row(mode=Mode.OBSERVE), pools=[pool()], row_a=("n1",))
    (name,) = [each.name for each in cluster.pods.values()]

    assert cluster.replica(name).traffic
    assert cluster.replica(name).ready


def test_a_pod_that_is_ending_gets_no_work_and_still_has_its_bounds():
    cluster = settled(row(watts=2000), pools=[pool(power=want(300))], row_a=("n1",))
    (name,) = cluster.pods
    cluster.pods[name] = dataclasses.replace(cluster.pods[name], leaving=True)
    cluster.settle()

    status = cluster.pool_statuses["agents/coder"]
    assert (status.endpoints[0].traffic, status.replicas) == (False, 0)
    assert cluster.store["n1"][0].replicas[0].name == status.endpoints[0].name
    assert cluster.store["n1"][0].gpus[0].watts_min == 300


def test_resolving_twice_is_resolving_once():
    cluster = settled(row(watts=2000), pools=[pool(replicas=2)], row_a=("n1", "n2"))
    once = resolve(cluster.view())

    assert resolve(once) == once
