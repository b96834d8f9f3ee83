"""What a pool makes of itself in a cluster: a Deployment from its template, or the scale of a workload."""

from collections.abc import Iterator
from typing import Any

from wattline.api.inferencepool import InferencePool, PodTemplate
from wattline.controller import sources
from wattline.model.actions import Action, Apply, Delete, Scale
from wattline.model.cluster import ClusterView
from wattline.model.names import PLACEMENT, POOL
from wattline.model.owned import owner_reference

READY_FOLDER = "/run/wattline"
"""Folder of the node where its agent says whether its GPUs are read back."""

READY_SOCKET = f"{READY_FOLDER}/ready.sock"

READY_CONTAINER = "wattline-ready"
READY_VOLUME = "wattline-run"

Json = dict[str, Any]


def children(view: ClusterView) -> Iterator[Action]:
    """Yield what is to be applied, scaled or deleted for the pools that can be followed."""
    for pool in view.fleet.pools:
        spec, namespace = pool.spec, pool.metadata.namespace or ""
        own = view.workloads.get((sources.DEPLOYMENT, namespace, pool.metadata.name))
        if spec.template is not None:
            yield Apply(deployment(pool, spec.template, view))
            continue
        ours = own is not None and own.owner is not None and own.owner.uid == pool.metadata.uid
        if own is not None and ours and own.full_name != sources.key(pool):
            yield Delete(own.api_version, own.kind, namespace, own.name)
        ref, seen = spec.workload_ref, sources.target(pool, view)
        if (
            ref is not None
            and spec.replicas is not None
            and seen is not None
            and seen.replicas != spec.replicas
        ):
            yield Scale(namespace, ref.api_version, ref.kind, ref.name, spec.replicas)


def deployment(pool: InferencePool, template: PodTemplate, view: ClusterView) -> Json:
    """Return the Deployment of a pool's template: the user's pods, with our gate, label and first container.

    Nothing of the template is lost. A rollout takes a pod away before it adds one, for it must need neither a
    GPU nor watts that are not there.
    """
    meta, ours = pool.metadata, {POOL: pool.metadata.name}
    return {
        "apiVersion": "apps/v1",
        "kind": sources.DEPLOYMENT,
        "metadata": {
            "name": meta.name,
            "namespace": meta.namespace,
            "labels": ours,
            "ownerReferences": [owner_reference(pool.kind, meta.name, meta.uid)],
        },
        "spec": {
            "replicas": 1 if pool.spec.replicas is None else pool.spec.replicas,
            "selector": {"matchLabels": ours},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}},
            "template": {
                "metadata": _meta(template, ours),
                "spec": _pod(template.spec, view),
            },
        },
    }


def _meta(template: PodTemplate, ours: Json) -> Json:
    """Return labels and annotations of the pods; a map that we leave out stays others' alone."""
    meta: Json = {"labels": {**template.metadata.labels, **ours}}
    if template.metadata.annotations:
        meta["annotations"] = dict(template.metadata.annotations)
    return meta


def _pod(spec: Json, view: ClusterView) -> Json:
    pod = dict(spec)
    gates = pod.get("schedulingGates") or []
    if all(gate.get("name") != PLACEMENT for gate in gates):
        gates = [*gates, {"name": PLACEMENT}]
    pod["schedulingGates"] = gates
    if view.image:
        pod["initContainers"] = [_ready(view), *(pod.get("initContainers") or [])]
        run = {"name": READY_VOLUME, "hostPath": {"path": READY_FOLDER, "type": "DirectoryOrCreate"}}
        pod["volumes"] = [*(pod.get("volumes") or []), run]
    return pod


def _ready(view: ClusterView) -> Json:
    """Return the container that ends once the node's GPUs are read back; it needs no rights at all."""
    return {
        "name": READY_CONTAINER,
        **view.our_image(),
        "args": ["wait-ready", READY_SOCKET],
        "resources": {"requests": {"cpu": "10m", "memory": "64Mi"}, "limits": {"memory": "128Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "runAsNonRoot": True,
            "runAsUser": 65532,
            "capabilities": {"drop": ["ALL"]},
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "volumeMounts": [{"name": READY_VOLUME, "mountPath": READY_FOLDER, "readOnly": True}],
    }
