"""Leaders that are stopped anywhere and wake up late: nothing of an older epoch is taken after a newer one's."""

import asyncio
import contextlib
import copy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.fakes.objects import Refused
from tests.fakes.stepped import World
from tests.unit.doors.kube.orders import order

from wattline.api.base import Condition, ConditionStatus
from wattline.api.powerdomain import PowerDomainStatus
from wattline.api.powernode import PowerNode
from wattline.controller.lead import lead
from wattline.doors.kube.cluster import KubeCluster
from wattline.doors.kube.errors import Superseded
from wattline.doors.kube.events import Events
from wattline.doors.kube.lease import DomainLeases, Election
from wattline.doors.kube.reads import Stored, stored
from wattline.model.errors import ClusterError

NODES = ("n1", "n2")
API = "wattline.dev/v1alpha1"


class Copies:
    """What a process has read of the orders: as they were when the test last let it read."""

    def __init__(self, world):
        self._world = world
        self._written = {}
        self.machines, self.pods = {}, {}
        self.read()

    def read(self):
        self._orders = {
            raw["metadata"]["name"]: stored(PowerNode, copy.deepcopy(raw))
            for raw in self._world.server.all("PowerNode")
        }

    def orders(self):
        found = dict(self._orders)
        for name, ours in self._written.items():
            if name not in found or int(found[name].version) < int(ours.version):
                found[name] = ours
        return found

    def wrote(self, order: Stored):
        self._written[order.thing.metadata.name] = order

    def highest_epoch(self):
        return max([0, *(each.thing.spec.epoch for each in self.orders().values())])

    def problem(self):
        return ""

    def check(self):
        return None

    async def workloads(self, kinds):
        return {}


class Replica:
    """One operator: the real election, leading and door; its loop raises the budget by a watt in every pass."""

    def __init__(self, world, name):
        self.world, self.name = world, name
        self.process = world.process()
        self.copies = Copies(world)
        self.epochs = []
        self.refused = []

    async def run(self):
        election = Election(
            self.process.kube,
            self.process,
            namespace="ours",
            name="wattline-operator",
            identity=self.name,
            stamp=self.world.stamp,
        )
        await lead(election, self.copies, self.process, self.act)

    async def act(self, fence):
        kube, clock = self.process.kube, self.process
        leases = DomainLeases(kube, namespace="ours", identity=self.name, fence=fence, stamp=self.world.stamp)
        events = Events(kube, clock, controller="c", instance=self.name, stamp=self.world.stamp)
        cluster = KubeCluster(kube, self.copies, fence, leases, events, clock, lease_seconds=60)
        await self.until_done(cluster.take_over)
        self.epochs.append(fence.epoch)
        watts = 0.0
        while True:
            watts += 1.0
            with contextlib.suppress(ClusterError):
                await self.a_pass(cluster, fence, watts)
            await self.process.sleep_until(self.process.now() + 1.0)

    async def until_done(self, do):
        while True:
            try:
                return await do()
            except Superseded:
                raise
            except ClusterError:
                await self.process.sleep_until(self.process.now() + 1.0)

    async def a_pass(self, cluster, fence, watts):
        view = await cluster.snapshot()
        status = PowerDomainStatus(
            observed_generation=1,
            conditions=(Condition(type="Enforced", status=ConditionStatus.TRUE, reason=f"E{fence.epoch}"),),
        )
        await cluster.report({d.metadata.name: status for d in view.fleet.domains}, {}, {})
        for node in NODES:
            await cluster.order(node, order(watts, fence.epoch))
        await cluster.renew("row")


def histories(world):
    """Epochs of every version there was of each order, status and lease, oldest first."""
    found = {}
    for _, resource, _, what, thing in world.server.objects.events:
        name = f"{resource.rpartition('/')[2]}/{thing['metadata']['name']}"
        if what == "DELETED":
            continue
        if resource.endswith("powernodes"):
            found.setdefault(name, []).append(thing["spec"].get("epoch", 0))
        elif resource.endswith("powerdomains"):
            found.setdefault(name, []).append(thing.get("status", {}).get("epoch", 0))
        elif resource.endswith("leases"):
            found.setdefault(name, []).append(thing["spec"]["leaseTransitions"])
    return found


moves = st.lists(
    st.one_of(
        st.tuples(st.just("step"), st.integers(0, 2), st.integers(0, 3)),
        st.tuples(st.just("steps"), st.integers(0, 2), st.integers(1, 25)),
        st.tuples(st.just("takes over"), st.integers(0, 2), st.integers(1, 4)),
        st.tuples(st.just("wait"), st.sampled_from([0.5, 2.0, 6.0, 14.0, 16.0]), st.just(0)),
        st.tuples(st.just("read"), st.integers(0, 2), st.just(0)),
        st.tuples(st.just("lease deleted"), st.just(0), st.just(0)),
    ),
    min_size=10,
    max_size=40,
)


def world_of_a_row():
    world = World()
    spec = {"budget": {"watts": 9}}
    world.server.put({"apiVersion": API, "kind": "PowerDomain", "metadata": {"name": "row"}, "spec": spec})
    return world


async def play(script):
    world = world_of_a_row()
    replicas = [Replica(world, name) for name in ("a", "b", "c")]
    tasks = [asyncio.create_task(each.run()) for each in replicas]
    await asyncio.sleep(0)
    for what, one, two in script:
        match what:
            case "step":
                await replicas[one].process.step(two)
            case "steps":
                for i in range(two):
                    world.at_seconds += 0.1
                    await replicas[one].process.step(i)
            case "takes over":
                world.at_seconds += 16.0
                for _ in range(two):
                    replicas[one].copies.read()
                    for i in range(25):
                        await replicas[one].process.step(i)
                    world.at_seconds += 1.0
            case "wait":
                world.at_seconds += one
            case "read":
                replicas[one].copies.read()
            case "lease deleted" if world.server.all("PowerNode") and world.server.all("Lease", "ours"):
                for each in replicas:
                    each.copies.read()  # a watch that runs is behind by less than it takes to type this
                with contextlib.suppress(Refused):
                    world.server.remove("Lease", "wattline-operator", "ours")
    for task in tasks:
        assert not task.done(), task.exception()
    await world.end(tasks)
    return world, replicas


@settings(max_examples=100)
@given(moves)
def test_nothing_of_an_older_epoch_is_taken_after_a_newer_ones(script):
    world, replicas = asyncio.run(play(script))

    for name, epochs in histories(world).items():
        if name != "leases/wattline-operator":
            assert epochs == sorted(epochs), name
    led = [epoch for replica in replicas for epoch in replica.epochs]
    assert len(led) == len(set(led)), "an epoch has one leader"


def test_leaders_do_come_and_go_in_this_test():
    """Or else the property above would hold of nothing."""
    turn = [("steps", 0, 25), ("read", 1, 0), ("steps", 1, 25), ("wait", 16.0, 0), ("steps", 1, 25)]
    script = [*turn, ("read", 1, 0), *turn, ("steps", 0, 25), *[("steps", 1, 25)] * 3, ("steps", 0, 25)]

    world, replicas = asyncio.run(play(script))

    assert replicas[0].epochs == [1]
    assert replicas[1].epochs == [2, 3]
    assert list(dict.fromkeys(histories(world)["powernodes/n1"])) == [1, 2, 3]


@pytest.mark.parametrize("late", range(1, 80))
def test_a_leader_that_was_stopped_at_any_of_its_steps_writes_nothing_once_another_leads(late):
    async def story():
        world = world_of_a_row()
        old, new = Replica(world, "old"), Replica(world, "new")
        tasks = [asyncio.create_task(each.run()) for each in (old, new)]
        await asyncio.sleep(0)
        for _ in range(late):
            world.at_seconds += 0.1
            await old.process.step()
        for seconds in (0.0, 16.0, 0.5, 1.5, 1.5):
            world.at_seconds += seconds
            for _ in range(40):
                new.copies.read()
                await new.process.step()
        before = copy.deepcopy(world.server.objects.by_key)
        old.copies.read()
        for _ in range(60):
            await old.process.step()
        await world.end(tasks)
        return before, world.server.objects.by_key, new.epochs

    before, after, led = asyncio.run(story())

    assert led
    ours = {
        key
        for key in before
        if key[0].endswith(("powernodes", "powerdomains")) or key[2] == "wattline-domain-row"
    }
    assert {key: before[key] for key in ours} == {key: after[key] for key in ours}
