"""The objects of a workflow's run: who its runner is, what it may, the spec it runs, and its Job."""

from collections.abc import Iterator
from typing import Any

from wattline.api.agentworkflow import AgentWorkflow
from wattline.model.actions import Apply
from wattline.model.cluster import ClusterView
from wattline.model.owned import owner_reference
from wattline.model.runnames import RUN, RUN_FAILED_CODE, SPEC_KEY, account, run_id, runner

ROLE = "wattline-runner"
"""ClusterRole that says what a runner may do in the namespace of its workflow; part of the chart."""

MOST_CRASHES = 20
"""Pods of one run that may crash before its Job is given up, with pauses up to six minutes between them; ours."""

KEPT_SECONDS = 24 * 3600
"""How long a finished runner's log can be read."""

Json = dict[str, Any]


def start(workflow: AgentWorkflow, generation: int, view: ClusterView) -> Iterator[Apply]:
    """Yield what makes the run of a generation begin, or go on after its Job is gone.

    The spec is written down as it stands when a run begins; one that goes on finds it there.
    """
    meta = workflow.metadata
    name = runner(meta.name, run_id(meta.uid, generation))
    labels = {RUN: run_id(meta.uid, generation)}
    yield Apply(_account(workflow))
    yield Apply(_binding(workflow))
    if generation == meta.generation:
        spec = workflow.spec.model_dump_json(by_alias=True, exclude_none=True)
        yield Apply(
            {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": _meta(workflow, name, labels),
                "data": {SPEC_KEY: spec},
            }
        )
    yield Apply(
        {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": _meta(workflow, name, labels),
            "spec": {
                "backoffLimit": MOST_CRASHES,
                "ttlSecondsAfterFinished": KEPT_SECONDS,
                "podReplacementPolicy": "Failed",
                "podFailurePolicy": {
                    "rules": [
                        {
                            "action": "FailJob",
                            "onExitCodes": {"operator": "In", "values": [RUN_FAILED_CODE]},
                        },
                        {
                            "action": "Ignore",
                            "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}],
                        },
                    ]
                },
                "template": {"metadata": {"labels": labels}, "spec": _pod(workflow, generation, view)},
            },
        }
    )


def _pod(workflow: AgentWorkflow, generation: int, view: ClusterView) -> Json:
    meta = workflow.metadata
    return {
        "restartPolicy": "Never",
        "serviceAccountName": account(meta.name, meta.uid),
        "terminationGracePeriodSeconds": 10,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 65532,
            "runAsGroup": 65532,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [
            {
                "name": "runner",
                **view.our_image(),
                "args": [
                    "run-workflow",
                    f"{meta.namespace}/{meta.name}",
                    f"--run={run_id(meta.uid, generation)}",
                    f"--gateway={view.gateway}",
                ],
                "resources": {
                    "requests": {"cpu": "10m", "memory": "64Mi"},
                    "limits": {"memory": "256Mi"},
                },
                "securityContext": {
                    "allowPrivilegeEscalation": False,
                    "readOnlyRootFilesystem": True,
                    "capabilities": {"drop": ["ALL"]},
                },
                "terminationMessagePolicy": "FallbackToLogsOnError",
            }
        ],
    }


def _account(workflow: AgentWorkflow) -> Json:
    meta = workflow.metadata
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": _meta(workflow, account(meta.name, meta.uid), {}),
    }


def _binding(workflow: AgentWorkflow) -> Json:
    meta = workflow.metadata
    name = account(meta.name, meta.uid)
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": _meta(workflow, name, {}),
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": ROLE},
        "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": meta.namespace}],
    }


def _meta(workflow: AgentWorkflow, name: str, labels: Json) -> Json:
    """Return metadata of something that goes when its workflow goes."""
    meta = workflow.metadata
    owner = owner_reference(workflow.kind, meta.name, meta.uid)
    return {"name": name, "namespace": meta.namespace, "labels": labels, "ownerReferences": [owner]}
