"""What the loop sees of a cluster and what it writes there, against an API server with state."""

import asyncio
import contextlib
from types import SimpleNamespace

import pytest
from tests.fakes.apiserver import FakeApiServer
from tests.unit.doors.kube.orders import order
from tests.waiting import beside, within

from wattline.api.base import Condition, ConditionStatus
from wattline.api.inferencepool import InferencePoolStatus
from wattline.api.powerdomain import PowerDomainStatus
from wattline.doors.clock import BootClock, utc_micros
from wattline.doors.kube.access import Access
from wattline.doors.kube.client import Kube, session
from wattline.doors.kube.cluster import KubeCluster
from wattline.doors.kube.errors import Away, Conflict, Invalid, Superseded
from wattline.doors.kube.events import Events
from wattline.doors.kube.lease import DomainLeases, Fence
from wattline.doors.kube.watched import Watched
from wattline.model.actions import Apply, Delete, Forget, Label, Place, Say, Scale, Taint
from wattline.model.names import HELD, MANAGED, PLACEMENT, UNCAPPED

API = "wattline.dev/v1alpha1"
SPEED = 50.0


def of(kind, name, namespace=None, api=API, **more):
    meta = {"name": name} | ({"namespace": namespace} if namespace else {})
    return {"apiVersion": api, "kind": kind, "metadata": meta | more.pop("meta", {}), **more}


def domain(name="row", watts=5000):
    return of("PowerDomain", name, spec={"budget": {"watts": watts}})


def pool(name="coder", **spec):
    end = [{"name": "a", "url": "http://10.0.0.1:8000", "node": "n1", "gpus": ["G0"]}]
    return of("InferencePool", name, "agents", spec={"model": "m", "endpoints": end} | spec)


def machine(name="n1", **labels):
    meta = {"labels": {MANAGED: "true", **labels}}
    return of("Node", name, api="v1", meta=meta, spec={}, status={"allocatable": {"nvidia.com/gpu": "8"}})


def pod(name="p", **spec):
    limits = {"limits": {"nvidia.com/gpu": "2"}}
    return of(
        "Pod", name, "agents", api="v1", spec={"containers": [{"name": "c", "resources": limits}]} | spec
    )


def enforced(reason="WithinBudget", **status):
    condition = Condition(type="Enforced", status=ConditionStatus.TRUE, reason=reason)
    return PowerDomainStatus(observed_generation=1, conditions=(condition,), **status)


until = within(seconds=20.0)


@pytest.fixture
async def server():
    async with FakeApiServer() as made:
        yield made


@contextlib.asynccontextmanager
async def door(server, epoch=7, speed=SPEED):
    """The door of the leader of an epoch, with everything read."""
    clock, access, nudges = BootClock(speed), Access(server.url), []
    async with session(access, "wattline-operator") as http:
        kube = Kube(http, access, manager="wattline-operator")
        watched = Watched(kube, clock, lambda: nudges.append(1))
        fence = Fence(epoch, clock, float("inf"))
        leases = DomainLeases(kube, namespace="ours", identity="me", fence=fence, stamp=utc_micros)
        events = Events(kube, clock, controller="wattline.dev/x", instance="me", stamp=utc_micros)
        made = KubeCluster(kube, watched, fence, leases, events, clock, lease_seconds=60, image="w:1")
        async with beside(watched.run()):
            await until(lambda: not watched.problem())
            nudges.clear()
            yield SimpleNamespace(cluster=made, fence=fence, watched=watched, nudges=nudges, clock=clock)


async def test_it_sees_everything_that_is_declared_and_running(server):
    for thing in (domain(), pool(), machine(), pod(nodeName="n1"), of("PowerNode", "n1", spec=dump(order()))):
        server.put(thing)
    server.put(of("Pod", "done", "agents", api="v1", spec={"containers": []}, status={"phase": "Succeeded"}))
    async with door(server) as at:
        view = await at.cluster.snapshot()

    assert view.clustered
    assert (view.epoch, view.image) == (7, "w:1")
    assert [d.metadata.name for d in view.fleet.domains] == ["row"]
    assert [p.metadata.namespace for p in view.fleet.pools] == ["agents"]
    assert view.machines["n1"].gpus == 8
    assert view.machines["n1"].managed
    assert set(view.pods) == {"agents/p"}, "a pod that has ended holds no GPU"
    assert (view.pods["agents/p"].gpus, view.pods["agents/p"].node) == (2, "n1")
    assert view.nodes["n1"].spec == order()
    assert view.nodes["n1"].generation == 1


async def test_an_object_that_cannot_be_read_is_named_and_hides_no_other(server):
    server.put(domain())
    server.put(domain("bad", watts=-1))
    async with door(server) as at:
        view = await at.cluster.snapshot()
        await at.cluster.report({"bad": enforced("Unreadable")}, {}, {})
        again = await at.cluster.snapshot()

    assert [d.metadata.name for d in view.fleet.domains] == ["row"]
    assert [(b.kind, b.name, b.generation) for b in view.broken] == [("PowerDomain", "bad", 1)]
    assert "spec.budget.watts" in view.broken[0].message
    assert again.domains["bad"].conditions[0].reason == "Unreadable"


@pytest.mark.parametrize("plural", ["powerdomains", "inferencepools", "agentworkflows"])
async def test_a_view_is_whole_or_there_is_none(server, plural):
    async with door(server) as at:
        server.refuse(500, path=plural, times=1)
        with pytest.raises(Away, match=plural):
            await at.cluster.snapshot()

        assert await at.cluster.snapshot()


async def test_copies_that_nobody_renews_are_no_view(server):
    async with door(server) as at:
        await server.stop()
        await until(lambda: "pods" in at.watched.problem() or "nodes" in at.watched.problem())
        with pytest.raises(Away, match="s old: "):
            await at.cluster.snapshot()


async def test_an_order_is_written_once_and_again_when_it_changes(server):
    async with door(server) as at:
        await at.cluster.snapshot()
        assert await at.cluster.order("n1", order(100))
        assert not await at.cluster.order("n1", order(100))
        assert await at.cluster.order("n1", order(200))
        view = await at.cluster.snapshot()
        assert view.nodes["n1"].spec.budget_watts == 200, (
            "our own writes are seen before the watch shows them"
        )

    assert server.get("PowerNode", "n1")["metadata"]["generation"] == 2


async def test_an_order_is_not_written_over_one_that_was_not_seen(server):
    server.put(of("PowerNode", "n1", spec=dump(order())))
    async with door(server) as at:
        await at.cluster.snapshot()
        server.patch("PowerNode", "n1", {"spec": {"budgetWatts": 50}})
        with pytest.raises(Conflict, match="ordered anew since generation 1"):
            await at.cluster.order("n1", order(200))

    assert server.get("PowerNode", "n1")["spec"]["budgetWatts"] == 50


async def test_an_order_is_not_given_to_another_node_of_the_name(server):
    server.put(of("PowerNode", "n1", spec=dump(order())))
    async with door(server) as at:
        await at.cluster.snapshot()
        server.remove("PowerNode", "n1")
        server.put(of("PowerNode", "n1", spec=dump(order(50))))
        with pytest.raises(Conflict):
            await at.cluster.order("n1", order(200))


async def test_an_agent_that_answers_meanwhile_does_not_stop_a_pass(server):
    server.put(of("PowerNode", "n1", spec=dump(order())))
    async with door(server) as at:
        await at.cluster.snapshot()
        server.patch("PowerNode", "n1", {"status": {"epoch": 3}}, part="status")
        assert await at.cluster.order("n1", order(200))


async def test_an_order_that_the_server_does_not_take_is_no_conflict(server):
    server.put(of("PowerNode", "n1", spec=dump(order())))
    async with door(server) as at:
        await at.cluster.snapshot()
        server.refuse(422, "Invalid", "spec.budgetWatts: too many", method="PATCH")
        with pytest.raises(Invalid, match="too many"):
            await at.cluster.order("n1", order(200))


async def test_nothing_is_written_over_a_later_leaders_order(server):
    server.put(of("PowerNode", "n1", spec=dump(order(epoch=8))))
    async with door(server) as at:
        await at.cluster.snapshot()
        with pytest.raises(Superseded):
            await at.cluster.order("n1", order(200))


async def test_once_the_right_to_lead_has_ended_nothing_is_written(server):
    server.put(domain())
    async with door(server) as at:
        await at.cluster.snapshot()
        at.fence.end()
        server.log.clear()
        for attempt in (
            at.cluster.order("n1", order()),
            at.cluster.report({"row": enforced()}, {}, {}),
            at.cluster.perform([Label("n1", HELD, "true")]),
            at.cluster.renew("row"),
            at.cluster.snapshot(),
        ):
            with pytest.raises(Superseded):
                await attempt

    assert [r for r in server.log if r.method != "GET"] == []


async def test_a_status_is_applied_when_it_says_something_new(server):
    server.put(domain())
    async with door(server) as at:
        for status in (enforced(), enforced(), enforced(draw_watts=100), enforced("LoweringToBudget")):
            await at.cluster.snapshot()
            await at.cluster.report({"row": status}, {}, {})

    writes = server.requests("PATCH", "powerdomains/row/status")
    assert [w.body["status"]["conditions"][0]["reason"] for w in writes] == [
        "WithinBudget",
        "LoweringToBudget",
    ]
    assert writes[0].query["fieldManager"] == "wattline-operator"
    assert server.get("PowerDomain", "row")["status"]["epoch"] == 7, "whose word it is"


async def test_measured_watts_alone_are_written_once_a_minute(server):
    server.put(domain())
    async with door(server, speed=400.0) as at:
        for draw in (100.0, 200.0, 300.0):
            await at.cluster.snapshot()
            await at.cluster.report({"row": enforced(draw_watts=draw)}, {}, {})
            await at.clock.sleep_until(at.clock.now() + 40.0)

    drawn = [w.body["status"]["drawWatts"] for w in server.requests("PATCH", "status")]
    assert drawn == [100.0, 300.0]


async def test_a_promise_is_not_written_over_an_object_that_changed(server):
    server.put(domain())
    async with door(server) as at:
        await at.cluster.snapshot()
        server.patch("PowerDomain", "row", {"spec": {"budget": {"watts": 1000}}})
        with pytest.raises(Conflict):
            await at.cluster.report({"row": enforced()}, {}, {})


async def test_statuses_of_objects_that_are_gone_are_left_out(server):
    server.put(domain())
    server.put(pool())
    async with door(server) as at:
        await at.cluster.snapshot()
        server.remove("PowerDomain", "row")
        server.remove("InferencePool", "coder", "agents")
        await at.cluster.report({"row": enforced()}, {"agents/coder": InferencePoolStatus(replicas=1)}, {})

    assert server.all("PowerDomain") == []


async def test_leases_of_domains_say_the_epoch_and_never_the_same_time_twice(server):
    async with door(server) as at:
        await at.cluster.renew("row")
        first = server.get("Lease", "wattline-domain-row", "ours")["spec"]
        await at.cluster.renew("row")
        second = server.get("Lease", "wattline-domain-row", "ours")["spec"]

    assert first["leaseTransitions"] == second["leaseTransitions"] == 7
    assert first["renewTime"] < second["renewTime"]


async def test_taking_over_marks_every_order_and_changes_nothing_else_in_it(server):
    for name in ("n1", "n2"):
        server.put(of("PowerNode", name, spec=dump(order(150, epoch=6))))
    async with door(server) as at:
        await at.cluster.take_over()

    for name in ("n1", "n2"):
        assert server.get("PowerNode", name)["spec"] == dump(order(150, epoch=7))


async def test_what_a_pod_waits_for_is_done_in_one_patch(server):
    server.put(pod(schedulingGates=[{"name": PLACEMENT}, {"name": "other"}]))
    async with door(server) as at:
        view = await at.cluster.snapshot()
        seen = view.pods["agents/p"]
        await at.cluster.perform([Place("agents", "p", seen.uid, seen.resource_version, ("n1", "n2"))])
        await at.cluster.perform([Place("agents", "p", seen.uid, seen.resource_version, ("n3",))])

    placed = server.get("Pod", "p", "agents")["spec"]
    assert placed["schedulingGates"] == [{"name": "other"}]
    [term] = placed["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"][
        "nodeSelectorTerms"
    ]
    assert term["matchExpressions"][0]["values"] == ["n1", "n2"], "a pod that changed meanwhile is left alone"


async def test_nodes_are_marked_and_keep_everything_else(server):
    other = {"key": "gpu", "effect": "NoSchedule"}
    server.put(machine(zone="z") | {"spec": {"taints": [other]}})
    async with door(server) as at:
        await at.cluster.snapshot()
        await at.cluster.perform([Label("n1", HELD, "true"), Taint("n1", present=True)])
        marked = server.get("Node", "n1")
        await at.cluster.perform([Label("n1", HELD, None), Taint("n1", present=False)])
        bare = server.get("Node", "n1")

    assert marked["metadata"]["labels"] == {MANAGED: "true", HELD: "true", "zone": "z"}
    assert marked["spec"]["taints"] == [other, {"key": UNCAPPED, "effect": "NoSchedule"}]
    assert bare["metadata"]["labels"] == {MANAGED: "true", "zone": "z"}
    assert bare["spec"]["taints"] == [other]


async def test_an_action_that_is_refused_is_said_and_stops_no_other(server, caplog):
    server.put(of("Deployment", "coder", "agents", api="apps/v1", spec={"replicas": 1}))
    scale = Scale("agents", "apps/v1", "Deployment", "coder", 3)
    async with door(server) as at:
        await at.cluster.snapshot()
        server.refuse(403, "Forbidden", "may not patch nodes", method="PATCH", path="nodes/n1", times=2)
        await at.cluster.perform(
            [Label("n1", HELD, "true"), scale, Delete("v1", "ConfigMap", "agents", "gone")]
        )
        await at.cluster.perform([Label("n1", HELD, "true")])

    assert server.get("Deployment", "coder", "agents")["spec"]["replicas"] == 3
    said = [r.getMessage() for r in caplog.records if "may not patch nodes" in r.getMessage()]
    assert len(said) == 1, "once a cause"
    assert "check the role" in said[0]


async def test_what_is_applied_again_unchanged_asks_nothing_of_the_server(server):
    server.put(pool(endpoints=[], template={"spec": {"containers": []}}))
    made = of("Deployment", "coder", "agents", api="apps/v1", spec={"replicas": 2})
    async with door(server) as at:
        for _ in range(3):
            await at.cluster.snapshot()
            await at.cluster.perform([Apply(made)])
            await until(
                lambda: at.watched._workloads and any(c.items for c in at.watched._workloads.values())
            )
        assert len(server.requests("PATCH", "deployments/coder")) == 1

        server.remove("Deployment", "coder", "agents")
        await until(lambda: not any(c.items for c in at.watched._workloads.values()))
        await at.cluster.snapshot()
        await at.cluster.perform([Apply(made)])

    assert len(server.requests("PATCH", "deployments/coder")) == 2, "somebody deleted it"


async def test_an_order_is_forgotten_only_as_it_was_decided_on(server):
    server.put(of("PowerNode", "n1", spec=dump(order())))
    async with door(server) as at:
        await at.cluster.snapshot()
        server.patch("PowerNode", "n1", {"status": {"epoch": 3}}, part="status")
        await at.cluster.perform([Forget("n1")])
        assert server.all("PowerNode")

        await until(lambda: at.watched.orders()["n1"].thing.status is not None)
        await at.cluster.snapshot()
        await at.cluster.perform([Forget("n1")])

    assert server.all("PowerNode") == []


async def test_the_same_said_again_is_a_series_and_not_a_flood(server):
    server.put(domain())
    say = Say("PowerDomain", None, "row", "FloorsExceedBudget", "the floors are 400 W", warning=True)
    async with door(server, speed=1000.0) as at:
        await at.cluster.snapshot()
        for _ in range(3):
            await at.cluster.perform([say])
        assert [e.get("series") for e in server.all("Event")] == [None]
        await at.clock.sleep_until(at.clock.now() + 301.0)
        await at.cluster.perform([say])

    [event] = server.all("Event")
    assert event["series"]["count"] == 4
    assert event["regarding"] == {
        "apiVersion": API,
        "kind": "PowerDomain",
        "name": "row",
        "uid": server.get("PowerDomain", "row")["metadata"]["uid"],
    }
    assert (event["type"], event["metadata"]["namespace"]) == ("Warning", "default")


async def test_a_next_leader_goes_on_with_the_series(server):
    server.put(domain())
    say = Say("PowerDomain", None, "row", "FloorsExceedBudget", "the floors are 400 W", warning=True)
    for epoch in (7, 8):
        async with door(server, epoch) as at:
            await at.cluster.snapshot()
            await at.cluster.perform([say])

    assert len(server.all("Event")) == 1


async def test_changes_that_matter_wake_the_loop_and_others_do_not(server):
    server.put(machine())
    server.put(of("PowerNode", "n1", spec=dump(order())))
    server.put(pod())
    async with door(server) as at:

        async def woken(change):
            at.nudges.clear()
            change()
            await asyncio.sleep(0.05)
            return bool(at.nudges)

        assert await woken(lambda: server.patch("PowerNode", "n1", {"status": {"epoch": 3}}, part="status"))
        assert not await woken(lambda: server.patch("PowerNode", "n1", {"spec": {"budgetWatts": 1}})), (
            "our own"
        )
        assert not await woken(
            lambda: server.patch(
                "PowerNode", "n1", {"status": {"demandWatts": 400, "heatFreedWatts": 90}}, part="status"
            )
        ), "a heartbeat"
        gpu = {"uuid": "G0", "product": "H100", "boundWatts": 714, "heatClockMhz": 1500}
        gpu |= {"minWatts": 200, "maxWatts": 700, "defaultWatts": 700}
        assert await woken(
            lambda: server.patch("PowerNode", "n1", {"status": {"gpus": [gpu]}}, part="status")
        ), "heat that other nodes are to follow"
        assert await woken(lambda: server.patch("Pod", "p", {"spec": {"nodeName": "n1"}}, "agents"))
        assert not await woken(
            lambda: server.patch("Pod", "p", {"metadata": {"annotations": {"a": "b"}}}, "agents")
        )
        assert not await woken(
            lambda: server.put(of("Pod", "cpu", "agents", api="v1", spec={"containers": []}))
        )
        assert await woken(lambda: server.patch("Node", "n1", {"metadata": {"labels": {"x": "y"}}}))
        assert not await woken(lambda: server.put(of("Node", "cpu", api="v1", spec={})))


def dump(spec):
    return spec.model_dump(mode="json", by_alias=True, exclude_none=True)
