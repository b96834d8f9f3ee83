"""One node for tests of the agent as it runs: GPUs on the fake driver, a state folder, and the agents started on it."""

import os
import signal
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from wattline.api.powernode import GpuOrder, LeaseRef, NodeState, PowerNodeSpec, PowerNodeStatus
from wattline.fake.nvml import MAPPING_VARIABLE, Faults, GpuBank
from wattline.model.bounds import bound_watts
from wattline.world.gpu import PRODUCTS

SPEED = 20.0
"""World seconds to a second; a lease of 60 s lasts 3."""
UUIDS = ("GPU-0", "GPU-1")
PRODUCT = PRODUCTS["h100"].device_name


@dataclass
class Box:
    """One node: its GPUs, its state folder, a lease that somebody renews, and the agents started on it."""

    state: Path
    bank: GpuBank
    library: Path
    agents: list[subprocess.Popen[bytes]] = field(default_factory=list)
    renewing: bool = True
    renewals: int = 0
    stop: threading.Event = field(default_factory=threading.Event)

    def start(self, *flags: str, node: str = "n1", **popen) -> subprocess.Popen[bytes]:
        """Start an agent; its words go to a pipe."""
        environment = os.environ | {
            "LD_LIBRARY_PATH": str(self.library.parent),
            MAPPING_VARIABLE: str(self.bank.mapping.path),
            "WATTLINE_RUNTIME_DIR": str(self.state / "run"),
        }
        command = [
            sys.executable,
            "-m",
            "wattline_agent.main",
            "run",
            "--node",
            node,
            "--state",
            str(self.state),
        ]
        command += ["--listen", "127.0.0.1:0", "--speed", str(SPEED), *flags]
        agent = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, **popen)
        self.agents.append(agent)
        return agent

    def order(self, budget_watts: float, generation: int = 1, **changes) -> None:
        """Order as balance does."""
        spec = ordered(budget_watts, **changes)
        meta = {"name": "n1", "generation": generation, "uid": "u"}
        self.put("powernodes/n1.yaml", {"kind": "PowerNode", "metadata": meta, "spec": spec})

    def put(self, name: str, thing: object) -> None:
        path = self.state / name
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        part.write_text(yaml.safe_dump(thing))
        part.replace(path)

    def renew(self) -> None:
        """Renew the lease ten times a second until the test ends."""
        while not self.stop.wait(0.1):
            if self.renewing:
                self.renewals += 1
                self.put("leases/box.yaml", {"renewals": self.renewals, "holder": "test", "epoch": 1})

    def status(self, node: str = "n1") -> PowerNodeStatus | None:
        try:
            text = (self.state / f"powernodes/{node}.status.yaml").read_text()
        except FileNotFoundError:
            return None
        return PowerNodeStatus.model_validate(yaml.safe_load(text)["status"])

    def get(self, path: str) -> str:
        status = self.status()
        assert status is not None
        with urllib.request.urlopen(f"{status.address}{path}", timeout=5) as answer:
            return answer.read().decode()

    def limits(self) -> list[float]:
        return [self.bank.mapping.settings(index).limit_watts for index in range(len(UUIDS))]

    def locks(self) -> list[int | None]:
        locked = [self.bank.mapping.settings(index).locked_mhz for index in range(len(UUIDS))]
        return [None if pair is None else pair[1] for pair in locked]

    def untouched(self) -> bool:
        return self.limits() == [700.0, 700.0] and self.locks() == [None, None]

    def held(self, budget_watts: float = 1000.0) -> bool:
        """Whether the order is in force: limits inside the budget, clocks at their bound, and told so."""
        inside = sum(bound_watts(PRODUCT, watts, 700.0) for watts in self.limits()) <= budget_watts
        status = self.status()
        told = status is not None and status.state is NodeState.ENFORCING
        return inside and self.locks() == [1500, 1500] and told


@contextmanager
def opened(state: Path, bank: GpuBank, library: Path) -> Iterator[Box]:
    """A box whose lease is renewed; at the end no fault stands and no agent of it runs."""
    box = Box(state, bank, library)
    renewer = threading.Thread(target=box.renew)
    renewer.start()
    yield box
    box.stop.set()
    renewer.join()
    Faults(bank.mapping).clear()
    for agent in box.agents:
        if agent.poll() is None:
            agent.send_signal(signal.SIGTERM)
        with suppress(ValueError):
            agent.communicate(timeout=20)


def spec(budget_watts: float, **changes) -> PowerNodeSpec:
    """An enforcing order for both GPUs."""
    calm = {
        "epoch": 1,
        "lease": LeaseRef(name="box", duration_seconds=60),
        "enforce": True,
        "budget_watts": budget_watts,
        "highest_sent_watts": budget_watts,
        "failsafe_watts": 500.0,
        "gpus": tuple(GpuOrder(uuid=uuid, group=uuid, clock_mhz_max=1500) for uuid in UUIDS),
    }
    return PowerNodeSpec(**calm | changes)


def ordered(budget_watts: float, **changes) -> dict:
    """An enforcing order for both GPUs, as JSON."""
    return spec(budget_watts, **changes).model_dump(mode="json", by_alias=True)


def children(pid: int) -> dict[str, int]:
    """Return the agent's processes by their part."""
    parts: dict[str, int] = {}
    for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        words = Path(f"/proc/{each}/cmdline").read_text().split("\0")
        parts |= {word.rpartition(".")[2]: int(each) for word in words if word.startswith("wattline_agent.")}
    return parts


def gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def ended(agent: subprocess.Popen[bytes]) -> tuple[int, str]:
    """Wait for an agent to end; return its code and its words."""
    _, said = agent.communicate(timeout=20)
    return agent.returncode, said.decode()
