"""Promise 7 for all that may happen: pools, changes, rungs, migrations, sensors, whatever Python and its hash seed."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import wattline

SOURCES = os.pathsep.join(str(Path(folder).parent) for folder in wattline.__path__)
PLAY = """
import json
from random import Random
from wattline.api.base import Metadata
from wattline.api.inferencepool import Endpoint, InferencePool, InferencePoolSpec
from wattline.api.powerdomain import Budget, PowerDomain, PowerDomainSpec
from wattline.model.fleet import Fleet
from wattline.sim import arrivals
from wattline.sim.changes import BudgetChange, Do, InletChange, ReplicaChange
from wattline.sim.generate import generate
from wattline.sim.migration import Migration
from wattline.sim.rungs import Rung
from wattline.sim.scenario import Scenario, Served
from wattline.sim.sensors import REAL
from wattline.sim.simulate import simulate

MODEL = "Qwen/Qwen3-Coder-30B-A3B-Instruct"


def listed(name, nodes):
    return InferencePool(
        metadata=Metadata(name=name),
        spec=InferencePoolSpec(
            model=MODEL,
            endpoints=tuple(
                Endpoint(name=f"r{i}", url=f"http://h:{8100 + i}", node=node, gpus=(f"GPU-{name}-{i}",))
                for i, node in enumerate(nodes)
            ),
        ),
    )


container = {"name": "engine", "resources": {"limits": {"nvidia.com/gpu": "1"}}}
pods = InferencePool(
    metadata=Metadata(name="pods"),
    spec=InferencePoolSpec(model=MODEL, replicas=2, template={"spec": {"containers": [container]}}),
)
rows = tuple(
    PowerDomain(
        metadata=Metadata(name=name), spec=PowerDomainSpec(parent=parent, nodes=nodes, budget=Budget(watts=watts))
    )
    for name, parent, nodes, watts in (
        ("hall", None, (), 5200.0), ("one", "hall", ("n1",), 3500.0), ("two", "hall", ("n2",), 3500.0)
    )
)


def runs(seed):
    rng = Random(seed)
    return tuple(arrivals.schedule(generate(12, seed), arrivals.poisson(0.05, 0.05, rng), rng))


report = simulate(
    Scenario(
        Fleet(rows, (listed("a", ("n1", "n2")), listed("b", ("n1",)), pods)),
        hours=0.05, product="h200", cap="wattline", seed=5, drain_hours=1.0, series_seconds=10.0,
        served=(
            Served("a", runs(1)),
            Served("b", runs(2), Rung("fp8", MODEL + "-FP8", success_ratio=0.9, turns_ratio=1.3)),
            Served("pods", runs(3)),
        ),
        changes=(
            ReplicaChange(60, "a", "r0", Do.STOP), ReplicaChange(90, "a", "r0", Do.START),
            ReplicaChange(70, "pods", "pods-0", Do.SLEEP), ReplicaChange(110, "pods", "pods-0", Do.WAKE),
            BudgetChange(100, "hall", 4900.0), InletChange(120, 35.0, ("n2",)),
        ),
        migration=Migration(), sensors=REAL,
    )
)
print(json.dumps([report.flat(), [each.flat() for each in report.pools], report.notes, report.series.watts]))
"""


def played(python, hash_seed):
    return subprocess.run(
        [python, "-c", PLAY],
        env=os.environ | {"PYTHONHASHSEED": str(hash_seed), "PYTHONPATH": SOURCES},
        capture_output=True,
        check=True,
        timeout=55,
    ).stdout


def other_pythons():
    """Return the other versions of Python here that have what the simulator imports."""
    found = []
    for minor in range(11, 16):
        python = shutil.which(f"python3.{minor}")
        if python is None or minor == sys.version_info.minor:
            continue
        ready = subprocess.run([python, "-c", "import pydantic, yaml"], capture_output=True, check=False)
        found += [python] if ready.returncode == 0 else []
    return found


def test_a_fleet_in_trouble_is_the_same_to_the_last_byte_in_every_process():
    one, two = played(sys.executable, 1), played(sys.executable, 2)
    report = json.loads(one)[0]

    assert report["runs_finished"] > 0
    assert report["turns_retried"] > 0
    assert one == two


def test_another_python_says_the_same():
    others = other_pythons()
    if not others:
        pytest.skip("no other version of Python with pydantic and yaml is here")

    ours = played(sys.executable, 0)

    assert all(played(python, 0) == ours for python in others)
