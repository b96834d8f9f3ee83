"""Wattline's node agent as the suite sees it: its three processes, or its device process's work in virtual time."""

import ctypes
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from conformance.adapter import Promises, Site, Word
from conformance.machine import PRODUCT
from wattline.api.powernode import (
    EmergencyLevel,
    GpuOrder,
    GpuStatus,
    LeaseRef,
    NodeState,
    Outcome,
    PowerNodeSpec,
    PowerNodeStatus,
)
from wattline.fake.nvml import LIBRARY_NAME
from wattline.model.bounds import bound_watts
from wattline_agent import record
from wattline_agent.boot import boot_id
from wattline_agent.budget import Kind
from wattline_agent.config import Config
from wattline_agent.device import DriverChanged
from wattline_agent.device_process import build, hear
from wattline_agent.governor import Governor
from wattline_agent.messages import EmergencySeen, LeaseSeen, OrderSeen
from wattline_agent.status import status
from wattline_agent.view import view

NODE = "n1"
LEASE_SECONDS = 15.0
LEVEL = EmergencyLevel(level="row", budget_watts=700.0, duration_seconds=86400.0)
_RENEW_SECONDS = 1.0
PROMISES = Promises(
    name="wattline-node-agent",
    lease_seconds=LEASE_SECONDS,
    first_seconds=2 * _RENEW_SECONDS + 2.0,  # a lease holds once its counter is seen to change
    emergency_watts=LEVEL.budget_watts,
    writer="device_process",
    bound_watts=lambda watts: bound_watts(PRODUCT.device_name, watts, PRODUCT.max_watts),
)
_STARTING_SECONDS = 30.0
_WORDS = {
    NodeState.OBSERVING: Word.IDLE,
    NodeState.RELEASED: Word.IDLE,
    NodeState.ENFORCING: Word.CAPPED,
    NodeState.FAILSAFE: Word.FAILSAFE,
    NodeState.DEGRADED: Word.DEGRADED,
    NodeState.WAITING_FOR_DRIVER: Word.DEGRADED,
}
_AS_ASKED = {Word.CAPPED, Word.THERMAL, Word.EMERGENCY}


def ordered(site: Site, watts: float, *, release: bool = False) -> PowerNodeSpec:
    """Return an enforcing order of these watts for all GPUs, a group each."""
    return PowerNodeSpec(
        epoch=1,
        lease=LeaseRef(name="box", duration_seconds=LEASE_SECONDS),
        enforce=True,
        release=release,
        budget_watts=watts,
        highest_sent_watts=watts,
        failsafe_watts=PROMISES.failsafe_watts,
        gpus=tuple(GpuOrder(uuid=uuid, group=uuid, clock_mhz_max=1500) for uuid in site.uuids),
        emergency=(LEVEL,),
    )


def word_of(seen: PowerNodeStatus) -> Word:
    """Return what a status says, in the suite's words; a GPU that is not as asked makes it degraded."""
    word = _WORDS[seen.state]
    if word not in {Word.CAPPED, Word.FAILSAFE}:
        return word
    if any(_amiss(gpu) for gpu in seen.gpus):
        return Word.DEGRADED
    if word is Word.CAPPED and seen.budget_source.startswith(Kind.EMERGENCY):
        return Word.EMERGENCY
    hot = any(gpu.reason.startswith("Emergency: about") for gpu in seen.gpus)
    return Word.THERMAL if hot and word is Word.CAPPED else word


def _amiss(gpu: GpuStatus) -> bool:
    return gpu.outcome in {Outcome.BLOCKED, Outcome.ERROR} or gpu.reason.startswith("Pending")


class Processes:
    """The agent as it runs: orders and leases as files, its status as a file."""

    promises = PROMISES

    def __init__(self, site: Site) -> None:
        self._site = site
        self._state = site.folder / "state"
        self._agent: subprocess.Popen[bytes] | None = None
        with socket.create_server(("127.0.0.1", 0)) as free:
            self._port = free.getsockname()[1]
        self._generation = 0
        self._renewals = 0
        self._renewing = threading.Event()
        self._closing = threading.Event()
        self._renewer = threading.Thread(target=self._renew, daemon=True)
        self._renewer.start()

    def start(self) -> None:
        """Start the supervisor, which starts the others; what one that was killed left behind ends by itself."""
        self._reap()
        command = [sys.executable, "-m", "wattline_agent.main", "run", "--node", NODE]
        command += ["--state", str(self._state), "--speed", str(self._site.speed)]
        command += ["--listen", f"127.0.0.1:{self._port}"]
        # processes that the suite kills again and again are to come back as after a first time
        command += ["--set", "restart_longest_wall_seconds=0.2"]
        environment = self._site.environment() | {"WATTLINE_RUNTIME_DIR": str(self._site.folder / "run")}
        log = (self._site.folder / "agent.log").open("ab")
        with log:
            self._agent = subprocess.Popen(command, env=environment, stderr=log)

    def stop(self) -> None:
        """Have the supervisor end the others."""
        if self._agent is not None and self._agent.poll() is None:
            self._agent.send_signal(signal.SIGTERM)
            self._agent.wait(_STARTING_SECONDS)
        self._reap()

    def close(self) -> None:
        """End what the adapter itself does."""
        self._closing.set()
        self._renewer.join()

    def target(self, watts: float) -> None:
        """Write an order and go on renewing its lease."""
        self._order(ordered(self._site, watts))
        self._renewing.set()

    def end_lease(self) -> None:
        """Stop renewing; the lease ends by the agent's own clock."""
        self._renewing.clear()

    def release(self) -> None:
        """Write an order to put everything back."""
        self._order(ordered(self._site, PRODUCT.max_watts * 2, release=True))
        self._renewing.set()

    def alarm(self) -> None:
        """Write the emergency file."""
        path = self._state / "emergency"
        path.with_suffix(".part").write_text(json.dumps({"level": LEVEL.level}))
        path.with_suffix(".part").replace(path)

    def word(self) -> Word:
        """Ask whether it speaks, then read the status file."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._port}/healthz", timeout=1) as answer:
                if json.load(answer)["state"] == "starting":
                    return Word.SILENT
            raw = yaml.safe_load((self._state / f"powernodes/{NODE}.status.yaml").read_text())
        except OSError:
            return Word.SILENT
        seen = PowerNodeStatus.model_validate(raw["status"])
        word = word_of(seen)
        late = seen.observed_generation != self._generation and word in _AS_ASKED
        return Word.DEGRADED if late else word

    def processes(self) -> Mapping[str, int]:
        """Return supervisor, device process and network process, as far as they run."""
        if self._agent is None or self._agent.poll() is not None:
            return {}
        return {"supervisor": self._agent.pid} | children(self._agent.pid)

    def previous_watts(self) -> Mapping[str, float] | None:
        """Read the record."""
        try:
            found = record.load(self._record(), boot_id(), self._site.speed)
        except record.Unreadable:
            return None
        return {uuid: was.limit_watts for uuid, was in found.gpus.items()}

    def _record(self) -> Path:
        return self._state / "agents" / NODE / "device.json"

    def _reap(self) -> None:
        if self._agent is not None and self._agent.poll() is None:
            return
        self._agent = None

    def _order(self, spec: PowerNodeSpec) -> None:
        self._generation += 1
        meta = {"name": NODE, "generation": self._generation, "uid": "u"}
        order = {"kind": "PowerNode", "metadata": meta, "spec": spec.model_dump(mode="json", by_alias=True)}
        self._put(f"powernodes/{NODE}.yaml", order)

    def _put(self, name: str, thing: Any) -> None:
        path = self._state / name
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        part.write_text(yaml.safe_dump(thing))
        part.replace(path)

    def _renew(self) -> None:
        while not self._closing.wait(_RENEW_SECONDS / self._site.speed):
            if self._renewing.is_set():
                self._renewals += 1
                self._put("leases/box.yaml", {"renewals": self._renewals, "holder": "suite", "epoch": 1})


def children(pid: int) -> dict[str, int]:
    """Return the agent's processes by their part."""
    parts: dict[str, int] = {}
    try:
        pids = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        for each in pids:
            words = Path(f"/proc/{each}/cmdline").read_text().split("\0")
            parts |= {
                word.rpartition(".")[2].removesuffix("_process"): int(each)
                for word in words
                if word.startswith("wattline_agent.")
            }
    except (
        FileNotFoundError,
        ProcessLookupError,
    ):  # it ended before we opened its file, or before we read it
        return parts
    return parts


class Inside:
    """The device process's loop in this process and in virtual time, on the same driver library through ctypes."""

    promises = PROMISES

    def __init__(self, site: Site) -> None:
        self._site = site
        self._starts = 0
        self._at = 0.0
        self._governor: Governor | None = None
        self._order: OrderSeen = OrderSeen()
        self._renewals = 0
        self._renewing = True
        self._renew_at = 0.0
        ctypes.CDLL(str(site.library / LIBRARY_NAME))  # the loader then knows the name
        os.environ.update(site.environment())

    def now(self) -> float:
        """Return the virtual time."""
        return self._at

    async def sleep_until(self, at_seconds: float, **_: Any) -> None:
        """Never called: nobody waits in virtual time."""
        raise NotImplementedError

    def start(self) -> None:
        """Make the loop anew, as after the end of its process."""
        self.stop()
        self._starts += 1
        config = Config(
            node=NODE,
            state=str(self._site.folder / "state"),
            runtime=str(self._site.folder / f"run{self._starts}"),  # a lock of our own would refuse us
        )
        self._governor = build(config, self)
        self._renew_at = self._at

    def stop(self) -> None:
        """Let go of the driver."""
        if self._governor is not None:
            self._governor.hands.close()
            self._governor = None

    def close(self) -> None:
        """Nothing is held."""

    def target(self, watts: float) -> None:
        """Have the order heard."""
        self._say(ordered(self._site, watts))
        self._renewing = True

    def end_lease(self) -> None:
        """Stop renewing."""
        self._renewing = False

    def release(self) -> None:
        """Have an order heard to put everything back."""
        self._say(ordered(self._site, PRODUCT.max_watts * 2, release=True))
        self._renewing = True

    def alarm(self) -> None:
        """Have the signal heard."""
        assert self._governor is not None, "it runs"
        signal = EmergencySeen(level=LEVEL.level, number=1, way="file")
        hear(self._governor, signal.model_dump_json(by_alias=True), self._at)

    def word(self) -> Word:
        """Ask the view as the network process does."""
        if self._governor is None:
            return Word.SILENT
        seen = view(self._governor, boot_id(), self._at)
        source = "" if seen.budget_source is None else seen.budget_source.kind
        return word_of(status(seen, "", self._at, source=source))

    def processes(self) -> Mapping[str, int]:
        """There are none."""
        return {}

    def previous_watts(self) -> Mapping[str, float] | None:
        """Read the record."""
        path = self._site.folder / "state" / "agents" / NODE / "device.json"
        try:
            return {uuid: was.limit_watts for uuid, was in record.load(path, boot_id(), 1.0).gpus.items()}
        except record.Unreadable:
            return None

    def tick(self, at_seconds: float) -> None:
        """Hear order and lease, then look, decide and act once."""
        self._at = at_seconds
        if self._governor is None:
            return
        if at_seconds >= self._renew_at:
            self._renew_at = at_seconds + 1.0  # told as often as the network process tells it
            self._renewals += self._renewing
            hear(self._governor, self._order.model_dump_json(by_alias=True), at_seconds)
            lease = LeaseSeen(name="box", renewals=self._renewals, epoch=1)
            hear(self._governor, lease.model_dump_json(by_alias=True), at_seconds)
        try:
            self._governor.tick(at_seconds)
        except DriverChanged:  # the process ends, and the supervisor starts it again at once
            self.start()

    def _say(self, spec: PowerNodeSpec) -> None:
        self._order = OrderSeen(uid="u", generation=self._order.generation + 1, spec=spec)
        self._renew_at = self._at


__all__ = ["Inside", "Processes"]
