"""Leases of coordination.k8s.io: who leads, and how long orders live.

Leading rests on two things. A *fence* ends on our own CLOCK_BOOTTIME before anybody else may begin, so that a
leader that was stopped knows it before its next write. And every write carries the version it was decided on,
so that one already under way is refused once the next leader has touched the object.
"""

import logging
from collections.abc import Callable

from wattline.doors.clock import Clock
from wattline.doors.kube.client import Kube
from wattline.doors.kube.errors import Conflict, NotFound, Superseded
from wattline.doors.kube.resources import LEASES, Json
from wattline.model.errors import ClusterError
from wattline.model.names import DOMAIN_LEASE

log = logging.getLogger("wattline.lease")

LEASE_SECONDS = 15.0
"""Nobody else leads before a lease was seen unrenewed for this long."""

MARGIN_SECONDS = 2.0
"""We stop this long before, for clocks that run at different rates; ours."""

RENEW_SECONDS = 5.0
LOOK_SECONDS = 2.0
"""How often the leader renews, and how often it tries again or another looks."""


DELETED = "unknown: the lease was deleted"
"""Holder of a lease that was made anew while somebody may still lead."""


class Fence:
    """The right to write as leader of one epoch."""

    def __init__(self, epoch: int, clock: Clock, until_seconds: float) -> None:
        self.epoch = epoch
        self.until_seconds = until_seconds
        """On our clock; moved on by each renewal."""
        self._clock = clock

    def check(self) -> None:
        """Raise `Superseded` if the right has ended or may have."""
        if self._clock.now() >= self.until_seconds:
            raise Superseded(f"the lease of epoch {self.epoch} has ended; another leader may be at work")

    def end(self) -> None:
        """Give the right up for good."""
        self.until_seconds = float("-inf")


class Election:
    """Takes, keeps and gives back the one Lease whose holder leads."""

    def __init__(
        self,
        kube: Kube,
        clock: Clock,
        *,
        namespace: str,
        name: str,
        identity: str,
        stamp: Callable[[], str],
        seconds: float = LEASE_SECONDS,
    ) -> None:
        self._kube = kube
        self._clock = clock
        self._namespace = namespace
        self._name = name
        self._identity = identity
        self._stamp = stamp
        self._seconds = seconds
        self._seen: tuple[str, float] | None = None
        """The version of the lease last seen, and when it was first."""
        self._mine: Json | None = None

    async def acquire(self, highest_epoch: Callable[[], int]) -> Fence:
        """Return once we lead, with an epoch above ``highest_epoch`` and above every earlier leader's."""
        said = ""
        while True:
            try:
                fence = await self._try(highest_epoch)
            except ClusterError as error:
                fence = None
                if not isinstance(error, Conflict) and str(error) != said:
                    said = str(error)
                    log.warning("cannot take the lease %s: %s", self._name, error)
            if fence is not None:
                return fence
            await self._clock.sleep_until(self._clock.now() + LOOK_SECONDS)

    async def hold(self, fence: Fence) -> None:
        """Renew until the right has ended; then raise `Superseded`."""
        await self._clock.sleep_until(self._clock.now() + RENEW_SECONDS)
        while True:
            fence.check()
            try:
                await self._renew(fence)
            except Superseded:
                fence.end()
                raise
            except ClusterError as error:
                log.warning("the lease %s is not renewed: %s", self._name, error)
                await self._clock.sleep_until(min(self._clock.now() + LOOK_SECONDS, fence.until_seconds))
            else:
                await self._clock.sleep_until(self._clock.now() + RENEW_SECONDS)

    async def release(self, fence: Fence) -> None:
        """Let another lead at once; call it when nothing will be written any more."""
        fence.end()
        if self._mine is None:
            return
        spec = {
            **self._mine["spec"],
            "holderIdentity": "",
            "leaseDurationSeconds": 1,
            "renewTime": self._stamp(),
        }
        try:
            await self._kube.replace(LEASES, {**self._mine, "spec": spec})
        except Conflict:
            return  # another has it already
        except ClusterError as error:
            log.warning("the lease %s could not be given back, it ends by itself: %s", self._name, error)

    async def _try(self, highest_epoch: Callable[[], int]) -> Fence | None:
        """Take the lease if it is free, and return the right that comes with it."""
        try:
            lease = await self._kube.get(LEASES, self._name, self._namespace)
        except NotFound:
            return await self._make(highest_epoch())
        version, spec = lease["metadata"]["resourceVersion"], lease["spec"]
        began = self._clock.now()
        if self._seen is None or self._seen[0] != version:
            self._seen = (version, began)
        life = float(spec.get("leaseDurationSeconds") or self._seconds)
        if spec.get("holderIdentity") and began - self._seen[1] < life:
            return None
        transitions = max(int(spec.get("leaseTransitions") or 0) + 1, highest_epoch())
        took = await self._kube.replace(LEASES, {**lease, "spec": self._taken(transitions)})
        return self._leads(took, began)

    async def _make(self, highest_epoch: int) -> Fence | None:
        """Make the lease, and take it if nobody can have led before.

        Where somebody has, the lease was deleted under him, and he may lead on for as long as it would have lasted:
        so it is made as if held, and is taken when it has run out.
        """
        began = self._clock.now()
        spec = self._taken(max(0, highest_epoch - 1))
        if highest_epoch:
            spec["holderIdentity"] = DELETED
        meta = {"name": self._name, "namespace": self._namespace}
        made = await self._kube.create(LEASES, _lease(meta, spec), self._namespace)
        return None if highest_epoch else self._leads(made, began)

    async def _renew(self, fence: Fence) -> None:
        assert self._mine is not None
        began = self._clock.now()
        renewed = {**self._mine, "spec": {**self._mine["spec"], "renewTime": self._stamp()}}
        try:
            self._mine = await self._kube.replace(LEASES, renewed)
        except (Conflict, NotFound) as error:
            self._mine = await self._still_ours(error)
            return
        fence.until_seconds = began + self._seconds - MARGIN_SECONDS

    async def _still_ours(self, error: ClusterError) -> Json:
        """Return the lease as it is now; raise `Superseded` unless somebody only touched it beside us."""
        assert self._mine is not None
        try:
            now = await self._kube.get(LEASES, self._name, self._namespace)
        except NotFound:
            raise Superseded(f"the lease {self._name} was deleted") from error
        ours = ("holderIdentity", "leaseTransitions")
        if any(now["spec"].get(each) != self._mine["spec"].get(each) for each in ours):
            raise Superseded(
                f"{now['spec'].get('holderIdentity') or 'nobody'} holds the lease now"
            ) from error
        return now

    def _taken(self, transitions: int) -> Json:
        now = self._stamp()
        return {
            "holderIdentity": self._identity,
            "leaseDurationSeconds": round(self._seconds),
            "acquireTime": now,
            "renewTime": now,
            "leaseTransitions": transitions,
        }

    def _leads(self, lease: Json, began_seconds: float) -> Fence:
        self._mine = lease
        epoch = int(lease["spec"]["leaseTransitions"]) + 1
        return Fence(epoch, self._clock, began_seconds + self._seconds - MARGIN_SECONDS)


class DomainLeases:
    """The leases that keep the orders under root domains alive, renewed by the leader of one epoch."""

    def __init__(
        self, kube: Kube, *, namespace: str, identity: str, fence: Fence, stamp: Callable[[], str]
    ) -> None:
        self._kube = kube
        self._namespace = namespace
        self._identity = identity
        self._fence = fence
        self._stamp = stamp
        self._known: dict[str, Json] = {}

    async def renew(self, domain: str, seconds: float) -> None:
        """Say once more that the orders under a root domain hold; its renewTime is never the same twice."""
        name = f"{DOMAIN_LEASE}{domain}"
        lease = self._known.get(name)
        if lease is None:
            lease = await self._found(name)
        was = lease["spec"]
        if int(was.get("leaseTransitions") or 0) > self._fence.epoch:
            raise Superseded(f"the lease {name} is of epoch {was['leaseTransitions']}")
        spec = {
            "holderIdentity": self._identity,
            "leaseDurationSeconds": round(seconds),
            "renewTime": self._stamp(),
            "leaseTransitions": self._fence.epoch,
        }
        self._known.pop(name, None)
        self._fence.check()
        if "resourceVersion" in lease["metadata"]:
            self._known[name] = await self._kube.replace(LEASES, {**lease, "spec": spec})
        else:
            self._known[name] = await self._kube.create(LEASES, {**lease, "spec": spec}, self._namespace)

    async def _found(self, name: str) -> Json:
        try:
            return await self._kube.get(LEASES, name, self._namespace)
        except NotFound:
            return _lease({"name": name, "namespace": self._namespace}, {})


def _lease(meta: Json, spec: Json) -> Json:
    return {"apiVersion": LEASES.api_version, "kind": LEASES.kind, "metadata": meta, "spec": spec}
