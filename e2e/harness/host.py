"""What the machine looks like from outside the cluster: compared before and after, it shows what was left behind."""

import os
from dataclasses import asdict, dataclass
from pathlib import Path

from harness.command import found, run
from harness.process import marked

VOLATILE_SYSCTLS = (
    "fs/dentry-state", "fs/file-nr", "fs/inode-nr", "fs/inode-state", "fs/quota/", "kernel/ns_last_pid", "kernel/pty/nr",
    "kernel/random/", "kernel/perf_event_max_sample_rate", "net/netfilter/nf_conntrack_count", "net/ipv4/neigh/", "net/ipv6/neigh/",
    "vm/stat_refresh", "vm/drop_caches",
)  # fmt: skip
"""Settings that the kernel itself changes all the time, or that a read triggers."""

SHARED_FOLDERS = (
    "/var/lib/kubelet", "/var/lib/kubelet/device-plugins", "/var/log/containers", "/var/log/pods", "/var/lib/cni",
    "/run/containerd", "/run/netns", "/run/flannel", "/opt/cni", "/opt/containerd", "/usr/libexec/kubernetes", "/run/wattline",
    "/var/lib/wattline", "/run/wattline-e2e",
)  # fmt: skip
"""Folders in which Kubernetes, containerd, the CNI plugins or Wattline leave something, or would by their defaults."""


@dataclass(frozen=True, slots=True)
class Host:
    """Everything of the machine that a cluster changes."""

    mounts: tuple[str, ...]
    links: tuple[str, ...]
    rules: tuple[str, ...]
    """Firewall rules and tables of all families, without counters."""
    cgroups: tuple[str, ...]
    sysctls: dict[str, str]
    folders: tuple[str, ...]
    """Of the shared ones, those that are there."""
    processes: tuple[str, ...]
    """Of the cluster, or started by it."""

    def as_json(self) -> dict[str, object]:
        """Return it in a form that JSON keeps."""
        return asdict(self)

    @classmethod
    def from_json(cls, raw: dict[str, object]) -> "Host":
        """Read what ``as_json`` gave."""
        return cls(**{key: tuple(value) if isinstance(value, list) else value for key, value in raw.items()})  # type: ignore[arg-type]  # our own file

    def left_since(self, before: "Host") -> list[str]:
        """Return what is there or set now and was not before, one sentence each."""
        left = [
            f"{what} {name}"
            for what, now, then in (
                ("mount", self.mounts, before.mounts),
                ("link", self.links, before.links),
                ("rule", self.rules, before.rules),
                ("cgroup", self.cgroups, before.cgroups),
                ("folder", self.folders, before.folders),
                ("process", self.processes, before.processes),
            )
            for name in sorted(set(now) - set(then))
        ]
        changed = [
            key
            for key in sorted(self.sysctls)
            if self.sysctls[key] != before.sysctls.get(key, self.sysctls[key])
        ]
        left += [f"sysctl {key} = {self.sysctls[key]}, was {before.sysctls[key]}" for key in changed]
        return left


def look(root: Path) -> Host:
    """Return the machine as it is; of the processes those of the cluster in this folder."""
    return Host(
        mounts=tuple(mounts()),
        links=tuple(entry.name for entry in sorted(Path("/sys/class/net").iterdir())),
        rules=tuple(rules()),
        cgroups=tuple(kubepods()),
        sysctls=sysctls(),
        folders=tuple(folder for folder in SHARED_FOLDERS if os.path.lexists(folder)),
        processes=tuple(f"{each.pid} {_name(each.pid)}" for each in marked(root)),
    )


def mounts(below: Path | None = None) -> list[str]:
    """Return the mount points, all or those at and below a folder, in the order they were mounted."""
    points = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    return [point for point in points if below is None or f"{point}/".startswith(f"{below}/")]


def kubepods() -> list[str]:
    """Return the cgroups of pods in every hierarchy."""
    return sorted(
        str(path) for depth in ("kubepods", "*/kubepods") for path in Path("/sys/fs/cgroup").glob(depth)
    )


def rules() -> list[str]:
    """Return every firewall rule, chain and table there is."""
    lines: list[str] = []
    for family in ("", "6"):
        if found(f"ip{family}tables-save"):
            saved = run([f"ip{family}tables-save"], check=False)
            lines += [
                f"ip{family} {line.split(' [')[0]}" for line in saved.splitlines() if not line.startswith("#")
            ]
    if found("nft"):
        lines += [f"nft {line}" for line in run(["nft", "list", "tables"], check=False).splitlines()]
    return lines


def listening() -> list[int]:
    """Return every TCP port that somebody listens on."""
    tables = [Path("/proc/net", name).read_text().splitlines()[1:] for name in ("tcp", "tcp6")]
    sockets = [line.split() for table in tables for line in table]
    return [int(fields[1].rpartition(":")[2], 16) for fields in sockets if fields[3] == "0A"]


def sysctls() -> dict[str, str]:
    """Return every kernel setting that keeps its value by itself."""
    values: dict[str, str] = {}
    for folder, _, files in os.walk("/proc/sys"):
        for name in files:
            path = Path(folder, name)
            key = str(path.relative_to("/proc/sys"))
            if not key.startswith(VOLATILE_SYSCTLS) and path.stat().st_mode & 0o444:
                try:
                    values[key] = path.read_text().strip()
                except OSError:
                    continue
    return values


def _name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return "?"
