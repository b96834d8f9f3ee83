"""Events: people see every decision that matters, once."""

from tests.unit.controller.small_cluster import Cluster, pool, row
from tests.unit.controller.small_fleet import bound

from wattline.api.inferencepool import PoolPower, WattRange
from wattline.api.powerdomain import Mode
from wattline.controller.telling import actions_told, conditions_changed
from wattline.model.actions import Say


def heard(cluster, passes=4):
    """Events of some passes during which agents, Deployments and the scheduler do their part."""
    said = []
    for _ in range(passes):
        cluster.settle()
        said += [(each.kind, each.name, each.reason) for each in cluster.said]
        cluster.run()
        cluster.schedule()
        for node in cluster.nodes.values():
            node.follow(cluster.store)
    return said


def counted(said, *words):
    return [said.count(each) for each in words]


def test_enforcing_is_said_as_it_begins_and_as_it_holds_and_nothing_is_said_twice():
    cluster = Cluster(row(watts=1600), row_a=("n1", "n2"))
    said = heard(cluster, 8)

    assert counted(
        said, ("PowerDomain", "row-a", "EnforceStarting"), ("PowerDomain", "row-a", "WithinBudget")
    ) == [1, 1]
    assert counted(said, ("Node", "n1", "GpusHeld"), ("Node", "n2", "GpusHeld")) == [1, 1]
    assert heard(cluster) == []


def test_watching_alone_is_no_news():
    assert heard(Cluster(row(mode=Mode.OBSERVE), row_a=("n1",))) == []


def test_a_pod_hears_where_it_may_go_or_once_what_it_waits_for():
    cluster = Cluster(
        row(watts=2 * bound(200) + bound(500) - bound(200) + 1),
        pools=[pool(replicas=2, power=PoolPower(watts_per_gpu=WattRange(min=500)))],
        row_a=("n1",),
    )
    said = heard(cluster, 10)
    placed, waits = sorted(each.name for each in cluster.pods.values())

    assert counted(said, ("Pod", placed, "Placed"), ("Pod", waits, "WaitingForPower")) == [1, 1]
    assert counted(said, ("InferencePool", "coder", "WaitingForPower")) == [1]


def test_a_release_that_waits_and_one_that_is_done_are_said():
    cluster = Cluster(row(watts=1600), row_a=("n1", "n2"))
    heard(cluster, 6)
    cluster.opt("n1", into=False)
    said = heard(cluster)
    cluster.change("row-a", watts=4000)
    said += heard(cluster, 6)

    assert counted(
        said, ("PowerDomain", "row-a", "ReleaseWaitsForWatts"), ("Node", "n1", "GpusReleased")
    ) == [1, 1]


def test_what_cannot_be_followed_is_said_as_a_warning():
    cluster = Cluster(row(watts=1600), row_a=("n1",))
    heard(cluster, 6)
    cluster.change("row-a", parent="nowhere")
    cluster.settle()

    warnings = [each for each in cluster.said if each.warning and each.name == "row-a"]
    assert [each.reason for each in warnings] == ["ParentMissing"]
    assert heard(cluster) == []


def test_the_journal_tells_a_condition_once_and_not_its_event_again():
    cluster = Cluster(row(watts=1600), row_a=("n1",))
    view = cluster.view()
    decisions = cluster.settle()
    changed = list(conditions_changed(view, decisions))
    told = list(actions_told(decisions.actions, changed))

    assert [what for of, what, _ in changed if of == "PowerDomain/row-a"]
    assert any(isinstance(each, Say) and each.kind == "PowerDomain" for each in decisions.actions)
    assert not [of for of, _, _ in told if of == "PowerDomain/row-a"]
