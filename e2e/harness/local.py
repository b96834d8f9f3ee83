"""A cluster on this machine: a real API server, kubelet and containerd from the programs that `builds` makes."""

import json
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from harness import builds, host, preflight
from harness.command import HarnessError, run, say, wait_until
from harness.components import Components
from harness.containers import PAUSE, Containers
from harness.control import Control
from harness.gpus import GpuPlugin
from harness.images import Image, Images
from harness.journal import Journal
from harness.pki import Pki
from harness.process import Processes
from harness.settings import PLUGIN_DIR, Settings
from harness.signs import Signs
from harness.undo import Undoing

LINKS = (
    "etcd",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kubelet",
    "kube-proxy",
    "kubectl",
)
"""Names under which the one binary acts."""

SYSCTLS = (
    "vm/overcommit_memory", "vm/panic_on_oom", "kernel/panic", "kernel/panic_on_oops", "kernel/keys/root_maxkeys",
    "kernel/keys/root_maxbytes", "net/ipv4/ip_forward", "net/ipv4/conf/all/forwarding", "net/ipv4/conf/all/route_localnet",
    "net/bridge/bridge-nf-call-iptables", "net/netfilter/nf_conntrack_tcp_be_liberal",
)  # fmt: skip
"""Kernel settings that kubelet, kube-proxy and the CNI plugins change."""


class Local:
    """The cluster of these settings: started by one program, used and taken away by any."""

    name = "local"

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = settings or Settings()
        self._pki = Pki(self.settings)
        self._commands = Components(self.settings, self._pki)
        self._containers = Containers(self.settings)
        self._images = Images(self.settings.cache)
        self.processes = Processes(self.settings.run, self.settings.logs, self.settings.root)
        steps = Undoing(self.settings, self.processes, self._containers).steps()
        self._journal = Journal(self.settings.cache / "cluster.journal", steps)
        self._signs = Signs(self.settings, self._pki, self._containers)
        self._control = Control(self.processes, self._containers, self._signs.ready)

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig."""
        return self.settings.kubeconfig

    @property
    def kubectl_program(self) -> Path:
        """The kubectl of the cluster's own version."""
        return self._commands.program("kubectl")

    @property
    def pod_resources_dir(self) -> Path:
        """Folder of the socket at which the kubelet says which pod has which GPUs."""
        return self.settings.root / "kubelet/pod-resources"

    def components(self) -> Control:
        """Return the cluster's own programs."""
        return self._control

    @property
    def running(self) -> bool:
        """Whether the cluster is up and answers; a busy or restarted API server has a moment to do so."""
        if not (self._journal.pending and all(map(self.processes.alive, ("kubelet", "kube-apiserver")))):
            return False
        try:
            wait_until(lambda: self._signs.ready("kube-apiserver"), "the API server", timeout_seconds=10)
        except HarnessError:
            return False
        return True

    def start(self) -> None:
        """Bring the cluster up; one that runs already is taken up as it is."""
        if self.running:
            return
        if self._journal.pending:
            raise HarnessError("a cluster was left behind here or does not answer: run `make e2e-down` first")
        preflight.check(self.settings)
        tools = {name: builds.ensure(name, self.settings.cache) for name in builds.CLUSTER}
        before = host.look(self.settings.root)
        try:
            self._up(tools, before)
        except BaseException:
            say("the start failed; taking everything back")
            self.stop()
            raise

    def stop(self) -> None:
        """Take everything away, however far the start came; raise ``HarnessError`` if anything is left."""
        if not self._journal.pending:
            say("no cluster here")
            return
        note = self.settings.cache / "host-before.json"
        failed = self._journal.unwind()
        left = host.look(self.settings.root).left_since(host.Host.from_json(json.loads(note.read_text())))
        if failed or left:
            raise HarnessError("left behind:\n  " + "\n  ".join([*failed, *left]))
        note.unlink()
        say("cluster down, nothing left")

    def load(self, images: Iterable[Image]) -> None:
        """Make images and import them, those that are new."""
        for image in images:
            inputs = self._images.inputs(image)
            if not self._containers.has(image.name, inputs):
                self._containers.load(image.name, self._images.archive(image), inputs)
                say(f"image {image.name} imported")

    def run_program(self, name: str, argv: list[str | Path]) -> None:
        """Run one more program beside the cluster's own, such as kwok; it ends with the cluster at the latest."""
        self._journal.announce("end", name=name)
        self.processes.start(name, argv)

    def program(self, name: str) -> Path:
        """Return a program that `builds` knows, built if need be."""
        return builds.ensure(name, self.settings.cache)

    def _up(self, tools: dict[str, Path], before: host.Host) -> None:
        settings = self.settings
        self._announce(before)
        for folder in (settings.run, settings.logs / "pods", settings.root / "bin", settings.root / "etcd"):
            folder.mkdir(parents=True, exist_ok=True)
        for log in settings.logs.glob("*.log"):
            log.unlink()
        for name in LINKS:
            self._commands.program(name).symlink_to(tools["kubeall"])
        for name in ("fakegpu", "coredns"):
            self._commands.program(name).symlink_to(tools[name])
        self._pki.ensure()
        self._commands.configure()
        with ThreadPoolExecutor(1) as pool:
            node = pool.submit(self._containerd)
            self._network()
            self._control_plane()
            node.result()
        self._node()

    def _announce(self, before: host.Host) -> None:
        """Write down how the machine is, and every undo that stands from the beginning to the end."""
        self.settings.cache.mkdir(parents=True, exist_ok=True)
        (self.settings.cache / "host-before.json").write_text(json.dumps(before.as_json()))
        announce = self._journal.announce
        announce("files")
        announce("folders", absent=[each for each in host.SHARED_FOLDERS if each not in before.folders])
        announce(
            "sysctls", values=[f"{key}={before.sysctls[key]}" for key in SYSCTLS if key in before.sysctls]
        )
        announce(
            "rules", tables=[rule.removeprefix("nft ") for rule in before.rules if rule.startswith("nft ")]
        )
        announce("link", name=self.settings.bridge)
        announce("cgroups", before=list(before.cgroups))
        announce("mounts")
        announce("end", name="etcd")
        announce("end", name="kube-apiserver", grace="1")  # else it waits for watches, for data we throw away
        announce("containers")
        for name in (
            "kube-controller-manager",
            "kube-scheduler",
            "kube-proxy",
            "coredns",
            "fakegpu",
            "kubelet",
        ):
            announce("end", name=name)
        announce("pods")

    def _network(self) -> None:
        """Make the bridge that the CNI plugin would make with the first pod: so the node has its address at once."""
        settings = self.settings
        Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
        run(["ip", "link", "add", settings.bridge, "type", "bridge"])
        run(
            [
                "ip",
                "address",
                "add",
                f"{settings.node_ip}/{settings.pod_cidr.partition('/')[2]}",
                "dev",
                settings.bridge,
            ]
        )
        run(["ip", "link", "set", settings.bridge, "up"])

    def _containerd(self) -> None:
        self.processes.start("containerd", ["containerd", "-c", self._containers.configure()])
        self.processes.wait("containerd", lambda: self._containers.answers)
        self._containers.end_all()  # of a cluster that was cut off
        archive, inputs = self._images.pause()
        if not self._containers.has(PAUSE, inputs):
            self._containers.load(PAUSE, archive, inputs)
        say("containerd ready")

    def _control_plane(self) -> None:
        commands = self._commands
        self.processes.start("etcd", commands.etcd())
        self._await("etcd")
        self.processes.start("kube-apiserver", commands.apiserver())
        self._await("kube-apiserver")
        say("API server ready")
        self.processes.start("kube-controller-manager", commands.controller_manager())
        self.processes.start("kube-scheduler", commands.scheduler())

    def _node(self) -> None:
        settings, commands = self.settings, self._commands
        gpus = GpuPlugin(settings)
        gpus.prepare()
        self.processes.start("kubelet", commands.kubelet())
        self.processes.start("kube-proxy", commands.kube_proxy())
        self.processes.start("coredns", commands.coredns())
        self.processes.wait("kubelet", (PLUGIN_DIR / "kubelet.sock").exists)
        self.processes.start("fakegpu", commands.fakegpu(gpus.uuids))
        self._await("kubelet")
        self._await("fakegpu")
        self._await("coredns")
        self.processes.wait(  # without it no pod is admitted
            "kube-controller-manager",
            self._signs.default_account,
        )
        say(f"node {settings.node} ready with {settings.gpus} GPUs")

    def _await(self, name: str) -> None:
        self.processes.wait(name, lambda: self._signs.ready(name))
