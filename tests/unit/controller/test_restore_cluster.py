"""Restoring a cluster: no operator between, every order a release, and the nodes that kept silent named."""

import asyncio

import pytest
from tests.fakes.apiserver import FakeApiServer
from tests.waiting import beside

from wattline.controller.restore import restore
from wattline.controller.restore_cluster import HOLD_SECONDS, ClusterOrders
from wattline.doors.clock import BootClock, utc_micros
from wattline.doors.kube.access import Access
from wattline.doors.kube.client import Kube, session
from wattline.doors.kube.errors import Superseded
from wattline.doors.kube.lease import Election

SPEED = 100
NAMESPACE = "wattline-system"
AT = "2026-11-21T12:00:00Z"
CORDONED = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}
UNCAPPED = {"key": "wattline.dev/uncapped", "effect": "NoSchedule"}


def order(name: str, *, epoch: int = 4, enforce: bool = True, answered: bool = True) -> dict:
    thing = {
        "apiVersion": "wattline.dev/v1alpha1",
        "kind": "PowerNode",
        "metadata": {"name": name},
        "spec": {
            "epoch": epoch,
            "lease": {"name": "row", "durationSeconds": 60},
            "enforce": enforce,
            "budgetWatts": 3000,
            "highestSentWatts": 3000,
            "failsafeWatts": 2000,
        },
    }
    if answered:
        state = "Enforcing" if enforce else "Observing"
        thing["status"] = {"observedGeneration": 1, "epoch": epoch, "state": state}
    return thing


def machine(name: str, *taints: dict, held: bool = True) -> dict:
    labels = {"wattline.dev/managed": "true"} | ({"wattline.dev/held": "true"} if held else {})
    meta = {"name": name, "labels": labels}
    return {"apiVersion": "v1", "kind": "Node", "metadata": meta, "spec": {"taints": list(taints)}}


def row(**spec) -> dict:
    held = {"type": "Enforced", "status": "True", "reason": "HoldingBand", "observedGeneration": 1}
    valid = {"type": "Accepted", "status": "True", "reason": "Valid", "observedGeneration": 1}
    return {
        "apiVersion": "wattline.dev/v1alpha1",
        "kind": "PowerDomain",
        "metadata": {"name": "row"},
        "spec": {"mode": "Enforce", "budget": {"watts": 9000}, **spec},
        "status": {"observedGeneration": 1, "mayDrawWatts": 8000, "conditions": [valid, held]},
    }


def deployment() -> dict:
    meta = {"name": "wattline-operator", "namespace": NAMESPACE}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta, "spec": {}}


@pytest.fixture
async def server():
    async with FakeApiServer() as server:
        yield server


@pytest.fixture
async def kube(server):
    access = Access(server.url)
    async with session(access, "wattline-restore") as connections:
        yield Kube(connections, access, manager="wattline-restore")


async def restored(kube: Kube, *, seconds: float = 30.0) -> tuple[tuple[str, ...], list[str]]:
    clock, said = BootClock(SPEED), []
    orders = ClusterOrders(kube, clock, NAMESPACE, holder="restore me", at=AT, at_micros=utc_micros())
    left = await restore(orders, clock, timeout_seconds=seconds, say=said.append)
    return left, said


async def answer(server: FakeApiServer, names: tuple[str, ...]) -> None:
    while True:
        for name in names:
            spec, meta = (server.get("PowerNode", name)[part] for part in ("spec", "metadata"))
            if spec.get("release"):
                now = {"observedGeneration": meta["generation"], "epoch": spec["epoch"], "state": "Released"}
                server.patch("PowerNode", name, {"status": now}, part="status")
        await asyncio.sleep(0.005)


def agents(server: FakeApiServer, *names: str):
    """Agents that put their GPUs back when told to."""
    return beside(answer(server, names))


async def test_every_node_is_ordered_to_release_and_is_ours_no_more_once_it_has(server, kube):
    server.put(row())
    for name in ("gpu-1", "gpu-2"):
        server.put(order(name))
        server.put(machine(name, CORDONED, UNCAPPED))

    async with agents(server, "gpu-1", "gpu-2"):
        left, said = await restored(kube)

    assert left == ()
    assert sorted(said) == ["gpu-1: put back", "gpu-2: put back"]
    for name in ("gpu-1", "gpu-2"):
        spec = server.get("PowerNode", name)["spec"]
        assert (spec["epoch"], spec["enforce"], spec["release"]) == (5, False, True)
        assert spec["budgetWatts"] == 3000, "nothing else of the order changes"
        node = server.get("Node", name)
        assert node["spec"]["taints"] == [CORDONED]
        assert node["metadata"]["labels"] == {"wattline.dev/managed": "true"}


async def test_a_node_that_keeps_silent_is_named_and_stays_marked(server, kube):
    for name in ("gpu-1", "gpu-2"):
        server.put(order(name))
        server.put(machine(name, UNCAPPED))

    async with agents(server, "gpu-1"):
        left, said = await restored(kube, seconds=5)

    assert left == ("gpu-2",)
    assert said == ["gpu-1: put back"]
    assert server.get("Node", "gpu-2")["metadata"]["labels"]["wattline.dev/held"] == "true"
    assert server.get("Node", "gpu-2")["spec"]["taints"] == []


async def test_nodes_that_were_only_observed_are_not_waited_for(server, kube):
    server.put(order("seen", enforce=False))
    server.put(order("silent", enforce=False, answered=False))
    server.put(machine("seen", held=False))
    server.put(machine("silent", held=False))

    left, said = await restored(kube)

    assert (left, said) == ((), [])
    assert server.get("PowerNode", "silent")["spec"]["release"] is True, "in case an order was on its way"


async def test_a_node_whose_machine_is_gone_but_whose_order_enforces_is_waited_for(server, kube):
    server.put(order("gone"))

    assert (await restored(kube, seconds=2))[0] == ("gone",)


async def test_no_domain_is_called_enforced_any_more(server, kube):
    server.put(row())

    await restored(kube)

    status = server.get("PowerDomain", "row")["status"]
    conditions = {each["type"]: each for each in status["conditions"]}
    assert conditions["Enforced"]["status"] == "False"
    assert conditions["Enforced"]["reason"] == "Restored"
    assert conditions["Enforced"]["lastTransitionTime"] == AT
    assert conditions["Accepted"]["status"] == "True"
    assert status.get("mayDrawWatts") is None


async def test_objects_that_cannot_be_read_stop_nothing(server, kube):
    server.put(row(budget={"watts": "many"}))
    broken = order("broken")
    broken["spec"]["budgetWatts"] = "many"
    server.put(broken)
    server.put(order("gpu-1"))
    server.put(machine("gpu-1"))

    async with agents(server, "gpu-1"):
        left, said = await restored(kube, seconds=3)

    assert left == ("broken",)
    assert said == ["gpu-1: put back"]
    assert server.get("PowerNode", "broken")["spec"]["release"] is True


def election(kube: Kube, clock: BootClock, who: str) -> Election:
    return Election(
        kube, clock, namespace=NAMESPACE, name="wattline-operator", identity=who, stamp=utc_micros
    )


async def test_the_leader_there_was_steps_down_and_nobody_follows_it(server, kube):
    clock = BootClock(SPEED)
    leader = election(kube, clock, "operator-a")
    fence = await leader.acquire(lambda: 6)
    server.put(deployment())
    server.put(order("gpu-1", epoch=fence.epoch))
    holding = asyncio.create_task(leader.hold(fence))

    async with agents(server, "gpu-1"):
        left, _ = await restored(kube)
    next_one = asyncio.create_task(election(kube, clock, "operator-b").acquire(lambda: 0))

    with pytest.raises(Superseded, match="restore me"):
        await holding
    assert left == ()
    lease = server.get("Lease", "wattline-operator", NAMESPACE)
    assert lease["spec"]["holderIdentity"] == "restore me"
    assert lease["spec"]["leaseDurationSeconds"] == HOLD_SECONDS
    assert (
        server.get("PowerNode", "gpu-1")["spec"]["epoch"]
        == lease["spec"]["leaseTransitions"] + 1
        > fence.epoch
    )
    (owner,) = lease["metadata"]["ownerReferences"]
    assert owner["uid"] == server.get("Deployment", "wattline-operator", NAMESPACE)["metadata"]["uid"], (
        "the lease goes with the operator, so that the next install need not wait for it"
    )
    await asyncio.sleep(0.5)
    assert not next_one.done(), "50 s without a renewal, and still nobody else leads"
    next_one.cancel()
    await asyncio.gather(next_one, return_exceptions=True)


async def test_what_a_stopped_leader_still_writes_is_written_over(server, kube):
    server.put(order("gpu-1"))
    late = asyncio.create_task(asyncio.sleep(0.15))
    late.add_done_callback(
        lambda _: server.patch(
            "PowerNode", "gpu-1", {"spec": {"epoch": 4, "enforce": True, "release": False}}
        )
    )

    left, _ = await restored(kube, seconds=40)

    assert left == ("gpu-1",)
    assert server.get("PowerNode", "gpu-1")["spec"]["release"] is True


async def test_another_restore_that_came_later_has_the_say(server, kube):
    server.put(order("gpu-1"))
    late = asyncio.create_task(asyncio.sleep(0.15))
    late.add_done_callback(lambda _: server.patch("PowerNode", "gpu-1", {"spec": {"epoch": 9}}))

    with pytest.raises(Superseded, match="epoch 9"):
        await restored(kube, seconds=600)


async def test_an_api_server_that_is_away_for_a_moment_is_asked_again(server, kube):
    server.put(order("gpu-1"))
    server.put(machine("gpu-1"))
    asyncio.get_running_loop().call_later(
        0.1, lambda: server.refuse(503, method="GET", path="powernodes/gpu-1", times=3)
    )

    async with agents(server, "gpu-1"):
        left, _ = await restored(kube, seconds=300)

    assert left == ()


async def test_a_cluster_without_nodes_is_restored_at_once(server, kube):
    assert await restored(kube) == ((), [])


async def test_a_cluster_where_our_kinds_are_not_installed_has_nothing_to_restore(server, kube):
    server.kinds = {path: kind for path, kind in server.kinds.items() if "wattline.dev" not in path}

    assert await restored(kube) == ((), [])
