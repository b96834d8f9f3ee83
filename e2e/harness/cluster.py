"""What a suite may ask of any cluster, whoever provides it."""

import json
import os
import signal
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Protocol

from harness.command import HarnessError, run
from harness.images import Image


class Provider(Protocol):
    """Where a cluster comes from and goes to."""

    name: str

    def start(self) -> None:
        """Bring the cluster up, or take up one that runs already."""

    def stop(self) -> None:
        """Take away what ``start`` brought."""

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig."""

    def program(self, name: str) -> Path:
        """Return a program that ``builds`` knows, built if need be."""

    @property
    def kubectl_program(self) -> Path:
        """A kubectl of the cluster's version, or near it."""

    def load(self, images: Iterable[Image]) -> None:
        """Make images known to every node."""

    def components(self) -> "Components | None":
        """Return the cluster's own programs, where the provider can end and restart them."""


class Components(Protocol):
    """The programs of a cluster, for tests of what happens without them."""

    def kill(self, name: str) -> None:
        """End one at once, as a crash does."""

    def resume(self, name: str) -> None:
        """Start one that was ended, and wait until it is ready."""

    def restart(self, name: str) -> None:
        """End one in order and start it again; return when it is ready."""

    def wait(self, name: str) -> None:
        """Wait until one does its work."""

    def signal_container(self, container_id: str, number: signal.Signals) -> None:
        """Send a signal to every process of a container, e.g. SIGSTOP and SIGCONT."""


class Cluster:
    """A running cluster: what all suites use."""

    def __init__(self, provider: Provider) -> None:
        self.provider = provider

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig."""
        return self.provider.kubeconfig

    @property
    def environment(self) -> dict[str, str]:
        """Environment in which kubectl, helm and our own tools find the cluster, plugins included."""
        program = self.provider.kubectl_program
        return {
            **os.environ,
            "KUBECONFIG": str(self.kubeconfig),
            "PATH": f"{program.parent}:{os.environ['PATH']}",
        }

    def kubectl(
        self,
        *arguments: str | Path,
        stdin: str | None = None,
        check: bool = True,
        timeout_seconds: float = 60,
    ) -> str:
        """Run kubectl as the administrator; return what it printed."""
        return run(
            [self.provider.kubectl_program, *arguments],
            stdin=stdin,
            env=self.environment,
            check=check,
            timeout_seconds=timeout_seconds,
        )

    def get(self, *arguments: str) -> Any:
        """Return what ``kubectl get`` finds, as data."""
        return json.loads(self.kubectl("get", "-o", "json", *arguments))

    def apply(self, *objects: dict[str, Any], namespace: str | None = None) -> None:
        """Apply objects on the server's side, strictly."""
        manifest = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)})
        where = ("--namespace", namespace) if namespace else ()
        self.kubectl("apply", "--server-side", "--validate=strict", *where, "-f", "-", stdin=manifest)

    def make_namespace(self, name: str) -> None:
        """Make a namespace; pods may be made in it at once."""
        self.kubectl("create", "namespace", name)
        self.kubectl("wait", "--for=create", "serviceaccount/default", "-n", name, "--timeout=50s")

    def load(self, *images: Image) -> None:
        """Make images known to every node."""
        self.provider.load(images)

    @property
    def components(self) -> Components:
        """The cluster's own programs; raise ``HarnessError`` where they are out of reach."""
        if (components := self.provider.components()) is None:
            raise HarnessError(f"the provider {self.provider.name} cannot restart the cluster's programs")
        return components

    def restart(self, name: str) -> None:
        """Restart one of the cluster's programs, e.g. kube-apiserver; return when it is ready."""
        self.components.restart(name)

    def freeze(self, namespace: str, pod: str, container: str | None = None) -> None:
        """Stop every process of a pod's container where it stands (SIGSTOP)."""
        self._signal(namespace, pod, container, signal.SIGSTOP)

    def thaw(self, namespace: str, pod: str, container: str | None = None) -> None:
        """Let a frozen container go on (SIGCONT)."""
        self._signal(namespace, pod, container, signal.SIGCONT)

    def kill_container(self, namespace: str, pod: str, container: str | None = None) -> None:
        """Kill every process of a pod's container; the kubelet starts it again."""
        self._signal(namespace, pod, container, signal.SIGKILL)

    def _signal(self, namespace: str, pod: str, container: str | None, number: signal.Signals) -> None:
        statuses = self.get("pod", "-n", namespace, pod)["status"].get("containerStatuses", [])
        chosen = [each for each in statuses if container in (None, each["name"])]
        if not chosen or not chosen[0].get("containerID"):
            raise HarnessError(f"pod {namespace}/{pod} has no running container {container or ''}")
        self.components.signal_container(chosen[0]["containerID"].partition("://")[2], number)
