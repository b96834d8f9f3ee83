"""What the kubelet says each pod has: its PodResources service, version 1, over a unix socket of the node.

Message and field numbers are those of k8s.io/kubelet/pkg/apis/podresources/v1/api.proto.
"""

from functools import lru_cache
from pathlib import Path

from wattline.model.errors import BackendError
from wattline_agent.grpc_unix import RpcError, unary
from wattline_agent.pods import Claimed, Plugged, PodDevices
from wattline_agent.protobuf import messages, strings
from wattline_agent.settings import DEFAULTS

LIST = "/v1.PodResourcesLister/List"


async def ask(
    path: Path, timeout_seconds: float = DEFAULTS.kubelet_hang_wall_seconds
) -> tuple[PodDevices, ...]:
    """Ask the kubelet for every pod of the node; raise BackendError if it does not answer as it should."""
    try:
        return decode(await unary(path, LIST, b"", timeout_seconds=timeout_seconds))
    except (OSError, RpcError, ValueError) as error:
        raise BackendError(f"kubelet at {path}: {error}") from error


@lru_cache(maxsize=1)
def decode(answer: bytes) -> tuple[PodDevices, ...]:
    """Return what a ListPodResourcesResponse says; raise ValueError if it is none. The kubelet mostly repeats itself."""
    return tuple(_pod(each) for each in messages(answer, 1))


def _pod(message: bytes) -> PodDevices:
    devices: list[Plugged | Claimed] = []
    for container in messages(message, 3):
        for plugged in messages(container, 2):
            resource = "".join(strings(plugged, 1))
            devices += [Plugged(resource, name) for name in strings(plugged, 2)]
        for dynamic in messages(container, 5):
            devices += [_claimed(each) for each in messages(dynamic, 4)]
    return PodDevices("".join(strings(message, 2)), "".join(strings(message, 1)), tuple(devices))


def _claimed(message: bytes) -> Claimed:
    return Claimed(
        driver="".join(strings(message, 2)),
        pool="".join(strings(message, 3)),
        name="".join(strings(message, 4)),
        cdi=tuple("".join(strings(each, 1)) for each in messages(message, 1)),
    )
