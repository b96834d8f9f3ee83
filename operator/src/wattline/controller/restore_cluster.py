"""The orders of a cluster, all of them released."""

from dataclasses import dataclass, field

from wattline.api.powerdomain import PowerDomain
from wattline.api.powernode import PowerNode
from wattline.controller.restore import is_back, unpromised
from wattline.doors.clock import Clock
from wattline.doors.kube.client import Kube
from wattline.doors.kube.errors import Away, Conflict, NotFound, Superseded
from wattline.doors.kube.lease import RENEW_SECONDS
from wattline.doors.kube.reads import Stored, stored
from wattline.doors.kube.resources import KNOWN, NODES, POWER_DOMAINS, POWER_NODES, Json
from wattline.doors.kube.takeover import take_over
from wattline.model.names import HELD, LEADER, UNCAPPED

HOLD_SECONDS = 3600
"""How long the operator stays away after a restore that is not followed by its removal."""

ACCOUNT = "wattline-restore"
"""Service account that may write what a restore writes; part of the chart."""

NOTICE_SECONDS = RENEW_SECONDS + 1.0
"""After this long the leader there was has tried to renew, and knows that it leads no more."""

DEPLOYMENTS = KNOWN["apps/v1", "Deployment"]


@dataclass(slots=True)
class ClusterOrders:
    """Orders behind an API server. Restoring takes leadership, so that no operator takes a node back meanwhile."""

    kube: Kube
    clock: Clock
    namespace: str
    """Where the operator lives."""
    holder: str
    """Who we are, in the lease."""
    at: str
    """The time conditions carry."""
    at_micros: str
    """The same as leases carry it."""
    _epoch: int = field(default=0, init=False)

    async def release(self) -> tuple[str, ...]:
        """Lead, call no domain enforced, order every node to put its GPUs back; return the nodes that are held."""
        try:
            nodes, _ = await self.kube.all(POWER_NODES)
        except NotFound:
            return ()  # without our kinds nothing was ever ordered
        self._epoch = await take_over(
            self.kube,
            self.namespace,
            self.holder,
            at=self.at_micros,
            hold_seconds=HOLD_SECONDS,
            above=max((_epoch(node) for node in nodes), default=0),
            owner=await self._owner(),
        )
        await self.clock.sleep_until(self.clock.now() + NOTICE_SECONDS)
        await self._withdraw()
        held = await self._unmark()
        nodes, _ = await self.kube.all(POWER_NODES)
        waiting = []
        for raw in nodes:
            name = raw["metadata"]["name"]
            if name in held or _holds(raw):
                waiting.append(name)
            await self._order(name)
        return tuple(waiting)

    async def restored(self, node: str) -> bool:
        """Whether a node has answered that its GPUs are back; then it no longer carries our label."""
        try:
            return await self._look(node)
        except NotFound:
            return True  # its last answer was that nothing is held: nothing else makes the operator forget a node
        except Away:
            return False  # asked again soon

    async def _look(self, node: str) -> bool:
        now = stored(PowerNode, await self.kube.get(POWER_NODES, node))
        if not isinstance(now, Stored):
            return False
        if now.thing.spec.epoch > self._epoch:
            raise Superseded(
                f"PowerNode {node} carries epoch {now.thing.spec.epoch}: somebody else leads now"
            )
        if now.thing.spec.epoch < self._epoch or not now.thing.spec.release:
            await self._order(node)  # a leader that was stopped wrote once more
            return False
        if not is_back(now.thing, now.thing.status):
            return False
        await self._unlabel(node)
        return True

    async def _order(self, node: str) -> None:
        """Order a release, whatever stands there, read or not."""
        order = {"epoch": self._epoch, "enforce": False, "release": True}
        try:
            await self.kube.merge(POWER_NODES, node, {"spec": order})
        except NotFound:
            return

    async def _withdraw(self) -> None:
        """Call no domain enforced."""
        found, _ = await self.kube.all(POWER_DOMAINS)
        for raw in found:
            domain = stored(PowerDomain, raw)
            if not isinstance(domain, Stored) or domain.thing.status is None:
                continue  # a domain that cannot be read is never called enforced
            status = unpromised(domain.thing, self.at).status
            assert status is not None
            body = status.model_copy(update={"epoch": self._epoch}).model_dump(mode="json", by_alias=True)
            await self.kube.merge(POWER_DOMAINS, raw["metadata"]["name"], {"status": body}, part="status")

    async def _unmark(self) -> set[str]:
        """Take our taint off every node; return the nodes that carry our label."""
        found, _ = await self.kube.all(NODES)
        for raw in found:
            if any(taint["key"] == UNCAPPED for taint in _taints(raw)):
                await self._untaint(raw["metadata"]["name"])
        labels = {raw["metadata"]["name"]: raw["metadata"].get("labels") or {} for raw in found}
        return {name for name, here in labels.items() if here.get(HELD) == "true"}

    async def _untaint(self, node: str) -> None:
        while True:
            raw = await self.kube.get(NODES, node)
            patch = {
                "metadata": {"resourceVersion": raw["metadata"]["resourceVersion"]},
                "spec": {"taints": [taint for taint in _taints(raw) if taint["key"] != UNCAPPED]},
            }
            try:
                await self.kube.merge(NODES, node, patch)
            except Conflict:
                continue
            return

    async def _unlabel(self, node: str) -> None:
        """Take our label off a node."""
        try:
            await self.kube.merge(NODES, node, {"metadata": {"labels": {HELD: None}}})
        except NotFound:
            return  # the machine is gone, its PowerNode not yet

    async def _owner(self) -> Json | None:
        """Return what the operator is installed as."""
        try:
            found = await self.kube.get(DEPLOYMENTS, LEADER, self.namespace)
        except NotFound:
            return None
        return {
            "apiVersion": DEPLOYMENTS.api_version,
            "kind": DEPLOYMENTS.kind,
            "name": LEADER,
            "uid": found["metadata"]["uid"],
        }


def _epoch(node: Json) -> int:
    """Return the newest epoch that an order or its answer speaks of."""
    return max(int((node.get(part) or {}).get("epoch") or 0) for part in ("spec", "status"))


def _holds(raw: Json) -> bool:
    """Whether a node's GPUs may not be what they were before us, as far as its order tells."""
    node = stored(PowerNode, raw)
    if not isinstance(node, Stored):
        return True
    spec = node.thing.spec
    return spec.enforce or (spec.release and not is_back(node.thing, node.thing.status))


def _taints(node: Json) -> list[Json]:
    return node.get("spec", {}).get("taints") or []
