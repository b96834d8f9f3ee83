"""Promise 1 on the devices' own record: loop and agents as processes, watts moved, parts killed, two nodes of fake GPUs."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from tests.waiting import block_until

from wattline.api.powerdomain import PowerDomain
from wattline.doors import state
from wattline.fake.nvml import MAPPING_VARIABLE, GpuBank, limits
from wattline.model.bounds import bound_watts
from wattline.model.errors import ClusterError
from wattline.world.gpu import PRODUCTS, Gpu

SPEED = "20"
PRODUCT = PRODUCTS["h100"].device_name
NODES = ("n1", "n2")
OVERHEAD = 100.0
FLEET = """\
apiVersion: wattline.dev/v1alpha1
kind: PowerDomain
metadata: {{name: row}}
spec:
  nodes: [n1, n2]
  mode: Enforce
  budget: {{watts: {watts}, nodeOverheadWatts: 100}}
---
apiVersion: wattline.dev/v1alpha1
kind: InferencePool
metadata: {{name: one}}
spec:
  model: m
  class: {one}
  endpoints: [{{name: a, url: "http://127.0.0.1:9", node: n1, gpus: [GPU-n1-0, GPU-n1-1]}}]
---
apiVersion: wattline.dev/v1alpha1
kind: InferencePool
metadata: {{name: two}}
spec:
  model: m
  class: {two}
  endpoints: [{{name: a, url: "http://127.0.0.1:10", node: n2, gpus: [GPU-n2-0, GPU-n2-1]}}]
"""


@dataclass
class Row:
    """Two nodes, their processes, and what the domain's status said when."""

    box: Path
    library: Path
    banks: dict[str, GpuBank]
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    said: list[tuple[float, bool, float]] = field(default_factory=list)
    """Boot time, whether `Enforced` was True, and the budget it was True for."""
    stop: threading.Event = field(default_factory=threading.Event)

    def agent(self, node):
        environment = os.environ | {
            "LD_LIBRARY_PATH": str(self.library.parent),
            MAPPING_VARIABLE: str(self.banks[node].mapping.path),
            "WATTLINE_RUNTIME_DIR": str(self.box / "run"),
        }
        words = ["wattline_agent.main", "run", "--node", node, "--listen", "127.0.0.1:0"]
        self._start(node, words, environment)

    def up(self):
        self._start("up", ["wattline.cli.main", "up", str(self.box / "fleet")], os.environ)

    def _start(self, name, words, environment):
        command = [sys.executable, "-c", f"from {words[0]} import main; main()", *words[1:]]
        command += ["--state", str(self.box / "state"), "--speed", SPEED]
        with (self.box / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                command, env=environment, stderr=log, stdout=log, start_new_session=True
            )

    def kill(self, name):
        """Kill a part with all its processes."""
        os.killpg(self.processes[name].pid, signal.SIGKILL)
        self.processes[name].wait()

    def declare(self, watts, one="Standard", two="Standard"):
        path = self.box / "fleet" / "fleet.yaml"
        path.with_suffix(".part").write_text(FLEET.format(watts=watts, one=one, two=two))
        path.with_suffix(".part").replace(path)

    def status(self):
        try:
            domain = state.read(self.box / "state/powerdomains/row.status.yaml", PowerDomain)
        except ClusterError:
            return None
        if domain is None or domain.status is None:
            return None
        enforced = next(c for c in domain.status.conditions if c.type == "Enforced")
        return enforced.status == "True", domain.spec.budget.watts

    def listen(self):
        while not self.stop.wait(0.02):
            at = time.clock_gettime(time.CLOCK_BOOTTIME)
            now = self.status()
            if now is not None:
                self.said.append((at, *now))

    def holds(self, watts):
        return lambda: self.status() == (True, watts)

    def bounds(self, node):
        settings = [self.banks[node].mapping.settings(index).limit_watts for index in range(2)]
        return sum(bound_watts(PRODUCT, limit, 700.0) for limit in settings)

    def record(self):
        """Yield boot time and what all GPUs may draw, each time that changes on any device."""
        changes = sorted(
            (at, node, sum(bound_watts(PRODUCT, watts, 700.0) for watts in by_gpu.values()))
            for node, bank in self.banks.items()
            for at, by_gpu in limits(bank.mapping.journal())
            if len(by_gpu) == 2
        )
        now = {}
        for at, node, watts in changes:
            now[node] = watts
            if len(now) == len(NODES):
                yield at, sum(now.values())


@pytest.fixture
def row(tmp_path, nvml_library):
    (tmp_path / "fleet").mkdir()
    banks = {
        node: GpuBank.create(
            tmp_path / f"{node}.gpus", [Gpu(PRODUCTS["h100"], f"GPU-{node}-{i}") for i in range(2)]
        )
        for node in NODES
    }
    row = Row(tmp_path, nvml_library, banks)
    listener = threading.Thread(target=row.listen)
    listener.start()
    yield row
    row.stop.set()
    listener.join()
    for process in row.processes.values():
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
    for process in row.processes.values():
        process.wait(timeout=10)


def test_while_enforced_is_true_the_devices_own_record_stays_inside_the_budget(row):
    row.declare(2400)
    for node in NODES:
        row.agent(node)
    row.up()
    block_until(row.holds(2400), "the first budget")

    row.declare(2400, one="Protected", two="BestEffort")
    block_until(lambda: row.bounds("n1") > 1300, "watts to move to the protected pool")
    row.declare(2400, one="BestEffort", two="Protected")
    block_until(lambda: row.bounds("n2") > 1300, "watts to move back")

    row.declare(1300)
    block_until(row.holds(1300), "a cut")
    row.kill("up")
    row.declare(2000)
    row.up()
    block_until(row.holds(2000), "a loop that follows a killed one")
    row.kill("n2")
    row.declare(1600)
    block_until(row.holds(1600), "a cut while an agent is dead")
    row.agent("n2")
    row.declare(2600)
    block_until(lambda: row.bounds("n1") + row.bounds("n2") > 2300, "watts to be given out again")
    block_until(row.holds(2600), "the last budget")
    time.sleep(0.1)
    row.stop.set()

    record = list(row.record())
    promised = [(at, budget) for at, enforced, budget in list(row.said) if enforced]
    assert len({budget for _, budget in promised}) == 5
    for at, budget in promised:
        before = [watts for when, watts in record if when <= at]
        assert before, "limits were set before anything was promised"
        assert before[-1] + len(NODES) * OVERHEAD <= budget + 0.01, (at, budget)
