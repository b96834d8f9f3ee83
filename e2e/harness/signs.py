"""How one sees that a program of the cluster does its work."""

import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from harness import host
from harness.containers import Containers
from harness.pki import Pki
from harness.settings import Settings


class Signs:
    """Readiness of one cluster's programs."""

    def __init__(self, settings: Settings, pki: Pki, containers: Containers) -> None:
        self._settings, self._pki, self._containers = settings, pki, containers

    def ready(self, name: str) -> bool:
        """Whether a program does its work; one of which no sign is known counts as ready once it runs."""
        local, settings = "http://127.0.0.1", self._settings
        signs: dict[str, Callable[[], bool]] = {
            "containerd": lambda: self._containers.answers,
            "etcd": lambda: _answer(f"{local}:{settings.etcd_port}/health") is not None,
            "kube-apiserver": lambda: self._get("/readyz") is not None,
            "kube-scheduler": lambda: settings.scheduler_port in host.listening(),
            "kube-controller-manager": lambda: settings.controller_manager_port in host.listening(),
            "kubelet": self._ready_node,
            "fakegpu": lambda: self._gpus() == settings.gpus,
            "coredns": lambda: _answer(f"{local}:{settings.dns_health_port}/health") is not None,
            "kube-proxy": lambda: _answer(f"{local}:{settings.proxy_health_port}/healthz") is not None,
        }
        return signs.get(name, lambda: True)()

    def default_account(self) -> bool:
        """Whether pods are admitted to the default namespace."""
        return self._get("/api/v1/namespaces/default/serviceaccounts/default") is not None

    def _ready_node(self) -> bool:
        conditions = self._node().get("conditions", ())
        return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)

    def _gpus(self) -> int:
        return int(self._node().get("allocatable", {}).get("nvidia.com/gpu", 0))

    def _node(self) -> dict[str, Any]:
        node = self._get(f"/api/v1/nodes/{self._settings.node}")
        return json.loads(node)["status"] if node else {}

    def _get(self, path: str) -> bytes | None:
        """Return what the API server answers, or None; cheaper than a kubectl for each look."""
        if not Path(self._pki.file("ca.crt")).exists():
            return None
        context = ssl.create_default_context(cafile=self._pki.file("ca.crt"))
        context.load_cert_chain(self._pki.file("admin.crt"), self._pki.file("admin.key"))
        return _answer(f"https://{self._settings.node_ip}:{self._settings.api_port}{path}", context)


def _answer(url: str, context: ssl.SSLContext | None = None) -> bytes | None:
    try:
        with urllib.request.urlopen(url, timeout=2, context=context) as response:
            return bytes(response.read())
    except (urllib.error.URLError, OSError):
        return None
