"""From the kubelet's words for devices to UUIDs: what can be mapped is, and the rest is told and never guessed."""

import pytest

from wattline.api.powernode import PodGpus
from wattline_agent.pods import Claimed, Kinds, Plugged, PodDevices, mapped

KNOWN = {"GPU-aaaa": "GPU-aaaa", "GPU-bbbb": "GPU-bbbb", "GPU-bbb": "GPU-bbb", "MIG-1111": "GPU-aaaa"}
KINDS = Kinds(("nvidia.com/gpu", "nvidia.com/gpu.shared", "nvidia.com/mig-*"), ("gpu.nvidia.com",))
SLICES = {("gpu.nvidia.com", "n1", "gpu-0"): "GPU-aaaa", ("gpu.nvidia.com", "n1", "gpu-9"): "GPU-elsewhere"}


def claimed(name: str, *cdi: str, driver: str = "gpu.nvidia.com") -> Claimed:
    return Claimed(driver, "n1", name, cdi)


@pytest.mark.parametrize(
    ("device", "want"),
    [
        pytest.param(Plugged("nvidia.com/gpu", "GPU-aaaa"), "GPU-aaaa", id="a device plugin says the UUID"),
        pytest.param(
            Plugged("nvidia.com/gpu.shared", "GPU-aaaa::3"), "GPU-aaaa", id="one share of a GPU is that GPU"
        ),
        pytest.param(Plugged("nvidia.com/gpu", "MIG-1111"), "GPU-aaaa", id="a part of a GPU is that GPU"),
        pytest.param(
            Plugged("nvidia.com/mig-1g.10gb", "MIG-1111::2"),
            "GPU-aaaa",
            id="a share of a part, under its own name",
        ),
        pytest.param(
            Plugged("nvidia.com/gpu", "MIG-GPU-bbbb/1/0"),
            "GPU-bbbb",
            id="an old driver names a part by its GPU",
        ),
        pytest.param(claimed("gpu-0"), "GPU-aaaa", id="a driver that publishes UUIDs in its slice"),
        pytest.param(
            claimed("mig-1", "k8s/claim=MIG-1111"), "GPU-aaaa", id="the CDI name of a part has its UUID"
        ),
        pytest.param(
            claimed("gpu-1", "k8s.gpu.nvidia.com/claim=8d1c-gpu-bbbb"), "GPU-bbbb", id="the CDI name has it"
        ),
        pytest.param(
            claimed("gpu-bbb", driver="gpu.other.example"), "GPU-bbb", id="the device's name is the UUID"
        ),
    ],
)
def test_a_device_that_leads_to_a_gpu(device, want):
    seen = mapped([PodDevices("agents", "coder-0", (device,))], KNOWN, KINDS, SLICES)

    assert seen.pods == (PodGpus(namespace="agents", name="coder-0", gpus=(want,)),)
    assert seen.unmapped == ()


@pytest.mark.parametrize(
    ("device", "words"),
    [
        pytest.param(
            Plugged("nvidia.com/gpu", "MIG-1234"), "nvidia.com/gpu MIG-1234", id="a part that no GPU here has"
        ),
        pytest.param(
            Plugged("nvidia.com/gpu", "MIG-GPU-gone/1/0"),
            "nvidia.com/gpu MIG-GPU-gone/1/0",
            id="a part of no GPU here",
        ),
        pytest.param(Plugged("nvidia.com/gpu", "GPU-gone"), "nvidia.com/gpu GPU-gone", id="a GPU not shown"),
        pytest.param(claimed("gpu-7"), "gpu.nvidia.com device gpu-7 of pool n1", id="nothing published"),
        pytest.param(claimed("gpu-9"), "gpu.nvidia.com device gpu-9 of pool n1", id="another node's GPU"),
        pytest.param(
            claimed("gpu-2", "k8s/x=GPU-aaaa-and-GPU-bbbb"),
            "gpu.nvidia.com device gpu-2 of pool n1",
            id="a name with two UUIDs says neither",
        ),
    ],
)
def test_a_device_that_should_be_a_gpu_and_leads_to_none_is_told(device, words):
    seen = mapped([PodDevices("agents", "coder-0", (device,))], KNOWN, KINDS, SLICES)

    assert seen.pods == ()
    assert seen.unmapped == (f"agents/coder-0 has {words}, which is no GPU of this node",)


@pytest.mark.parametrize(
    "device",
    [
        pytest.param(Plugged("example.com/nic", "nic-0"), id="another resource"),
        pytest.param(Plugged("example.com/nic", "GPU-aaaa"), id="another resource with a GPU's name"),
        pytest.param(claimed("nic-0", driver="nic.example.com"), id="another driver"),
    ],
)
def test_what_is_no_gpu_is_nobodys_business(device):
    seen = mapped([PodDevices("agents", "coder-0", (device,))], KNOWN, KINDS, SLICES)

    assert (seen.pods, seen.unmapped) == ((), ())


def test_pods_are_in_order_and_have_each_gpu_once():
    two = (Plugged("nvidia.com/gpu", "GPU-bbbb"), Plugged("nvidia.com/gpu", "GPU-aaaa"), claimed("gpu-0"))
    seen = mapped(
        [PodDevices("b", "x", two), PodDevices("a", "z", two[:1]), PodDevices("a", "y")], KNOWN, KINDS, SLICES
    )

    assert [(pod.namespace, pod.name, pod.gpus) for pod in seen.pods] == [
        ("a", "z", ("GPU-bbbb",)),
        ("b", "x", ("GPU-aaaa", "GPU-bbbb")),
    ]
