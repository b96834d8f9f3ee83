"""Which pod has which GPU, followed over a real socket: what is not said now stays, and what cannot be mapped is told."""

import asyncio
from contextlib import asynccontextmanager

import grpc
from tests.fakes.kubelet import FakeKubelet, container, pod
from tests.waiting import beside, until

from wattline.doors.clock import BootClock
from wattline.model.errors import ClusterError
from wattline_agent.kubelet import Kubelet
from wattline_agent.pods import Kinds

FAST = BootClock(100.0)
KINDS = Kinds(("nvidia.com/gpu",), ("gpu.nvidia.com",))


@asynccontextmanager
async def following(path, known, read_slices=None):
    kubelet = Kubelet(path, KINDS, FAST, lambda: known, read_slices)
    async with beside(kubelet.follow()):
        yield kubelet


def has(kubelet) -> dict[str, tuple[str, ...]]:
    return {} if kubelet.seen is None else {each.name: each.gpus for each in kubelet.seen.pods}


async def test_pods_are_followed_as_they_come_and_go(tmp_path):
    async with (
        FakeKubelet(tmp_path / "k") as server,
        following(tmp_path / "k", {"GPU-0": "GPU-0"}) as kubelet,
    ):
        server.pods = [pod("a", "one", container(("nvidia.com/gpu", ["GPU-0"])))]
        await until(lambda: has(kubelet) == {"one": ("GPU-0",)})
        server.pods = [pod("a", "two", container(("nvidia.com/gpu", ["GPU-0"])))]
        await until(lambda: has(kubelet) == {"two": ("GPU-0",)})
        server.pods = []
        await until(lambda: has(kubelet) == {})


async def test_while_the_kubelet_does_not_answer_what_it_said_stays(tmp_path, caplog):
    async with (
        FakeKubelet(tmp_path / "k") as server,
        following(tmp_path / "k", {"GPU-0": "GPU-0"}) as kubelet,
    ):
        server.pods = [pod("a", "one", container(("nvidia.com/gpu", ["GPU-0"])))]
        await until(lambda: has(kubelet))
        server.fault, asked = grpc.StatusCode.UNAVAILABLE, server.asked
        await until(lambda: server.asked >= asked + 3)

        assert has(kubelet) == {"one": ("GPU-0",)}
        assert caplog.text.count("gRPC status 14") == 1


async def test_before_the_gpus_are_known_nobody_is_asked(tmp_path):
    known: dict[str, str] = {}
    async with FakeKubelet(tmp_path / "k") as server, following(tmp_path / "k", known) as kubelet:
        server.pods = [pod("a", "one", container(("nvidia.com/gpu", ["GPU-0"])))]
        await asyncio.sleep(0.1)
        assert server.asked == 0
        known["GPU-0"] = "GPU-0"
        await until(lambda: has(kubelet))


async def test_slices_are_read_when_a_claimed_device_is_not_known_and_not_at_every_look(tmp_path):
    read: list[float] = []

    async def slices():
        read.append(FAST.now())
        if len(read) == 1:
            raise ClusterError("away")
        return {("gpu.nvidia.com", "n1", "gpu-3"): "GPU-0"}

    claim = {"driver": "gpu.nvidia.com", "pool": "n1", "device": "gpu-3"}
    async with (
        FakeKubelet(tmp_path / "k") as server,
        following(tmp_path / "k", {"GPU-0": "GPU-0"}, slices) as kubelet,
    ):
        server.pods = [pod("a", "plain", container(("nvidia.com/gpu", ["GPU-0"])))]
        await until(lambda: has(kubelet))
        assert read == []

        server.pods = [pod("a", "dra", container(claims=[claim]))]
        await until(lambda: has(kubelet) == {"dra": ("GPU-0",)})
        asked = server.asked
        await until(lambda: server.asked >= asked + 5)

        assert len(read) == 2
        assert read[1] - read[0] >= 30.0


async def test_a_device_that_leads_to_no_gpu_is_told_once(tmp_path, caplog):
    async with (
        FakeKubelet(tmp_path / "k") as server,
        following(tmp_path / "k", {"GPU-0": "GPU-0"}) as kubelet,
    ):
        server.pods = [pod("a", "mig", container(("nvidia.com/gpu", ["MIG-7"])))]
        await until(lambda: server.asked >= 4)

        assert kubelet.seen.unmapped == ("a/mig has nvidia.com/gpu MIG-7, which is no GPU of this node",)
        assert caplog.text.count("MIG-7") == 1
