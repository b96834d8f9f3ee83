"""How one sees that a program of the cluster does its work."""

import ssl
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

from harness import host
from harness.command import run
from harness.containers import Containers
from harness.pki import Pki
from harness.settings import Settings


class Signs:
    """Readiness of one cluster's programs."""

    def __init__(self, settings: Settings, pki: Pki, containers: Containers, kubectl: Path) -> None:
        self._settings, self._pki, self._containers, self._program = settings, pki, containers, kubectl

    def ready(self, name: str) -> bool:
        """Whether a program does its work; one of which no sign is known counts as ready once it runs."""
        local, settings = "http://127.0.0.1", self._settings
        signs: dict[str, Callable[[], bool]] = {
            "containerd": lambda: self._containers.answers,
            "etcd": lambda: _answers(f"{local}:{settings.etcd_port}/health"),
            "kube-apiserver": self._api,
            "kube-scheduler": lambda: settings.scheduler_port in host.listening(),
            "kube-controller-manager": lambda: settings.controller_manager_port in host.listening(),
            "kubelet": lambda: self._node('{.status.conditions[?(@.type=="Ready")].status}') == "True",
            "fakegpu": lambda: self._node(r"{.status.allocatable.nvidia\.com/gpu}") == str(settings.gpus),
            "coredns": lambda: _answers(f"{local}:{settings.dns_health_port}/health"),
            "kube-proxy": lambda: _answers(f"{local}:{settings.proxy_health_port}/healthz"),
        }
        return signs.get(name, lambda: True)()

    def default_account(self) -> bool:
        """Whether pods are admitted to the default namespace."""
        return self._kubectl("get", "serviceaccount", "default", "-o", "name") != ""

    def _api(self) -> bool:
        if not Path(self._pki.file("ca.crt")).exists():
            return False
        context = ssl.create_default_context(cafile=self._pki.file("ca.crt"))
        context.load_cert_chain(self._pki.file("admin.crt"), self._pki.file("admin.key"))
        return _answers(f"https://{self._settings.node_ip}:{self._settings.api_port}/readyz", context)

    def _node(self, path: str) -> str:
        return self._kubectl("get", "node", self._settings.node, "-o", f"jsonpath={path}")

    def _kubectl(self, *arguments: str) -> str:
        return run([self._program, f"--kubeconfig={self._settings.kubeconfig}", *arguments], check=False)


def _answers(url: str, context: ssl.SSLContext | None = None) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2, context=context) as response:
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError):
        return False
