"""Orders from an API server over a real socket: what is watched, what is written, and what an outage leaves in place."""

import asyncio
from contextlib import asynccontextmanager

import pytest
from tests.fakes.apiserver import FakeApiServer
from tests.unit.agent.rig import but, spec
from tests.waiting import beside, until

from wattline.api.powernode import GpuStatus, NodeState, PodGpus, PowerNodeSpec, PowerNodeStatus
from wattline.doors.clock import BootClock
from wattline.doors.kube.access import Access
from wattline.doors.kube.client import Kube, session
from wattline.model.errors import ClusterError
from wattline_agent.orders_kube import MANAGER, KubeOrders, published, seen

CLOCK = BootClock(20.0)
STATUS = PowerNodeStatus(
    observed_generation=1,
    boot_id="b",
    address="http://10.0.0.7:9808",
    state=NodeState.ENFORCING,
    bound_watts=980.0,
    gpus=(
        GpuStatus(
            uuid="G0", product="h100", min_watts=200, max_watts=700, default_watts=700, bound_watts=490
        ),
    ),
    pods=(PodGpus(namespace="agents", name="coder-0", gpus=("G0",)),),
)


def node(order: PowerNodeSpec, name: str = "n1", **meta) -> dict:
    return {
        "apiVersion": "wattline.dev/v1alpha1",
        "kind": "PowerNode",
        "metadata": {"name": name, **meta},
        "spec": order.model_dump(mode="json", by_alias=True),
    }


def lease(name: str = "box", renewed: str = "2026-11-21T12:00:00.000001Z", transitions: int = 1) -> dict:
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": f"wattline-domain-{name}", "namespace": "wattline-system"},
        "spec": {"holderIdentity": "op", "renewTime": renewed, "leaseTransitions": transitions},
    }


@asynccontextmanager
async def following(server: FakeApiServer, *, account=None):
    """Orders of n1 that are being followed."""
    access = Access(server.url) if account is None else Access(server.url, token=account.read_text)
    async with session(access, MANAGER) as http:
        orders = KubeOrders(Kube(http, access, manager=MANAGER), "n1", "wattline-system", CLOCK)
        async with beside(orders.follow()):
            yield orders


async def test_the_order_of_this_node_and_its_domains_lease_are_seen_as_they_change():
    async with FakeApiServer() as server, following(server) as orders:
        server.put(node(spec(500.0), "other"))
        made = server.put(node(spec(1000.0)))
        server.put(lease())
        await until(lambda: orders.order and orders.order.spec and orders.lease)

        assert orders.order.uid == made["metadata"]["uid"]
        assert orders.order.spec == spec(1000.0)
        assert (orders.lease.name, orders.lease.epoch) == ("box", 1)

        first = orders.lease.renewals
        server.put(lease(renewed="2026-11-21T12:00:15.000001Z", transitions=2))
        server.put(node(spec(800.0)))
        await until(lambda: orders.lease.renewals != first and orders.order.spec.budget_watts == 800.0)

        assert orders.lease.renewals - first == 15_000_000
        assert orders.lease.epoch == 2


async def test_before_the_first_look_nothing_is_known_and_after_it_no_order_is_known():
    server = FakeApiServer()
    await server.start()
    await server.stop()
    async with following(server) as orders:
        await asyncio.sleep(0.1)
        assert orders.order is None

        await server.start()
        await until(lambda: orders.order is not None)
        assert orders.order.spec is None
    await server.stop()


async def test_an_order_that_is_deleted_is_no_order_and_one_made_again_is_another():
    async with FakeApiServer() as server, following(server) as orders:
        server.put(node(spec()))
        await until(lambda: orders.order and orders.order.spec)
        uid = orders.order.uid
        server.remove("PowerNode", "n1")
        await until(lambda: orders.order.spec is None)
        server.put(node(spec()))
        await until(lambda: orders.order.spec is not None)

        assert orders.order.uid != uid


async def test_another_domain_has_another_lease():
    async with FakeApiServer() as server, following(server) as orders:
        server.put(lease())
        server.put(lease("row", transitions=7))
        server.put(node(spec()))
        await until(lambda: orders.lease)
        moved = spec()
        server.put(node(but(moved, lease=moved.lease.model_copy(update={"name": "row"}))))
        await until(lambda: orders.lease and orders.lease.name == "row")

        assert orders.lease.epoch == 7


async def test_while_the_server_is_away_everything_stays_and_afterwards_it_goes_on():
    async with FakeApiServer() as server, following(server) as orders:
        server.put(node(spec(1000.0)))
        server.put(lease())
        await until(lambda: orders.lease)
        order, renewed = orders.order, orders.lease
        await server.stop()
        await asyncio.sleep(0.2)

        assert (orders.order, orders.lease) == (order, renewed)
        with pytest.raises(ClusterError):
            await orders.report(STATUS)

        await server.start()
        server.put(node(spec(700.0)))
        server.put(lease(renewed="2026-11-21T12:01:00.000001Z"))
        await until(
            lambda: orders.order.spec.budget_watts == 700.0 and orders.lease.renewals != renewed.renewals
        )
        await orders.report(STATUS)

        assert server.get("PowerNode", "n1")["status"]["state"] == "Enforcing"


async def test_a_connection_that_died_without_a_word_is_noticed_before_the_order_ends():
    """The fake holds the watches' answers back; nothing arrives, and nothing says that the connection is gone."""
    async with FakeApiServer() as server:
        server.put(node(spec(1000.0)))
        server.put(lease())
        async with following(server) as orders:
            await until(lambda: orders.lease)
            first = orders.lease.renewals
            for kind in ("powernodes", "leases"):  # the next watches hang, as if behind a dead load balancer
                server.hold(method="GET", path=kind)
            server.drop_watches()
            server.put(node(spec(700.0)))
            server.put(lease(renewed="2026-11-21T12:00:15.000001Z"))
            before = CLOCK.now()
            await until(lambda: orders.lease.renewals != first and orders.order.spec.budget_watts == 700.0)

            assert CLOCK.now() - before < 60.0


async def test_a_past_that_the_server_has_forgotten_is_read_anew():
    async with FakeApiServer() as server, following(server) as orders:
        server.put(node(spec(1000.0)))
        await until(lambda: orders.order and orders.order.spec)
        server.expire()
        server.put(node(spec(600.0)))

        await until(lambda: orders.order.spec.budget_watts == 600.0)


async def test_an_order_that_makes_no_sense_leaves_the_last_one(caplog):
    async with FakeApiServer() as server, following(server) as orders:
        server.put(node(spec(1000.0)))
        await until(lambda: orders.order and orders.order.spec)
        broken = node(spec(900.0))
        broken["spec"]["budgetWatts"] = -1
        server.put(broken)
        await until(lambda: "not a PowerNode" in caplog.text)

        assert orders.order.spec.budget_watts == 1000.0

        server.put(node(spec(800.0)))
        await until(lambda: orders.order.spec.budget_watts == 800.0)


async def test_a_first_order_that_makes_no_sense_is_not_taken_for_none(caplog):
    async with FakeApiServer() as server:
        server.put({**node(spec()), "spec": {}})
        async with following(server) as orders:
            await until(lambda: "not a PowerNode" in caplog.text)

            assert orders.order is None


async def test_the_status_of_this_node_alone_is_written_by_our_field_manager_and_the_spec_never():
    async with FakeApiServer() as server, following(server) as orders:
        server.put(node(spec()))
        await until(lambda: orders.order and orders.order.spec)
        await orders.report(STATUS)

        kept = server.get("PowerNode", "n1")
        assert PowerNodeStatus.model_validate(kept["status"]) == STATUS
        assert PowerNodeSpec.model_validate(kept["spec"]) == spec()
        writes = [each for each in server.log if each.method != "GET"]
        assert {each.path for each in writes} == {"/apis/wattline.dev/v1alpha1/powernodes/n1/status"}
        assert {each.query["fieldManager"] for each in writes} == {"wattline-node-agent"}
        assert {frozenset(each.body) for each in writes} == {
            frozenset({"apiVersion", "kind", "metadata", "status"})
        }


async def test_the_pods_that_a_predecessor_told_of_are_known_as_soon_as_anything_is():
    async with FakeApiServer() as server:
        server.put({**node(spec()), "status": STATUS.model_dump(mode="json", by_alias=True)})
        async with following(server) as orders:
            assert not orders.looked
            await until(lambda: orders.looked)

            assert orders.pods == STATUS.pods


async def test_a_node_without_an_object_has_no_status_to_write():
    async with FakeApiServer() as server, following(server) as orders:
        await until(lambda: orders.order is not None)
        await orders.report(STATUS)

        assert server.all("PowerNode") == []


async def test_a_token_that_is_renewed_under_us_is_read_again(tmp_path):
    token = tmp_path / "token"
    token.write_text("old")
    async with FakeApiServer() as server:
        server.token = "old"
        async with following(server, account=token) as orders:
            server.put(node(spec(1000.0)))
            await until(lambda: orders.order and orders.order.spec)
            server.token = "new"
            server.drop_watches()
            with pytest.raises(ClusterError, match="does not know us"):
                await orders.report(STATUS)

            token.write_text("new")
            await orders.report(STATUS)
            server.put(node(spec(800.0)))
            await until(lambda: orders.order.spec.budget_watts == 800.0)


@pytest.mark.parametrize(
    ("given", "want"),
    [
        pytest.param({"renewTime": "1970-01-01T00:00:01.000002Z"}, (1_000_002, 0), id="microseconds"),
        pytest.param(
            {"renewTime": "1970-01-01T00:00:01Z", "leaseTransitions": 3}, (1_000_000, 3), id="whole seconds"
        ),
        pytest.param({"leaseTransitions": 3}, None, id="never renewed"),
        pytest.param(None, None, id="nothing in it"),
    ],
)
def test_what_a_lease_says(given, want):
    found = seen("box", {"spec": given})

    assert (None if found is None else (found.renewals, found.epoch)) == want


async def test_the_uuids_that_drivers_publish_for_this_node():
    async with FakeApiServer() as server, session(Access(server.url), MANAGER) as http:
        kube = Kube(http, Access(server.url), manager=MANAGER)
        assert await published(kube, "n1") == {}

        server.serve("apis/resource.k8s.io/v1/resourceslices", "ResourceSlice", namespaced=False)
        devices = [
            {"name": "gpu-0", "attributes": {"uuid": {"string": "GPU-a"}, "index": {"int": 0}}},
            {"name": "gpu-1", "attributes": {"gpu.nvidia.com/uuid": {"string": "GPU-b"}}},
            {"name": "gpu-2"},
            {
                "name": "gpu-0-mig-9-4-4",
                "attributes": {"uuid": {"string": "MIG-1"}, "parentUUID": {"string": "GPU-a"}},
            },
        ]
        server.put(
            {
                "apiVersion": "resource.k8s.io/v1",
                "kind": "ResourceSlice",
                "metadata": {"name": "n1-gpu"},
                "spec": {
                    "nodeName": "n1",
                    "driver": "gpu.nvidia.com",
                    "pool": {"name": "n1"},
                    "devices": devices,
                },
            }
        )

        assert await published(kube, "n1") == {
            ("gpu.nvidia.com", "n1", "gpu-0"): "GPU-a",
            ("gpu.nvidia.com", "n1", "gpu-1"): "GPU-b",
            ("gpu.nvidia.com", "n1", "gpu-0-mig-9-4-4"): "GPU-a",
        }
