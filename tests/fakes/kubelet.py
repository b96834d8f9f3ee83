"""The kubelet's PodResources service on a unix socket: a real gRPC server, with messages encoded by protobuf itself.

The fields are those of k8s.io/kubelet/pkg/apis/podresources/v1/api.proto, as a descriptor instead of generated code.
"""

from collections.abc import Iterable
from pathlib import Path

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

FIELDS = {
    "CDIDevice": (("name", 1, "string"),),
    "ClaimResource": (
        ("cdi_devices", 1, "CDIDevice*"),
        ("driver_name", 2, "string"),
        ("pool_name", 3, "string"),
        ("device_name", 4, "string"),
    ),
    "DynamicResource": (
        ("claim_name", 2, "string"),
        ("claim_namespace", 3, "string"),
        ("claim_resources", 4, "ClaimResource*"),
    ),
    "NUMANode": (("ID", 1, "int64"),),
    "TopologyInfo": (("nodes", 1, "NUMANode*"),),
    "ContainerDevices": (
        ("resource_name", 1, "string"),
        ("device_ids", 2, "string*"),
        ("topology", 3, "TopologyInfo"),
    ),
    "ContainerResources": (
        ("name", 1, "string"),
        ("devices", 2, "ContainerDevices*"),
        ("cpu_ids", 3, "int64*"),
        ("dynamic_resources", 5, "DynamicResource*"),
    ),
    "PodResources": (
        ("name", 1, "string"),
        ("namespace", 2, "string"),
        ("containers", 3, "ContainerResources*"),
    ),
    "ListPodResourcesResponse": (("pod_resources", 1, "PodResources*"),),
}


def _classes() -> dict[str, type]:
    field = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="podresources.proto", package="v1", syntax="proto3")
    for name, fields in FIELDS.items():
        message = file.message_type.add(name=name)
        for field_name, number, kind in fields:
            made = message.field.add(name=field_name, number=number)
            made.label = field.LABEL_REPEATED if kind.endswith("*") else field.LABEL_OPTIONAL
            plain = kind.rstrip("*")
            if plain in FIELDS:
                made.type, made.type_name = field.TYPE_MESSAGE, f".v1.{plain}"
            else:
                made.type = field.TYPE_STRING if plain == "string" else field.TYPE_INT64
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"v1.{name}")) for name in FIELDS
    }


V1 = _classes()
"""Message classes by name."""


def container(*devices: tuple[str, Iterable[str]], claims: Iterable[dict] = ()) -> object:
    """A container with device plugin devices, and the claim resources of one claim."""
    return V1["ContainerResources"](
        name="c",
        cpu_ids=[0, 1, 300],
        devices=[
            V1["ContainerDevices"](
                resource_name=resource,
                device_ids=list(ids),
                topology=V1["TopologyInfo"](nodes=[V1["NUMANode"](ID=-1)]),
            )
            for resource, ids in devices
        ],
        dynamic_resources=[
            V1["DynamicResource"](
                claim_name="claim",
                claim_namespace="ns",
                claim_resources=[
                    V1["ClaimResource"](
                        cdi_devices=[V1["CDIDevice"](name=each) for each in claim.get("cdi", ())],
                        driver_name=claim["driver"],
                        pool_name=claim["pool"],
                        device_name=claim["device"],
                    )
                ],
            )
            for claim in claims
        ],
    )


def pod(namespace: str, name: str, *containers: object) -> object:
    return V1["PodResources"](namespace=namespace, name=name, containers=list(containers))


class FakeKubelet:
    """Serves the pods that it is given; ``fault`` makes it answer with a status instead."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.pods: list[object] = []
        self.fault: grpc.StatusCode | None = None
        self.asked = 0
        self._server: grpc.aio.Server | None = None

    async def __aenter__(self) -> "FakeKubelet":
        self._server = grpc.aio.server()
        answer = grpc.unary_unary_rpc_method_handler(self._list)
        self._server.add_generic_rpc_handlers(
            [grpc.method_handlers_generic_handler("v1.PodResourcesLister", {"List": answer})]
        )
        self._server.add_insecure_port(f"unix:{self.path}")
        await self._server.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        await self._server.stop(None)

    async def _list(self, request: bytes, context) -> bytes:
        assert request == b""
        self.asked += 1
        if self.fault is not None:
            await context.abort(self.fault, "told to: 100 % full")
        return V1["ListPodResourcesResponse"](pod_resources=self.pods).SerializeToString()
