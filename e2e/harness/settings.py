"""Where the harness keeps things and which addresses it takes; everything about the place, nothing else."""

import os
from dataclasses import dataclass, field
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
E2E = REPOSITORY / "e2e"


def _cache() -> Path:
    named = os.environ.get("WATTLINE_E2E_CACHE")
    return Path(named).resolve() if named else Path.home() / ".cache/wattline/e2e"


@dataclass(frozen=True, slots=True)
class Settings:
    """One cluster's place on the machine. Two clusters on one machine are not possible: iptables and the folder
    of the device plugins are the machine's.
    """

    cache: Path = field(default_factory=_cache)
    """What may be kept between runs: programs, images, certificates."""

    node: str = "node1"
    bridge: str = "wattline-e2e"
    node_ip: str = "10.244.0.1"
    """The bridge's address; API server, kubelet and DNS listen on it alone."""
    pod_cidr: str = "10.244.0.0/24"
    service_cidr: str = "10.96.0.0/16"
    service_ip: str = "10.96.0.1"
    """Address of the Service `kubernetes`: the first of the range."""
    api_port: int = 16443
    etcd_port: int = 12379
    controller_manager_port: int = 16257
    scheduler_port: int = 16259
    kubelet_port: int = 10250
    kubelet_health_port: int = 10248
    proxy_metrics_port: int = 10249
    proxy_health_port: int = 10256
    dns_health_port: int = 10255
    gpus: int = 8
    """Fake GPUs of the node."""
    gpu_seed: int = 0
    """Seed of their names; a world of the same node and seed has the same GPUs."""
    fake_state: Path = Path("/run/wattline-e2e")
    """Folder of the node that holds the fake driver (`lib`) and the world's state (`fake/NODE.gpus`)."""

    @property
    def root(self) -> Path:
        """Folder of the running cluster; all of it goes with the cluster, the logs excepted."""
        return self.cache / "cluster"

    @property
    def run(self) -> Path:
        """Identities and commands of the processes, and the journal of what is to be undone."""
        return self.root / "run"

    @property
    def logs(self) -> Path:
        """Logs of the processes and pods; kept until the next start."""
        return self.cache / "logs"

    @property
    def pki(self) -> Path:
        """Certificates and keys."""
        return self.cache / "pki"

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig."""
        return self.pki / "admin.kubeconfig"

    @property
    def socket(self) -> Path:
        """Where containerd listens."""
        return self.root / "containerd/c.sock"

    @property
    def ports(self) -> tuple[int, ...]:
        """Every port of the machine that the cluster listens on."""
        return (
            self.api_port,
            self.etcd_port,
            self.controller_manager_port,
            self.scheduler_port,
            self.kubelet_port,
            self.kubelet_health_port,
            self.proxy_metrics_port,
            self.proxy_health_port,
            self.dns_health_port,
        )


PLUGIN_DIR = Path("/var/lib/kubelet/device-plugins")
"""Hard-coded in the kubelet, whatever its --root-dir."""
