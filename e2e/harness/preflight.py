"""What must hold before anything of the machine is touched."""

import os
from pathlib import Path

from harness import host
from harness.command import HarnessError, found
from harness.settings import Settings
from harness.undo import OURS

PACKAGES = {
    "containerd": "containerd",
    "ctr": "containerd",
    "runc": "runc",
    "/usr/lib/cni/bridge": "containernetworking-plugins",
    "iptables-save": "iptables",
    "conntrack": "conntrack",
    "nft": "nftables",
    "ip": "iproute2",
    "openssl": "openssl",
    "buildah": "buildah",
    "debootstrap": "debootstrap",
    "gcc": "gcc",
}
"""Debian package of every program that the cluster and its images need."""


def check(settings: Settings) -> None:
    """Raise ``HarnessError`` for whatever stands in the way, in one line that says what to do."""
    if os.geteuid() != 0:
        raise HarnessError(
            "the local cluster needs root: it mounts, makes network namespaces and firewall rules"
        )
    absent = sorted(
        {package for program, package in PACKAGES.items() if not (found(program) or Path(program).is_file())}
    )
    if absent:
        raise HarnessError(f"missing: apt-get install {' '.join(absent)} (or run e2e/requirements.sh)")
    if any(name in rule for rule in host.rules() for name in OURS):
        raise HarnessError(
            "the firewall has KUBE- or CNI- rules already: another cluster runs on this machine"
        )
    if Path("/sys/class/net", settings.bridge).exists():
        raise HarnessError(f"the network device {settings.bridge} exists already")
    if taken := sorted(set(host.listening()) & set(settings.ports)):
        raise HarnessError(f"ports in use: {', '.join(map(str, taken))}")
