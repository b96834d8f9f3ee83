"""Which nodes a pod may go to, and the patch that lets a gated pod go to some of them.

Kubernetes lets the node affinity of a gated pod be narrowed only: requirements may be added to the terms that
are there (any one of which must hold), and terms may neither come nor go. A term without requirements holds
nowhere and must stay as it is.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from wattline.model.names import PLACEMENT

HOSTNAME = "kubernetes.io/hostname"
"""Label that tells nodes apart; mostly, but not always, the node's name."""

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Requirement:
    """One requirement of a node selector term."""

    key: str
    operator: str
    values: tuple[str, ...] = ()
    of_name: bool = False
    """Whether it speaks of the node's name and not of a label."""

    def holds(self, name: str, labels: Mapping[str, str]) -> bool:
        """Whether a node is as required; an operator that we do not know holds nowhere."""
        value = name if self.of_name else labels.get(self.key)
        match self.operator:
            case "In":
                return value in self.values
            case "NotIn":
                return value not in self.values
            case "Exists":
                return value is not None
            case "DoesNotExist":
                return value is None
            case "Gt" | "Lt" if value is not None and len(self.values) == 1:
                return _compares(self.operator, value, self.values[0])
        return False


Term = tuple[Requirement, ...]
"""Requirements that must all hold; none at all holds nowhere."""


@dataclass(frozen=True, slots=True)
class NodeTaint:
    """A taint of a node."""

    key: str
    effect: str
    value: str = ""


@dataclass(frozen=True, slots=True)
class Toleration:
    """A taint that a pod bears; an empty key bears all, an empty effect every effect."""

    key: str = ""
    operator: str = "Equal"
    value: str = ""
    effect: str = ""

    def bears(self, taint: NodeTaint) -> bool:
        """Whether a taint does not keep the pod away."""
        if self.effect and self.effect != taint.effect:
            return False
        if self.key and self.key != taint.key:
            return False
        return self.operator == "Exists" or (bool(self.key) and self.value == taint.value)


def terms(pod_spec: Json) -> tuple[Term, ...] | None:
    """Return the required node affinity of a pod's spec, or None if it requires nothing."""
    required = _required(pod_spec)
    if required is None:
        return None
    return tuple(
        tuple(
            Requirement(each["key"], each["operator"], tuple(each.get("values") or ()), of_name=of_name)
            for part, of_name in (("matchExpressions", False), ("matchFields", True))
            for each in term.get(part) or ()
        )
        for term in required.get("nodeSelectorTerms") or ()
    )


def tolerations(pod_spec: Json) -> tuple[Toleration, ...]:
    """Return the tolerations of a pod's spec."""
    return tuple(
        Toleration(
            each.get("key", ""),
            each.get("operator") or "Equal",
            each.get("value", ""),
            each.get("effect", ""),
        )
        for each in pod_spec.get("tolerations") or ()
    )


def allowed(
    affinity: Sequence[Term] | None,
    node_selector: Mapping[str, str],
    name: str,
    labels: Mapping[str, str],
) -> bool:
    """Whether a pod's own affinity and node selector let it go to a node."""
    if any(labels.get(key) != value for key, value in node_selector.items()):
        return False
    if affinity is None:
        return True
    return any(term and all(each.holds(name, labels) for each in term) for term in affinity)


def kept_away(taints: Iterable[NodeTaint], bears: Sequence[Toleration]) -> tuple[NodeTaint, ...]:
    """Return the taints of a node that keep a pod with these tolerations from being scheduled there."""
    return tuple(
        taint
        for taint in taints
        if taint.effect in {"NoSchedule", "NoExecute"} and not any(each.bears(taint) for each in bears)
    )


def placed(pod: Json, hostnames: Sequence[str]) -> list[dict[str, Any]]:
    """Return the JSON patch that narrows a gated pod's node affinity to some nodes and lifts our gate.

    Every node selector term is kept and narrowed. The patch says which version of the pod it was made for, so
    that the API server refuses it for any other.
    """
    spec, meta = pod["spec"], pod["metadata"]
    only = {"key": HOSTNAME, "operator": "In", "values": list(hostnames)}
    affinity = dict(spec.get("affinity") or {})
    node_affinity = dict(affinity.get("nodeAffinity") or {})
    there = (_required(spec) or {}).get("nodeSelectorTerms") or [{"matchExpressions": []}]
    first = _required(spec) is None
    node_affinity["requiredDuringSchedulingIgnoredDuringExecution"] = {
        "nodeSelectorTerms": [
            {**term, "matchExpressions": [*(term.get("matchExpressions") or ()), only]}
            if first or term.get("matchExpressions") or term.get("matchFields")
            else term
            for term in there
        ]
    }
    affinity["nodeAffinity"] = node_affinity
    gates = [gate for gate in spec.get("schedulingGates") or () if gate["name"] != PLACEMENT]
    return [
        {"op": "test", "path": "/metadata/uid", "value": meta["uid"]},
        {"op": "replace", "path": "/metadata/resourceVersion", "value": meta["resourceVersion"]},
        {"op": "add", "path": "/spec/affinity", "value": affinity},
        {"op": "replace", "path": "/spec/schedulingGates", "value": gates},
    ]


def _required(pod_spec: Json) -> Json | None:
    node_affinity = (pod_spec.get("affinity") or {}).get("nodeAffinity") or {}
    required: Json | None = node_affinity.get("requiredDuringSchedulingIgnoredDuringExecution")
    return required


def _compares(operator: str, value: str, bound: str) -> bool:
    try:
        return int(value) > int(bound) if operator == "Gt" else int(value) < int(bound)
    except ValueError:
        return False
