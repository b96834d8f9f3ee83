"""One node for the agent's bench: GPUs with physics on the fake driver, and all that an agent speaks to in a cluster.

API server, kubelet, gateway and engines are real sockets in this process; the agent is three real processes. Byte code
is compiled before anything is measured, as the image has it.
"""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from itertools import groupby
from math import sin
from pathlib import Path

from aiohttp import ClientSession, web
from tests.fakes.apiserver import FakeApiServer
from tests.fakes.kubelet import FakeKubelet, container, pod

from wattline.api.powernode import GpuOrder, LeaseRef, PowerNodeSpec, ReplicaOrder
from wattline.fake.nvml import MAPPING_VARIABLE, Call, Faults, GpuBank
from wattline.world.gpu import PRODUCTS, Gpu
from wattline.world.load import Load

PRODUCT = PRODUCTS["h100"]
DECODE = Load(memory_seconds=1.0, compute_seconds=0.6, memory_watts=220.0, compute_watts=180.0)
STEP_SECONDS = 0.1
FIRST_LEASE_SECONDS, LEASE_SECONDS = 0.1, 15.0
"""Between renewals: until the first was seen, and as the operator renews them."""
SLOW_SECONDS = (0.05, 0.3)
SAMPLED_SECONDS = 0.025
CALM_CELSIUS = 40.0
READS = {Call.FIELD_VALUES, Call.POWER_LIMIT, Call.POWER_LIMIT_ENFORCED}
METRICS = (
    "vllm:num_requests_running 6\nvllm:num_requests_waiting 0\nvllm:prompt_tokens_total {prompt}\n"
    "vllm:generation_tokens_total {tokens}\nvllm:prefix_cache_hits_total {cached}\n"
    'vllm:cache_config_info{{block_size="16",num_gpu_blocks="25000"}} 1\n'
)


def boot():
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Heated(Gpu):
    """A GPU whose margin can be set, so that a crossing has one moment."""

    pinned_margin = None

    @property
    def margin_celsius(self):
        return super().margin_celsius if self.pinned_margin is None else self.pinned_margin

    @property
    def celsius(self):
        return (
            self._physical_celsius
            if self.pinned_margin is None
            else self.product.slowdown_celsius - self.pinned_margin
        )

    @celsius.setter
    def celsius(self, celsius):
        self._physical_celsius = celsius


class Node:
    """The machine, its world, and the agents that were started on it."""

    def __init__(
        self, folder, library, gpus=8, *, slow=False, watts_per_gpu=600.0, lease_seconds=FIRST_LEASE_SECONDS
    ):
        self.folder, self.library, self.slow = Path(folder), library, slow
        self.folder.mkdir(parents=True)
        self.uuids = [f"GPU-{index:02d}" for index in range(gpus)]
        self.watts, self.lease_seconds = watts_per_gpu * gpus, lease_seconds
        self.gpus = []
        self.agent = None
        self.server = FakeApiServer()
        self.kubelet = FakeKubelet(self.folder / "kubelet.sock")

    async def __aenter__(self):
        self.power_on()
        self._stack = contextlib.AsyncExitStack()
        await self._stack.enter_async_context(self.server)
        await self._stack.enter_async_context(self.kubelet)
        self.http = await self._stack.enter_async_context(ClientSession())
        self.url = await self._engines()
        self.kubelet.pods = [
            pod("default", f"engine-{uuid.lower()}", container(("nvidia.com/gpu", [uuid])))
            for uuid in self.uuids
        ]
        self.order()
        self.renewals = 0
        self.renew()
        self._work = [
            asyncio.create_task(each) for each in (self._world(), self._renewing(), self._readers())
        ]
        return self

    async def __aexit__(self, *_):
        await self.stop()
        for task in self._work:
            task.cancel()
        await asyncio.gather(*self._work, return_exceptions=True)
        await self._stack.aclose()

    # -- the machine -------------------------------------------------------------------------------------------

    def power_on(self):
        """Switch the machine on, or off and on again: settings are the device's own."""
        sampled = {"sampled_seconds": SAMPLED_SECONDS} if self.slow else {}
        self.gpus = [Heated(PRODUCT, uuid, at_seconds=boot(), **sampled) for uuid in self.uuids]
        self.bank = GpuBank.create(self.folder / "node.gpus", self.gpus)
        if self.slow:
            faults = Faults(self.bank.mapping)
            faults.setters_take(*SLOW_SECONDS)
            faults.one_lock(on=True)

    async def _world(self):
        while True:
            self.bank.pull()
            now = boot()
            for gpu in self.gpus:
                gpu.advance(now, DECODE)
            self.bank.publish()
            await asyncio.sleep(STEP_SECONDS)

    def limit(self, index):
        return self.bank.mapping.settings(index).asked_watts

    # -- what the agent speaks to ------------------------------------------------------------------------------

    def order(self, **changes):
        spec = PowerNodeSpec(
            **{
                "epoch": 1,
                "lease": LeaseRef(name="bench", duration_seconds=60),
                "enforce": True,
                "budget_watts": self.watts,
                "highest_sent_watts": self.watts,
                "failsafe_watts": self.watts / 2,
                "gpus": tuple(GpuOrder(uuid=uuid, group=uuid) for uuid in self.uuids),
                "replicas": tuple(
                    ReplicaOrder(
                        pool="default/coder",
                        name=uuid,
                        url=f"{self.url}/{index}",
                        gpus=(uuid,),
                        tokens_per_second_per_agent_p5=20,
                    )
                    for index, uuid in enumerate(self.uuids)
                ),
            }
            | changes
        )
        self.server.put(
            {
                "apiVersion": "wattline.dev/v1alpha1",
                "kind": "PowerNode",
                "metadata": {"name": "n1"},
                "spec": spec.model_dump(mode="json", by_alias=True),
            }
        )

    def renew(self):
        self.renewals += 1
        spec = {
            "renewTime": f"2026-01-01T00:00:00.{self.renewals:06d}Z",
            "leaseTransitions": 1,
            "holderIdentity": "bench",
        }
        meta = {"name": "wattline-domain-bench", "namespace": "wattline-system"}
        self.server.put(
            {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": meta, "spec": spec}
        )

    async def _renewing(self):
        while True:
            await asyncio.sleep(self.lease_seconds)
            self.renew()

    async def _readers(self):
        """Ask as a gateway (every second) and Prometheus (every fifteen) do."""
        for turn in range(1 << 30):
            await asyncio.sleep(1.0)
            address = self.status().get("address")
            with contextlib.suppress(Exception):
                for path in ("/v1/gpus", "/metrics") if turn % 15 == 0 else ("/v1/gpus",):
                    async with self.http.get(f"{address}{path}") as answer:
                        await answer.read()

    async def _engines(self):
        async def metrics(request):
            now = boot() + 7.0 * int(request.match_info["index"])
            return web.Response(
                text=METRICS.format(prompt=now * 900, tokens=now * (180 + 40 * sin(now)), cached=now * 800)
            )

        async def replicas(_):
            now = boot()
            each = [
                {
                    "pool": "default/coder",
                    "name": uuid,
                    "residentTokens": int(150_000 + 60_000 * sin(now / 11 + index)),
                    "capacityTokens": 400_000,
                    "slowestAgentTokensPerSecond": 28 + 6 * sin(now / 17 + 2 * index),
                    "running": 6,
                    "waiting": 0,
                }
                for index, uuid in enumerate(self.uuids)
            ]
            return web.json_response({"replicas": each})

        application = web.Application()
        application.add_routes([web.get("/{index}/metrics", metrics), web.get("/v1/replicas", replicas)])
        runner = web.AppRunner(application, access_log=None)
        await runner.setup()
        self._stack.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return f"http://127.0.0.1:{runner.addresses[0][1]}"

    # -- the agent ---------------------------------------------------------------------------------------------

    def start(self, *flags):
        """Start an agent as the DaemonSet does; return the boot time of its start."""
        environment = os.environ | {
            "LD_LIBRARY_PATH": str(self.library.parent),
            MAPPING_VARIABLE: str(self.bank.mapping.path),
        }
        command = [
            sys.executable, "-m", "wattline_agent.main", "run", "--node", "n1", "--cluster",
            "--api-server", self.server.url, "--state", self.folder / "state", "--runtime-dir", self.folder / "run",
            "--ready-socket", self.folder / "ready.sock", "--pod-resources", self.kubelet.path,
            "--gateway", self.url, "--listen", "127.0.0.1:0", *flags,
        ]  # fmt: skip
        started = boot()
        with (self.folder / "agent.log").open("a") as log:
            self.agent = subprocess.Popen(list(map(str, command)), env=environment, stderr=log)
        return started

    async def stop(self):
        if self.agent is not None:
            self.agent.send_signal(signal.SIGTERM)
            await asyncio.to_thread(self.agent.wait)
            self.agent = None

    def status(self):
        return self.server.get("PowerNode", "n1").get("status") or {}

    def in_force(self, since):
        """Whether the order is in force by a status written for this boot of the agent."""
        status = self.status()
        gpus = status.get("gpus", [])
        return status.get("state") == "Enforcing" and bool(gpus) and gpus[0]["readAtSeconds"] > since

    def pids(self):
        """Return the agent's processes by their part."""
        parts = {"supervisor": self.agent.pid}
        for pid in children(self.agent.pid):
            words = Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")
            parts |= {
                word.rpartition(".")[2].partition("_")[0]: pid
                for word in words
                if word.startswith("wattline_agent.")
            }
        return parts

    # -- what the driver saw -----------------------------------------------------------------------------------

    def passes(self, since=0.0):
        """Return when each safety pass began and ended, by the driver's record: bursts of reads, all GPUs in order."""
        pid = self.pids()["device"]
        calls = [
            call
            for call in self.bank.mapping.calls()
            if call.pid == pid and call.gpu is not None and call.boot_seconds > since
        ]
        bursts = [
            (gpu, tuple(burst))
            for (gpu, _), burst in groupby(_parted(calls), key=lambda each: (each[1].gpu, each[0]))
        ]
        found = []
        count = len(self.uuids)
        for place in range(len(bursts) - count + 1):
            whole = bursts[place : place + count]
            if [gpu for gpu, _ in whole] == list(range(count)):
                found.append((whole[0][1][0][1].boot_seconds, whole[-1][1][-1][1].boot_seconds))
        return found

    def touches(self):
        """Return every moment at which the device process touched the driver, as far as the record goes."""
        pid = self.pids()["device"]
        touched = (*self.bank.mapping.calls(), *self.bank.mapping.journal())
        return sorted(each.boot_seconds for each in touched if each.pid == pid)

    def read_back(self, index, since):
        """Return when the GPU's limit was first read after ``since``, or none yet."""
        for call in self.bank.mapping.calls():
            if call.gpu == index and call.call in READS and call.boot_seconds > since:
                return call.boot_seconds
        return None


def _parted(calls):
    """Number the calls by pauses of more than 50 ms, which end a pass."""
    number, last = 0, None
    for call in calls:
        number += last is not None and call.boot_seconds - last > 0.05
        last = call.boot_seconds
        yield number, call


def children(pid):
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


async def until(done, seconds=30.0):
    """Wait for something to come true."""
    end = time.monotonic() + seconds
    while not done():
        if time.monotonic() > end:
            raise TimeoutError(f"not within {seconds} s")
        await asyncio.sleep(0.005)
