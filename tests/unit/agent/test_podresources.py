"""The kubelet's socket: our own client against a real gRPC server."""

import asyncio
from contextlib import suppress

import grpc
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.fakes.kubelet import FakeKubelet, container, pod

from wattline.model.errors import BackendError
from wattline_agent.grpc_unix import LARGEST_BYTES, RpcError, unary
from wattline_agent.podresources import LIST, ask, decode
from wattline_agent.pods import Claimed, Plugged, PodDevices
from wattline_agent.protobuf import fields


async def test_pods_with_plugged_and_claimed_devices_are_read(tmp_path):
    async with FakeKubelet(tmp_path / "k") as kubelet:
        kubelet.pods = [
            pod("agents", "coder-0", container(("nvidia.com/gpu", ["GPU-0", "GPU-1"])), container()),
            pod(
                "agents",
                "dra-ü",
                container(
                    claims=[
                        {"driver": "gpu.nvidia.com", "pool": "n1", "device": "gpu-3", "cdi": ["k8s/gpu=x"]}
                    ]
                ),
            ),
            pod("kube-system", "dns"),
        ]
        seen = await ask(tmp_path / "k")

    assert seen == (
        PodDevices(
            "agents", "coder-0", (Plugged("nvidia.com/gpu", "GPU-0"), Plugged("nvidia.com/gpu", "GPU-1"))
        ),
        PodDevices("agents", "dra-ü", (Claimed("gpu.nvidia.com", "n1", "gpu-3", ("k8s/gpu=x",)),)),
        PodDevices("kube-system", "dns"),
    )


async def test_an_answer_of_a_megabyte_arrives_whole(tmp_path):
    """More than the flow control window of HTTP/2, which opens only as we take in what came."""
    async with FakeKubelet(tmp_path / "k") as kubelet:
        kubelet.pods = [
            pod("agents", f"pod-{i}", container(("nvidia.com/gpu", [f"GPU-{j:036}" for j in range(8)])))
            for i in range(3000)
        ]
        seen = await ask(tmp_path / "k")

    assert len(seen) == 3000
    assert all(len(each.devices) == 8 for each in seen)


async def test_no_pods_is_an_answer(tmp_path):
    async with FakeKubelet(tmp_path / "k"):
        assert await ask(tmp_path / "k") == ()


async def test_a_refusal_is_told_with_its_status_and_words(tmp_path):
    async with FakeKubelet(tmp_path / "k") as kubelet:
        kubelet.fault = grpc.StatusCode.RESOURCE_EXHAUSTED
        with pytest.raises(BackendError, match="gRPC status 8: told to: 100 % full"):
            await ask(tmp_path / "k")


async def test_a_method_that_is_not_there_is_told(tmp_path):
    async with FakeKubelet(tmp_path / "k"):
        with pytest.raises(RpcError, match="gRPC status 12"):
            await unary(tmp_path / "k", "/v1.PodResourcesLister/Other", b"", timeout_seconds=5)


async def test_without_a_kubelet_it_says_so(tmp_path):
    with pytest.raises(BackendError, match="No such file"):
        await ask(tmp_path / "k")


@pytest.mark.parametrize(
    ("said", "words"),
    [
        pytest.param(b"", "closed the connection", id="nothing"),
        pytest.param(b"HTTP/1.1 400 Bad Request\r\n\r\n", "closed the connection", id="HTTP/1.1"),
        pytest.param(bytes(9), "not HTTP/2", id="a frame that may not be"),
    ],
)
async def test_a_server_of_another_kind_is_told(tmp_path, said, words):
    async def answer(reader, writer):
        await reader.read(10)
        writer.write(said)
        writer.close()

    async with await asyncio.start_unix_server(answer, tmp_path / "k"):
        with pytest.raises(RpcError, match=words):
            await unary(tmp_path / "k", LIST, b"", timeout_seconds=5)


async def test_a_server_that_hangs_is_given_up(tmp_path):
    async def never(reader, writer):
        await reader.read()
        writer.close()

    async with await asyncio.start_unix_server(never, tmp_path / "k"):
        with pytest.raises(RpcError, match="no answer within"):
            await unary(tmp_path / "k", LIST, b"", timeout_seconds=0.1)


@pytest.mark.parametrize(
    "message",
    [
        pytest.param(b"\x0a\x05abc", id="a string that is cut off"),
        pytest.param(b"\x0a", id="a length that is missing"),
        pytest.param(b"\x08" + b"\xff" * 10, id="a number without an end"),
        pytest.param(b"\x0b", id="a wire type that is gone since version 2"),
        pytest.param(b"\x09\x01", id="eight bytes of which seven are missing"),
    ],
)
def test_what_is_no_message_is_refused(message):
    with pytest.raises(ValueError, match=r"field|number"):
        tuple(fields(message))


@given(st.binary(max_size=200))
def test_whatever_arrives_is_read_or_refused(message):
    with suppress(ValueError):
        decode(message)


def test_what_we_do_not_know_is_passed_over():
    assert tuple(fields(b"\x08\x96\x01\x11abcdefgh\x1d1234\x22\x02hi")) == (
        (1, 150),
        (2, b"abcdefgh"),
        (3, b"1234"),
        (4, b"hi"),
    )
    assert decode(b"\x10\x01") == ()


def test_the_largest_answer_is_the_kubelets_own():
    assert LARGEST_BYTES == 16 * 1024 * 1024
