"""How each step of the start is taken back. Every function may run after any crash, and any number of times."""

import os
import shutil
import signal
from collections.abc import Mapping
from pathlib import Path

from harness import host
from harness.command import HarnessError, found, run, say, wait_until
from harness.containers import Containers
from harness.journal import Undo
from harness.process import Processes, marked
from harness.settings import PLUGIN_DIR, Settings

OURS = ("KUBE-", "CNI-")
"""Parts of the names of the chains that kube-proxy and the CNI plugins make."""


class Undoing:
    """The steps of one cluster, backwards."""

    def __init__(self, settings: Settings, processes: Processes, containers: Containers) -> None:
        self._settings, self._processes, self._containers = settings, processes, containers

    def steps(self) -> Mapping[str, Undo]:
        """Return every step by the name under which the journal keeps it."""
        return {
            "end": self.end,
            "pods": self.pods,
            "containers": self.containers,
            "mounts": self.mounts,
            "cgroups": self.cgroups,
            "link": self.link,
            "rules": self.rules,
            "sysctls": self.sysctls,
            "folders": self.folders,
            "files": self.files,
        }

    def end(self, name: str, grace: str = "10") -> None:
        """End one of the cluster's programs."""
        self._processes.end(name, grace_seconds=float(grace))

    def pods(self) -> None:
        """Take the pods down in order while the kubelet can do it (CNI DEL, unmounting); nothing may make new ones."""
        for name in ("kube-controller-manager", "kube-scheduler"):
            self._processes.end(name)
        if not all(self._processes.alive(name) for name in ("containerd", "kubelet", "kube-apiserver")):
            return
        if self._containers.ended:
            return
        kubectl = self._settings.root / "bin/kubectl"
        try:
            whose = f"--field-selector=spec.nodeName={self._settings.node}"
            how = ("--grace-period=1", "--wait=false", "--request-timeout=10s")
            delete = ("delete", "pods", "--all-namespaces", whose, *how)
            run([kubectl, f"--kubeconfig={self._settings.kubeconfig}", *delete], timeout_seconds=20)
            wait_until(lambda: self._containers.ended, "the end of the pods", timeout_seconds=30)
        except HarnessError as error:
            say(f"ending pods by force: {error}")

    def containers(self) -> None:
        """End what the kubelet did not: containers, containerd, its shims and what they left running."""
        groups = self._containers.cgroups
        sockets = self._containers.shim_sockets
        if self._processes.alive("containerd"):
            self._containers.end_all()
        self._processes.end("containerd")
        for identity in marked(self._settings.root):
            if "containerd-shim" in _command_line(identity.pid):
                identity.end(grace_seconds=0)
        for group in groups:
            for process in _processes_in(group):
                _kill(process)
        for path in sockets:
            path.unlink(missing_ok=True)
        self._containers.forget_addresses()

    def mounts(self) -> None:
        """Unmount everything below the cluster's folder, deepest and latest first."""
        for _ in range(3):
            for point in reversed(host.mounts(self._settings.root)):
                run(["umount", "--lazy", point], check=False)
        if left := host.mounts(self._settings.root):
            raise HarnessError(f"still mounted: {', '.join(left)}")

    def cgroups(self, before: list[str]) -> None:
        """Remove the pods' cgroups that were not there before."""
        groups = [Path(group) for group in host.kubepods() if group not in before]
        for group in groups:
            wait_until(lambda group=group: _removed(group), f"removal of {group}", timeout_seconds=5)  # type: ignore[misc]  # mypy sees no type for the bound default

    def link(self, name: str) -> None:
        """Delete a network device; the other ends of its cables go with their namespaces."""
        if Path("/sys/class/net", name).exists():
            run(["ip", "link", "delete", name])

    def rules(self, tables: list[str]) -> None:
        """Remove our firewall chains and leave everybody else's rules, with their counters, as they stand; then the
        tables that were made for us and are empty now.
        """
        for family in ("", "6"):
            if not found(f"ip{family}tables-save"):
                continue
            saved = run([f"ip{family}tables-save", "-c"], check=False).splitlines()
            others = [line for line in saved if not any(name in line for name in OURS)]
            if len(others) != len(saved):
                run([f"ip{family}tables-restore", "-c"], stdin="\n".join(others) + "\n")
        if found("nft"):
            for table in run(["nft", "list", "tables"], check=False).splitlines():
                if table not in tables and table.startswith(("table ip ", "table ip6 ")):
                    words = table.split()
                    if not _has_rules(run(["nft", "list", *words], check=False)):
                        run(["nft", "delete", *words])

    def sysctls(self, values: list[str]) -> None:
        """Give the kernel's settings the values they had."""
        for each in values:
            key, _, value = each.partition("=")
            path = Path("/proc/sys", key)
            if path.exists() and path.read_text().strip() != value:
                path.write_text(value)

    def folders(self, absent: list[str]) -> None:
        """Remove our files from shared folders, and those folders that were not there before."""
        for name in ("kubelet.sock", "kubelet_internal_checkpoint", "fakegpu.sock"):
            (PLUGIN_DIR / name).unlink(missing_ok=True)
        logs = Path("/var/log/containers")
        for link in logs.iterdir() if logs.is_dir() else ():
            if link.is_symlink() and str(link.readlink()).startswith(f"{self._settings.logs}/"):
                link.unlink()
        for folder in sorted(absent, reverse=True):
            shutil.rmtree(folder, ignore_errors=True)

    def files(self) -> None:
        """Remove the cluster's own folder."""
        if host.mounts(self._settings.root):
            raise HarnessError("mounts are left below the cluster's folder; it stays")
        shutil.rmtree(self._settings.root, ignore_errors=True)


def _command_line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def _processes_in(group: Path) -> list[int]:
    try:
        return [int(pid) for pid in (group / "cgroup.procs").read_text().split()]
    except OSError:
        return []


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def _removed(group: Path) -> bool:
    for folder, _, _ in os.walk(group, topdown=False):
        try:
            Path(folder).rmdir()
        except OSError:
            continue
    return not group.exists()


def _has_rules(table: str) -> bool:
    """Whether a listed table holds more than empty chains."""
    inside = [line.strip() for line in table.splitlines()[1:]]
    return any(line and line != "}" and not line.startswith(("chain ", "type ")) for line in inside)
