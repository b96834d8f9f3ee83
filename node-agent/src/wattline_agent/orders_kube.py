"""Orders from the Kubernetes API server: a watch of this node's PowerNode and of its domain's Lease.

While the server is away both stay as last seen. A lease that is not seen to change is not renewed, so that the order
ends and the failsafe begins, as on a box. Nothing but this node's status is ever written.
"""

import asyncio
import contextlib
import logging
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import TypeAdapter, ValidationError

from wattline.api.powernode import PodGpus, PowerNodeSpec, PowerNodeStatus
from wattline.doors.clock import Clock
from wattline.doors.kube.cache import Cache
from wattline.doors.kube.client import Kube
from wattline.doors.kube.errors import NotFound
from wattline.doors.kube.resources import LEASES, POWER_NODES, Json, Resource
from wattline.model.names import DOMAIN_LEASE
from wattline_agent.messages import LeaseSeen, OrderSeen
from wattline_agent.pods import Slices
from wattline_agent.settings import DEFAULTS, Settings

log = logging.getLogger("wattline-node-agent")

MANAGER = "wattline-node-agent"
"""Field manager of the status."""
SLICES = Resource("resource.k8s.io/v1", "ResourceSlice", "resourceslices", namespaced=False)
PODS = TypeAdapter(tuple[PodGpus, ...])
BEGIN = datetime(1970, 1, 1, tzinfo=UTC)


class KubeOrders:
    """The PowerNode ``node`` and the Lease it names, in ``namespace``."""

    def __init__(
        self, kube: Kube, node: str, namespace: str, clock: Clock, settings: Settings = DEFAULTS
    ) -> None:
        self._settings = settings
        self._kube = kube
        self._node = node
        self._namespace = namespace
        self._clock = clock
        self._stirred = asyncio.Event()
        """Set when the order or the lease is another one, for ``follow``."""
        self.changed = asyncio.Event()
        self._nodes = Cache(
            kube,
            POWER_NODES,
            self._read,
            clock,
            fields=f"metadata.name={node}",
            on_change=lambda *_: self._stir(),
            on_synced=self._stir,
        )
        self._leases: Cache[LeaseSeen] | None = None
        self._lease_name = ""
        self._last: OrderSeen | None = None
        """The last order that could be understood."""
        self._complaints: dict[str, str] = {}
        self.pods: tuple[PodGpus, ...] = ()
        self.told: PowerNodeStatus | None = None

    @property
    def looked(self) -> bool:
        """Return whether the server has told what stands there."""
        return self._nodes.synced

    @property
    def order(self) -> OrderSeen | None:
        """Return the order; an object of ours that is not there is no order."""
        if not self._nodes.synced:
            return None
        return self._last if self._node in self._nodes.items else OrderSeen()

    @property
    def lease(self) -> LeaseSeen | None:
        """Return the order's lease."""
        if self._leases is None:
            return None
        return self._leases.items.get(f"{self._namespace}/{DOMAIN_LEASE}{self._lease_name}")

    async def follow(self) -> None:
        """Watch both until cancelled; another lease as soon as the order names another.

        A connection can die without a word, and a watch notices that only after its longest silence, which is longer
        than an order lives. So both watches are opened anew whenever the lease has not changed for a while.
        """
        async with asyncio.TaskGroup() as group:
            node = group.create_task(self._nodes.run())
            lease: asyncio.Task[None] | None = None
            last, opened_at = self.lease, self._clock.now()
            while True:
                now = self._clock.now()
                if self.lease != last:
                    last, opened_at = self.lease, now
                silent = now - opened_at >= self._settings.lease_silence_seconds
                if silent:
                    opened_at = now
                    node.cancel()
                    node = group.create_task(self._nodes.run())
                if (self._turned() or silent) and self._leases is not None:
                    if lease is not None:
                        lease.cancel()
                    lease = group.create_task(self._leases.run())
                self._complain("the watch of the order", self._nodes.problem)
                self._stirred.clear()
                await self._clock.sleep_until(now + self._settings.look_seconds, or_set=self._stirred)

    async def report(self, status: PowerNodeStatus) -> None:
        """Apply the status of our own node; nothing to do while the object is not there."""
        try:
            await self._kube.apply(
                POWER_NODES,
                {
                    "apiVersion": POWER_NODES.api_version,
                    "kind": POWER_NODES.kind,
                    "metadata": {"name": self._node},
                    "status": status.model_dump(mode="json", by_alias=True, exclude_none=True),
                },
                "status",
            )
        except NotFound:
            if self._node in self._nodes.items:  # it has just been made, or is just going
                raise

    def _turned(self) -> bool:
        """Turn to the lease that the order names; say whether that is another one."""
        order = self.order
        name = "" if order is None or order.spec is None else order.spec.lease.name
        if not name or name == self._lease_name:
            return False
        self._lease_name = name
        self._leases = Cache(
            self._kube,
            LEASES,
            lambda raw: seen(name, raw),
            self._clock,
            namespace=self._namespace,
            fields=f"metadata.name={DOMAIN_LEASE}{name}",
            on_change=lambda *_: self._stir(),
            on_synced=self._stir,
        )
        return True

    def _stir(self) -> None:
        self._stirred.set()
        self.changed.set()

    def _read(self, raw: Json) -> OrderSeen | str:
        """Keep what a PowerNode orders, or why it cannot be understood; the last that could be stays."""
        meta = raw["metadata"]
        with contextlib.suppress(ValidationError):  # somebody else's status is not worth a word
            self.pods = PODS.validate_python(raw.get("status", {}).get("pods", ()))
        if self.told is None and raw.get("status"):
            with contextlib.suppress(ValidationError):  # it is replaced by the first of ours
                self.told = PowerNodeStatus.model_validate(raw["status"])
        try:
            spec = PowerNodeSpec.model_validate(raw.get("spec"))
        except ValidationError as error:
            self._complain("the order", f"{self._node}: not a PowerNode: {error.errors()[0]['msg']}")
            return str(meta["resourceVersion"])
        self._complain("the order", "")
        self._last = OrderSeen(uid=meta["uid"], generation=meta["generation"], spec=spec)
        return self._last

    def _complain(self, of: str, what: str) -> None:
        if what and self._complaints.get(of) != what:
            log.warning("%s: %s; the last order stays", of, what)
        self._complaints[of] = what


def seen(name: str, raw: Mapping[str, Any]) -> LeaseSeen | None:
    """Return what a Lease says: every renewal has another time, the transitions count the leaders."""
    spec = raw.get("spec") or {}
    if not spec.get("renewTime"):
        return None
    renewed = datetime.fromisoformat(spec["renewTime"])
    return LeaseSeen(
        name=name,
        renewals=(renewed - BEGIN) // timedelta(microseconds=1),
        epoch=int(spec.get("leaseTransitions") or 0),
    )


async def published(kube: Kube, node: str) -> Slices:
    """Return the UUIDs that DRA drivers publish for the devices of a node; raise ClusterError."""
    try:
        things, _ = await kube.all(SLICES, fields=f"spec.nodeName={node}")
    except NotFound:  # a cluster without dynamic resource allocation
        return {}
    return {
        (spec["driver"], spec["pool"]["name"], device["name"]): uuid
        for spec in (thing["spec"] for thing in things)
        for device in spec.get("devices", ())
        if (uuid := _uuid(device.get("attributes", {}))) is not None
    }


def _uuid(attributes: Mapping[str, Any]) -> str | None:
    """Return the UUID of the whole GPU, also where the driver puts its domain in front; NVIDIA's names both."""
    plain = {key.rpartition("/")[2]: value.get("string") for key, value in attributes.items()}
    uuid = plain.get("parentUUID") or plain.get("uuid")
    return None if uuid is None else str(uuid)
