"""The chart as helm renders it."""

import os
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[3]
CHART = ROOT / "charts/wattline"
NAMESPACE = "wattline-system"

Object = Mapping[str, Any]

EVERYTHING = (
    "commonLabels.team=power",
    "image.digest=sha256:" + 64 * "a",
    "imagePullSecrets[0].name=registry",
    "operator.priorityClassName=system-cluster-critical",
    "operator.nodeSelector.pool=system",
    "operator.affinity.podAntiAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].weight=1",
    "operator.affinity.podAntiAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].podAffinityTerm.topologyKey=zone",
    "operator.extraArgs[0]=--help",
    "operator.extraEnv[0].name=A",
    "operator.extraEnv[0].value=b",
    "operator.podAnnotations.a=b",
    "gateway.service.type=LoadBalancer",
    "gateway.service.annotations.a=b",
    "gateway.tolerations[0].key=a",
    "agent.driver.runtimeClassName=",
    "agent.driver.library=/usr/lib/x86_64-linux-gnu/libnvidia-ml.so.1",
    "agent.driver.root=/run/nvidia/driver",
    "agent.driver.privileged=true",
    "agent.nodeSelector.gpu=h100",
    "agent.nodeMatchExpressions[0].key=type",
    "agent.nodeMatchExpressions[0].operator=NotIn",
    "agent.nodeMatchExpressions[0].values[0]=kwok",
    "agent.extraVolumes[0].name=fake",
    "agent.extraVolumes[0].hostPath.path=/fake",
    "agent.extraVolumeMounts[0].name=fake",
    "agent.extraVolumeMounts[0].mountPath=/fake",
    "restore.podLabels.a=b",
    "policies.extraStatusWriters[0]=kwok",
    "networkPolicies.apiServerFrom[0].ipBlock.cidr=10.0.0.0/28",
    "networkPolicies.emergencyFrom[0].ipBlock.cidr=10.9.0.0/28",
    "agent.emergency.tokenSecret=breaker-token",
    "monitoring.podMonitors.enabled=true",
    "monitoring.podMonitors.labels.release=prometheus",
    "monitoring.prometheusRules.enabled=true",
    "monitoring.dashboards.enabled=true",
    "monitoring.dashboards.annotations.folder=Wattline",
)
"""Every option that adds something, on."""


def helm() -> str | None:
    """Return helm: the one that HELM names, the one on the path, or the one the end-to-end tests built."""
    named = os.environ.get("HELM") or shutil.which("helm")
    if named:
        return named
    kept = Path(os.environ.get("WATTLINE_E2E_CACHE") or Path.home() / ".cache/wattline/e2e")
    built = sorted(kept.glob("bin/helm-*/helm"), key=lambda path: path.stat().st_mtime)
    return str(built[-1]) if built else None


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run helm; the caller judges how it ended."""
    program = helm()
    assert program is not None
    return subprocess.run([program, *arguments], capture_output=True, text=True, timeout=30, check=False)


@cache
def objects(*values: str) -> tuple[Object, ...]:
    """Return every object of a release with these values set."""
    flags = [flag for value in values for flag in ("--set", value)]
    done = run("template", "wattline", str(CHART), "--namespace", NAMESPACE, *flags)
    assert done.returncode == 0, done.stderr
    return tuple(each for each in yaml.safe_load_all(done.stdout) if each)


def of_kind(kind: str, rendered: Iterable[Object]) -> dict[str, Object]:
    """Return the objects of a kind by name."""
    return {each["metadata"]["name"]: each for each in rendered if each["kind"] == kind}


def pods(rendered: Iterable[Object]) -> dict[str, Object]:
    """Return the pod template of everything that makes pods, by the component's name."""
    return {
        each["metadata"]["labels"]["app.kubernetes.io/component"]: each["spec"]["template"]
        for each in rendered
        if "template" in each.get("spec", {}) and each["kind"] in {"Deployment", "DaemonSet", "Job"}
    }


def containers(template: Object) -> Iterator[Object]:
    """Yield every container of a pod template."""
    yield from template["spec"].get("initContainers", ())
    yield from template["spec"]["containers"]


def selects(selector: Mapping[str, str], template: Object) -> bool:
    """Whether labels select the pods of a template."""
    return bool(selector) and selector.items() <= template["metadata"]["labels"].items()
