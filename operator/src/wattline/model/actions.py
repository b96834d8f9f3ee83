"""What a pass wants done in a cluster beside statuses, orders and leases; a door carries it out."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Apply:
    """Server-side apply of an object that we own, by our field manager, taking its fields from others."""

    manifest: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Delete:
    """Deletion of an object that we made and that nothing declares any more; one that is gone already is fine."""

    api_version: str
    kind: str
    namespace: str
    name: str


@dataclass(frozen=True, slots=True)
class Scale:
    """Setting of a workload's replicas through its scale subresource."""

    namespace: str
    api_version: str
    kind: str
    name: str
    replicas: int


@dataclass(frozen=True, slots=True)
class Place:
    """Narrowing of a gated pod's node affinity to ``nodes``, and lifting of our gate, in one patch.

    The patch is `wattline.model.affinity.placed` of the pod as it is; it is not made if the pod is another one
    by now (``uid``) or has changed since it was decided on (``resource_version``).
    """

    namespace: str
    pod: str
    uid: str
    resource_version: str
    nodes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Taint:
    """Presence of the taint `wattline.dev/uncapped:NoSchedule` on a node; its other taints stay."""

    node: str
    present: bool


@dataclass(frozen=True, slots=True)
class Label:
    """One label of a node; None takes it away."""

    node: str
    key: str
    value: str | None


@dataclass(frozen=True, slots=True)
class Forget:
    """Deletion of the PowerNode of a node that is opted out and released."""

    node: str


@dataclass(frozen=True, slots=True)
class Say:
    """An Event on an object, for a decision that people should see."""

    kind: str
    namespace: str | None
    name: str
    reason: str
    """One CamelCase word."""
    message: str
    warning: bool = False


Action = Apply | Delete | Scale | Place | Taint | Label | Forget | Say
