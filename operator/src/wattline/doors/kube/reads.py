"""What is kept of the API's objects: each function makes of one object what the rest of the house reads."""

from collections.abc import Mapping
from dataclasses import dataclass
from sys import intern
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ValidationError

from wattline.api.agentworkflow import AgentWorkflow
from wattline.api.inferencepool import InferencePool
from wattline.api.powerdomain import PowerDomain
from wattline.api.powernode import PowerNode
from wattline.doors.kube.resources import Json, key_of
from wattline.model.affinity import NodeTaint, terms, tolerations
from wattline.model.cluster import Broken, JobSeen, MachineSeen, Owner, PodSeen, WorkloadSeen
from wattline.model.names import GPU
from wattline.model.runnames import RUN
from wattline.model.selector import equal

Kind = TypeVar("Kind", PowerDomain, InferencePool, AgentWorkflow, PowerNode)


@dataclass(frozen=True, slots=True)
class Stored(Generic[Kind]):
    """An object of ours as the API server has it."""

    thing: Kind
    version: str
    """resourceVersion: what a write says it was decided on."""


def stored(model: type[Kind], raw: Json) -> Stored[Kind] | Broken:
    """Return an object of ours; `Broken` where its spec is not one of its kind. A status nobody can read is none."""
    meta = raw["metadata"]
    try:
        made = model.model_validate({**raw, "kind": model.__name__, "status": None})
    except ValidationError as error:
        return Broken(model.__name__, key_of(raw), int(meta.get("generation", 0)), _first(error))
    return Stored(made.model_copy(update={"status": status(model, raw)}), meta["resourceVersion"])


def pod(raw: Json) -> PodSeen:
    """Return a pod."""
    meta, spec, status = raw["metadata"], raw["spec"], raw.get("status", {})
    containers = spec.get("containers", ())
    return PodSeen(
        namespace=intern(meta["namespace"]),
        name=meta["name"],
        uid=meta["uid"],
        resource_version=meta["resourceVersion"],
        labels=_shared(meta.get("labels")),
        owner=owner(meta),
        node=intern(spec.get("nodeName", "")),
        address=status.get("podIP", ""),
        ready=any(c["type"] == "Ready" and c["status"] == "True" for c in status.get("conditions", ())),
        leaving="deletionTimestamp" in meta,
        gates=tuple(intern(gate["name"]) for gate in spec.get("schedulingGates", ())),
        gpus=sum(int(each.get("resources", {}).get("limits", {}).get(GPU, 0)) for each in containers),
        claims=bool(spec.get("resourceClaims")),
        node_selector=_shared(spec.get("nodeSelector")),
        affinity=terms(spec),
        tolerations=tolerations(spec),
        created_at=meta.get("creationTimestamp", ""),
    )


def machine(raw: Json) -> MachineSeen:
    """Return a node of the cluster."""
    meta, spec, status = raw["metadata"], raw.get("spec", {}), raw.get("status", {})
    return MachineSeen(
        name=meta["name"],
        uid=meta["uid"],
        labels=_shared(meta.get("labels")),
        taints=tuple(
            NodeTaint(each["key"], each["effect"], each.get("value", "")) for each in spec.get("taints", ())
        ),
        gpus=int(status.get("allocatable", {}).get(GPU, 0)),
        ready=any(c["type"] == "Ready" and c["status"] == "True" for c in status.get("conditions", ())),
        cordoned=bool(spec.get("unschedulable")),
    )


def workload(raw: Json, api_version: str, kind: str) -> WorkloadSeen:
    """Return something with replicas, or a pool of the Gateway API inference extension."""
    meta, spec = raw["metadata"], raw.get("spec", {})
    ports = spec.get("targetPorts") or ()
    return WorkloadSeen(
        api_version=api_version,
        kind=kind,
        namespace=meta["namespace"],
        name=meta["name"],
        uid=meta["uid"],
        replicas=spec.get("replicas"),
        selector=raw.get("status", {}).get("hpaPodSelector") or selector(spec.get("selector") or {}),
        port=next((int(each["number"]) for each in ports), None),
        owner=owner(meta),
    )


def job(raw: Json) -> JobSeen:
    """Return the Job of a workflow's run."""
    meta, by = raw["metadata"], owner(raw["metadata"])
    conditions = raw.get("status", {}).get("conditions", ())
    failed = next((c for c in conditions if c["type"] == "Failed" and c["status"] == "True"), None)
    return JobSeen(
        namespace=meta["namespace"],
        name=meta["name"],
        run=meta["labels"][RUN],
        owner="" if by is None else by.uid,
        failed=failed is not None,
        message="" if failed is None else str(failed.get("message") or failed.get("reason") or ""),
    )


def owner(meta: Json) -> Owner | None:
    """Return the controller among the owners of an object."""
    for each in meta.get("ownerReferences", ()):
        if each.get("controller"):
            return Owner(each["kind"], each["name"], each["uid"])
    return None


def selector(spec: Json) -> str:
    """Return a label selector as text; empty for one that selects nothing or everything."""
    labels: Mapping[str, str] = spec.get("matchLabels") or {}
    parts = [equal(labels)] if labels else []
    for each in spec.get("matchExpressions") or ():
        key, values = each["key"], ",".join(each.get("values") or ())
        match each["operator"]:
            case "In":
                parts.append(f"{key} in ({values})")
            case "NotIn":
                parts.append(f"{key} notin ({values})")
            case "Exists":
                parts.append(key)
            case "DoesNotExist":
                parts.append(f"!{key}")
    return ",".join(parts)


def status(model: type[BaseModel], raw: Json) -> Any:
    """Return the status of an object, or None where there is none that can be read."""
    field = model.model_fields["status"].annotation
    kinds = [each for each in getattr(field, "__args__", ()) if each is not type(None)]
    try:
        return kinds[0].model_validate(raw["status"]) if raw.get("status") else None
    except ValidationError:
        return None


def _shared(labels: Json | None) -> Mapping[str, str]:
    """Return labels whose texts are kept once for all objects; thousands of pods say the same."""
    return {intern(key): intern(value) for key, value in (labels or {}).items()}


def _first(error: ValidationError) -> str:
    first, *more = error.errors(include_url=False)
    path = ".".join(str(part) for part in first["loc"])
    others = f"; and {len(more)} more" if more else ""
    return f"{path or 'object'}: {first['msg']}{others}"
