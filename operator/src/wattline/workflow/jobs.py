"""The Job of a tool, and what became of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from wattline.api.agentworkflow import ToolJob
from wattline.model import owned
from wattline.model.runnames import RUN, STEP, tool

CONTAINER = "tool"

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Owner:
    """The workflow that a run is of."""

    namespace: str
    name: str
    uid: str
    run: str


def manifest(owner: Owner, step: str, job: ToolJob, env: Mapping[str, str]) -> Json:
    """Return the Job of a step: one pod that gets no account of the cluster and cannot get more rights than it has.

    It is not tried again when it fails, for a tool may have done half of its work; only a pod that the cluster took
    away is replaced.
    """
    labels = {RUN: owner.run, STEP: step}
    container: Json = {
        "name": CONTAINER,
        "image": job.image,
        "env": [{"name": name, "value": value} for name, value in env.items()],
        "resources": job.resources.model_dump(mode="json", by_alias=True),
        "securityContext": {"allowPrivilegeEscalation": False, **job.security_context},
        "terminationMessagePolicy": "FallbackToLogsOnError",
    }
    if job.command:
        container["command"] = list(job.command)
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": tool(owner.name, owner.run, step),
            "namespace": owner.namespace,
            "labels": labels,
            "ownerReferences": [owner_reference(owner)],
        },
        "spec": {
            "backoffLimit": 0,
            "podReplacementPolicy": "Failed",
            "podFailurePolicy": {
                "rules": [
                    {
                        "action": "Ignore",
                        "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}],
                    }
                ]
            },
            "template": {
                "metadata": {"labels": labels},
                "spec": {
                    "restartPolicy": "Never",
                    "automountServiceAccountToken": False,
                    "securityContext": {"seccompProfile": {"type": "RuntimeDefault"}},
                    "containers": [container],
                },
            },
        },
    }


def owner_reference(owner: Owner) -> Json:
    """Return what makes a thing go when its workflow goes."""
    return owned.owner_reference("AgentWorkflow", owner.name, owner.uid)


def over(job: Json) -> bool | None:
    """Return whether a Job ended well; None while it has not ended."""
    for condition in job.get("status", {}).get("conditions", ()):
        if condition["type"] in {"Complete", "Failed"} and condition["status"] == "True":
            return bool(condition["type"] == "Complete")
    return None


def said(pods: Sequence[Json]) -> str:
    """Return what the last pod of a tool said at its end."""
    ended = [state for pod in pods if (state := _ended(pod)) is not None]
    return (
        str(max(ended, key=lambda state: state.get("finishedAt") or "").get("message", "")) if ended else ""
    )


def failure(job: Json, pods: Sequence[Json]) -> str:
    """Return why a tool failed, in words."""
    ended = [state for pod in pods if (state := _ended(pod)) is not None]
    code = f"exit status {ended[-1].get('exitCode')}" if ended else ""
    why = next(
        (c.get("message", "") for c in job.get("status", {}).get("conditions", ()) if c["type"] == "Failed"),
        "",
    )
    text = said(pods).strip()
    return ": ".join(part for part in (code or why or "the Job failed", text[-1000:]) if part)


def waits_for(job: Json, pods: Sequence[Json]) -> tuple[str, str] | None:
    """Return what keeps a tool from starting, in a word and a sentence; None where nothing does."""
    if not pods:
        meta = job["metadata"]
        command = f"kubectl -n {meta['namespace']} describe job {meta['name']}"
        return "WaitingForTool", f"the cluster has made no pod for it yet; `{command}` says why"
    for pod in pods:
        status = pod.get("status", {})
        for condition in status.get("conditions", ()):
            if condition["type"] == "PodScheduled" and condition["status"] == "False":
                return "WaitingForCapacity", f"pod {pod['metadata']['name']}: {condition.get('message', '')}"
        for each in status.get("containerStatuses", ()):
            waiting = each.get("state", {}).get("waiting", {})
            if waiting.get("reason") not in {None, "ContainerCreating", "PodInitializing"}:
                what = waiting.get("message") or waiting["reason"]
                return "WaitingForTool", f"pod {pod['metadata']['name']}: {what}"
    return None


def _ended(pod: Json) -> Json | None:
    for each in pod.get("status", {}).get("containerStatuses", ()):
        if each["name"] == CONTAINER and (state := each.get("state", {}).get("terminated")) is not None:
            return dict(state)
    return None
