"""The agent as it runs in a cluster: three real processes on the fake driver, an API server and a kubelet over sockets."""

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from aiohttp import web
from grpc import StatusCode
from tests.fakes.apiserver import FakeApiServer
from tests.fakes.kubelet import FakeKubelet, container, pod
from tests.integration.agent_box import PRODUCT, SPEED, UUIDS, Box, children, ended, ordered
from tests.waiting import beside, within

from wattline.api.powernode import EmergencyLevel, LeaseRef, NodeState, PodGpus, PowerNodeStatus
from wattline.cli.wait_ready import ask
from wattline.fake.nvml import Call, Faults, GpuBank, RootOnly
from wattline.model.bounds import bound_watts
from wattline.world.gpu import PRODUCTS, Gpu


@dataclass
class Node(Box):
    """A node of a cluster: orders and leases are objects, and so is the status."""

    server: FakeApiServer | None = None
    kubelet: FakeKubelet | None = None

    @property
    def ready_socket(self) -> Path:
        return self.state / "ready.sock"

    def join(self, *flags: str, **popen):
        """Start an agent as the DaemonSet does."""
        return self.start(
            "--cluster",
            f"--api-server={self.server.url}",
            f"--ready-socket={self.ready_socket}",
            f"--pod-resources={self.kubelet.path}",
            "--namespace=wattline-system",
            *flags,
            **popen,
        )

    def order(self, budget_watts: float, generation: int = 1, **changes) -> None:
        self.server.put(
            {
                "apiVersion": "wattline.dev/v1alpha1",
                "kind": "PowerNode",
                "metadata": {"name": "n1"},
                "spec": ordered(budget_watts, **changes),
            }
        )

    def renew_once(self) -> None:
        self.renewals += 1
        self.server.put(
            {
                "apiVersion": "coordination.k8s.io/v1",
                "kind": "Lease",
                "metadata": {"name": "wattline-domain-box", "namespace": "wattline-system"},
                "spec": {
                    "renewTime": f"2026-11-21T12:00:00.{self.renewals:06d}Z",
                    "leaseTransitions": 1,
                    "holderIdentity": "op",
                },
            }
        )

    def status(self, node: str = "n1") -> PowerNodeStatus | None:
        found = self.server.objects.by_key.get(("apis/wattline.dev/v1alpha1/powernodes", "", node), {}).get(
            "status"
        )
        return None if not found else PowerNodeStatus.model_validate(found)


until = within(seconds=30.0)


async def renew(node: Node) -> None:
    while True:
        if node.renewing:
            node.renew_once()
        await asyncio.sleep(0.1)


@pytest.fixture
async def node(tmp_path, nvml_library) -> AsyncIterator[Node]:
    bank = GpuBank.create(tmp_path / "n1.gpus", [Gpu(PRODUCTS["h100"], uuid) for uuid in UUIDS])
    async with FakeApiServer() as server, FakeKubelet(tmp_path / "kubelet.sock") as kubelet:
        node = Node(tmp_path / "state", bank, nvml_library, server=server, kubelet=kubelet)
        async with beside(renew(node)):
            yield node
        Faults(bank.mapping).clear()
        for agent in node.agents:
            if agent.poll() is None:
                agent.send_signal(signal.SIGTERM)
                await asyncio.to_thread(ended, agent)


@pytest.fixture
async def holding(node) -> Node:
    """A node that is held at 1000 W."""
    node.order(1000.0)
    node.join("--on-stop", "restore")
    await until(node.held)
    return node


async def test_an_agent_takes_its_order_from_the_api_server_and_answers_there_with_reasons_to_ask_for(
    holding,
):
    status = holding.status()
    told = json.loads(holding.get("/v1/decisions?about=gpu/GPU-0"))["decisions"]

    assert status.state is NodeState.ENFORCING
    assert status.observed_generation == holding.server.get("PowerNode", "n1")["metadata"]["generation"]
    assert {each.path for each in holding.server.log if each.method != "GET"} == {
        "/apis/wattline.dev/v1alpha1/powernodes/n1/status"
    }
    assert {"n1 GPU-0: limit 700 → 490 W", "n1 GPU-0: clock full speed → 1500 MHz"} <= {
        each["what"] for each in told
    }
    assert all(each["why"] and each["at"].endswith("Z") for each in told)


async def test_an_emergency_needs_no_api_server(node, tmp_path):
    level = EmergencyLevel(level="row-a", budget_watts=700.0, duration_seconds=300.0)
    node.order(1000.0, emergency=(level,))
    node.join(f"--emergency-file={tmp_path / 'emergency'}")
    await until(node.held)
    await node.server.stop()
    node.renewing = False
    (tmp_path / "part").write_text('{"level": "row-a"}')
    (tmp_path / "part").replace(tmp_path / "emergency")
    await until(lambda: sum(bound_watts(PRODUCT, watts, 700.0) for watts in node.limits()) <= 700.0)


async def test_pods_that_get_gpus_are_told_at_once(holding):
    holding.kubelet.pods = [pod("agents", "coder-0", container(("nvidia.com/gpu", ["GPU-1"])))]
    await until(lambda: holding.status().pods)

    assert holding.status().pods == (PodGpus(namespace="agents", name="coder-0", gpus=("GPU-1",)),)
    assert 'pod="coder-0",namespace="agents"' in holding.get("/dcgm/metrics")
    assert 'namespace="agents",node="n1",pod="coder-0"} 1.0' in holding.get("/metrics")


async def test_pods_wait_at_the_ready_socket_until_the_gpus_are_read_back(node):
    node.join()
    await until(node.ready_socket.exists)
    assert await ask(node.ready_socket) != ""
    assert node.ready_socket.stat().st_mode & 0o777 == 0o666

    node.order(1000.0)
    async with asyncio.timeout(20):
        while await ask(node.ready_socket):
            await asyncio.sleep(0.05)
    assert sum(bound_watts(PRODUCT, watts, 700.0) for watts in node.limits()) <= 1000.0


async def test_on_a_node_whose_gpus_cannot_be_written_pods_keep_waiting(node):
    Faults(node.bank.mapping).setters_for(RootOnly.NOBODY)
    node.order(1000.0)
    node.join()
    await until(lambda: node.status() and any(gpu.outcome == "blocked" for gpu in node.status().gpus))

    assert "Permissions" in await ask(node.ready_socket)
    refused = json.loads(node.get("/v1/decisions?about=gpu/GPU-0"))["decisions"]
    assert any("Permissions" in each["why"] for each in refused)


async def test_while_the_api_server_is_away_the_order_freezes_ends_and_the_failsafe_holds(holding):
    holding.order(1000.0, lease=LeaseRef(name="box", duration_seconds=100))
    generation = holding.server.get("PowerNode", "n1")["metadata"]["generation"]
    await until(lambda: holding.status().observed_generation == generation)
    at = holding.limits()
    await holding.server.stop()
    await asyncio.sleep(30 / SPEED)
    assert holding.limits() == at, "a third of a lease later nothing has moved"
    await until(lambda: sum(bound_watts(PRODUCT, watts, 700.0) for watts in holding.limits()) <= 500.0)
    assert holding.status().state is NodeState.ENFORCING, "nobody could be told"

    holding.renewing = False
    await holding.server.start()
    await until(lambda: holding.status().state is NodeState.FAILSAFE)
    holding.renewing = True
    await until(holding.held)
    await until(
        lambda: sum(holding.limits()) > 900.0
    )  # the order holds again; its raises come after what is told


async def test_a_power_node_that_is_deleted_freezes_the_order_until_its_lease_ends(holding):
    at = holding.limits()
    holding.server.remove("PowerNode", "n1")
    await asyncio.sleep(0.5)
    assert holding.limits() == at

    holding.order(900.0)
    await until(lambda: holding.status() and holding.held(900.0))


async def test_a_pod_that_is_replaced_keeps_the_gpus_as_they_are_and_who_has_them(node):
    node.order(1000.0, lease=LeaseRef(name="box", duration_seconds=600))  # a slow machine starts slowly
    node.kubelet.pods = [pod("agents", "coder-0", container(("nvidia.com/gpu", ["GPU-1"])))]
    first = node.join()
    await until(lambda: node.held() and node.status().pods)
    first.send_signal(signal.SIGTERM)
    assert (await asyncio.to_thread(ended, first))[0] == 0
    assert not node.untouched()

    node.kubelet.fault = StatusCode.UNAVAILABLE  # nobody loses his GPU because the next one is not answered
    was, written = node.status().address, len(node.bank.mapping.journal())
    node.join()
    await until(lambda: node.status().address != was and node.held())
    calls = [each.call for each in node.bank.mapping.journal()[written:]]
    assert Call.SET_POWER_LIMIT not in calls
    assert [each.name for each in node.status().pods] == ["coder-0"]


async def test_gateways_are_found_by_the_name_of_their_service(node):
    asked: list[str] = []

    async def replicas(request: web.Request) -> web.Response:
        asked.append(request.query["node"])
        return web.json_response({"replicas": []})

    app = web.Application()
    app.router.add_get("/v1/replicas", replicas)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    node.order(1000.0)
    node.join(f"--gateway-service=localhost:{runner.addresses[0][1]}")
    await until(lambda: len(asked) >= 3)
    await runner.cleanup()

    assert set(asked) == {"n1"}


async def test_outside_a_pod_it_says_what_is_missing(node):
    agent = node.start("--cluster", "--ready-socket=", "--pod-resources=")
    code, said = await asyncio.to_thread(ended, agent)

    assert code == 3
    assert "KUBERNETES_SERVICE_HOST is not set" in said
    assert "Traceback" not in said


async def test_when_the_gpu_operator_takes_the_driver_away_the_node_is_released_until_it_is_back(holding):
    def labelled(value: str) -> None:
        labels = {"nvidia.com/gpu.deploy.device-plugin": value}
        holding.server.put({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1", "labels": labels}})

    labelled("paused-for-driver-upgrade")
    await until(lambda: holding.status().state is NodeState.RELEASED)
    assert holding.status().reason.startswith("DriverUpgrade: nvidia.com/gpu.deploy.device-plugin is paused")
    assert (await ask(holding.ready_socket)).startswith("DriverUpgrade")
    assert sorted(children(holding.agents[0].pid)) == ["network_process"]

    faults = Faults(holding.bank.mapping)
    faults.unload_driver()
    labelled("true")
    await until(lambda: holding.status().state is NodeState.WAITING_FOR_DRIVER)
    faults.load_driver()
    await until(holding.held)


async def test_in_a_container_whose_library_is_not_the_drivers_the_agent_ends_so_that_a_new_one_is_made(node):
    node.order(1000.0)
    agent = node.join()
    await until(node.held)
    faults = Faults(node.bank.mapping)
    faults.set(Call.INIT, code=18)
    faults.reload_driver(handles_live=False)
    code, said = await asyncio.to_thread(ended, agent)

    assert code == 75
    assert "a new one is needed" in said
