"""Takes leadership from whoever has it, for the one who ends the operator's work."""

from wattline.doors.kube.client import Kube
from wattline.doors.kube.errors import Conflict, NotFound
from wattline.doors.kube.resources import LEASES, Json
from wattline.model.errors import ClusterError
from wattline.model.names import LEADER

ATTEMPTS = 20
"""A leader renews every few seconds, so that a write is rarely overtaken twice."""


async def take_over(
    kube: Kube, namespace: str, holder: str, *, at: str, hold_seconds: int, above: int, owner: Json | None
) -> int:
    """Become the leader now, for ``hold_seconds`` without renewing; return the new epoch, higher than ``above``.

    The leader there was finds itself superseded at its next renewal, and whatever it still writes carries an epoch
    that the agents no longer hear. ``owner`` is an owner reference: the lease goes with that object, so that what
    is installed next need not wait for its end.
    """
    for _ in range(ATTEMPTS):
        try:
            lease = await kube.get(LEASES, LEADER, namespace)
        except NotFound:
            lease = {}
        transitions = max(int(lease.get("spec", {}).get("leaseTransitions", 0)) + 1, above)
        spec = {
            "holderIdentity": holder,
            "leaseDurationSeconds": hold_seconds,
            "acquireTime": at,
            "renewTime": at,
            "leaseTransitions": transitions,
        }
        meta = lease.get("metadata") or {"name": LEADER, "namespace": namespace}
        if owner is not None:
            meta = {**meta, "ownerReferences": [owner]}
        new = {"apiVersion": LEASES.api_version, "kind": LEASES.kind, "metadata": meta, "spec": spec}
        try:
            if lease:
                await kube.replace(LEASES, new)
            else:
                await kube.create(LEASES, new, namespace)
        except Conflict:
            continue
        return transitions + 1
    raise ClusterError(
        f"lease {namespace}/{LEADER}: overtaken {ATTEMPTS} times; is more than one operator installed?"
    )
