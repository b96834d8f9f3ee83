"""containerd of one cluster: its configuration, images, and what of it is still there."""

import os
from pathlib import Path

from harness import host
from harness.command import run
from harness.settings import Settings

NAMESPACE = "k8s.io"
"""Where the kubelet looks; images anywhere else are invisible to it."""

PAUSE = "localhost/pause:1"
INPUTS = "wattline.dev/inputs"
"""Label of an image: hash of what it was made from."""

CONFIG = """\
version = 2
root = "{images}"
state = "{root}/containerd/state"

[grpc]
  address = "{socket}"

[plugins."io.containerd.internal.v1.opt"]
  path = "{root}/containerd/opt" # else it makes /opt/containerd

[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{pause}"
  restrict_oom_score_adj = true       # without CAP_SYS_RESOURCE no sandbox starts otherwise
  netns_mounts_under_state_dir = true # else network namespaces are mounted in /run/netns
  stream_server_address = "127.0.0.1"

  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni" # Debian's folder; containerd's default is /opt/cni/bin
    conf_dir = "{root}/cni"

  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"

    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"

      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        SystemdCgroup = false
        Root = "{root}/containerd/runc" # else /run/containerd/runc
"""
"""For containerd 1.6 and 1.7, as Debian has them."""


class Containers:
    """What containerd holds. Its images stay when the cluster goes, so that the next start imports nothing."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def configure(self) -> Path:
        """Write the configuration and return its path."""
        path = self._settings.root / "containerd/config.toml"
        path.parent.mkdir(parents=True, exist_ok=True)
        images = self._settings.cache / "containerd"
        path.write_text(
            CONFIG.format(root=self._settings.root, images=images, socket=self._settings.socket, pause=PAUSE)
        )
        return path

    def ctr(self, *arguments: str | Path, timeout_seconds: float = 120, check: bool = True) -> str:
        """Run containerd's own client."""
        command = ["ctr", "-a", self._settings.socket, "-n", NAMESPACE, *arguments]
        return run(command, timeout_seconds=timeout_seconds, check=check)

    @property
    def answers(self) -> bool:
        """Whether containerd serves."""
        return self._settings.socket.exists() and self.ctr("version", timeout_seconds=5, check=False) != ""

    def has(self, image: str, inputs: str) -> bool:
        """Whether an image is there, made from just these inputs."""
        listed = self.ctr("images", "ls", f'name=={image},labels."{INPUTS}"=={inputs}', "-q")
        return image in listed.split()

    def load(self, image: str, archive: Path, inputs: str) -> None:
        """Import an image, in the place of an older one of that name."""
        self.ctr("images", "import", archive)
        self.ctr("images", "label", image, f"{INPUTS}={inputs}")

    @property
    def ended(self) -> bool:
        """Whether no pod runs any more. Ended containers stay listed for a while, so tasks are what counts; and
        network namespaces, because CNI takes those down after the last task.
        """
        tasks = self.ctr("tasks", "ls", "-q", check=False).strip()
        return not tasks and not any("/netns/" in point for point in host.mounts(self._settings.root))

    def pids(self, container: str) -> list[int]:
        """Return every process of a running container."""
        listed = self.ctr("tasks", "ps", container, check=False).splitlines()[1:]
        return [int(line.split()[0]) for line in listed]

    def end_all(self) -> None:
        """End and remove every container."""
        for name in self.ctr("containers", "ls", "-q", check=False).split():
            self.ctr("tasks", "kill", "--signal", "KILL", name, check=False)
            self.ctr("tasks", "delete", "--force", name, check=False)
            self.ctr("containers", "delete", name, check=False)

    @property
    def _bundles(self) -> list[Path]:
        """One folder for each container that was not taken down."""
        tasks = self._settings.root / f"containerd/state/io.containerd.runtime.v2.task/{NAMESPACE}"
        return sorted(tasks.iterdir()) if tasks.is_dir() else []

    @property
    def cgroups(self) -> list[Path]:
        """The cgroups of containers that were not taken down."""
        names = {bundle.name for bundle in self._bundles}
        return [
            Path(folder, name)
            for top in host.kubepods()
            for folder, folders, _ in os.walk(top)
            for name in folders
            if name in names
        ]

    @property
    def shim_sockets(self) -> list[Path]:
        """The sockets of the shims of containers that were not taken down; their names are hashes."""
        addresses = [bundle / "address" for bundle in self._bundles]
        return [Path(each.read_text().removeprefix("unix://")) for each in addresses if each.exists()]

    def forget_addresses(self) -> None:
        """Remove what the CNI plugins noted for containers that were cut off."""
        for bundle in self._bundles:
            for result in Path("/var/lib/cni/results").glob(f"*-{bundle.name}-*"):
                result.unlink(missing_ok=True)
