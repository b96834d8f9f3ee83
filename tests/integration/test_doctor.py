"""The doctor as it runs, on the fake driver and on a machine made of files: every word of it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.integration.agent_box import UUIDS, Box
from tests.integration.test_agent import box  # noqa: F401 - a fixture
from tests.unit.agent.test_writers import SERVICE, machine, process

from wattline.fake.nvml import MAPPING_VARIABLE, Faults
from wattline_agent.doctor import may_write
from wattline_agent.locks import gpu_path, take
from wattline_agent.pauses import PERSON, Pauses

GPUS = """\
2 GPUs, state in {state}
GPU-0  NVIDIA H100 80GB HBM3
  limit    200 to 700 W, default 700 W
  clock    345 to 1980 MHz, 110 steps
  now      100 W under 700 W, 345 MHz (idle), 32 °C, 55 °C left
{rights}GPU-1  NVIDIA H100 80GB HBM3
  limit    200 to 700 W, default 700 W
  clock    345 to 1980 MHz, 110 steps
  now      100 W under 700 W, 345 MHz (idle), 32 °C, 55 °C left
{rights}"""
NEIGHBOURS = """\
writes     Dynamo power agent (process 41): sets power limits every 15 s for pods that carry dynamo.nvidia.com/gpu-power-limit; keep it off this node
writes     nvidia-smi (unit cap.service): runs `nvidia-smi -pl 300` when it is started; disable it
may write  DCGM host engine (process 40): enforces what `dcgmi config --set` told it, again after every reset of a GPU; its memory cannot be read, `dcgmi config --get` shows it
reads      dcgm-exporter (process 42): reads what the agent reads; it is no harm beside it
"""
RIGHTS = "" if may_write() else "  blocked  Permissions: CAP_SYS_ADMIN is missing\n"
"""The tests run as whoever they like."""
END = (
    "can only observe: setting clocks and limits needs CAP_SYS_ADMIN, which root has outside of containers\n"
)


def golden(here: Box, end: str, more: str = "") -> str:
    """Return what the doctor says of the node."""
    return GPUS.format(state=here.state, rights=RIGHTS) + more + (END if RIGHTS else end)


def examined(here: Box, root: Path, *words: str, library: bool = True) -> tuple[int, str]:
    """Run the doctor; return its code and its words."""
    environment = os.environ | {MAPPING_VARIABLE: str(here.bank.mapping.path)}
    if library:
        environment["LD_LIBRARY_PATH"] = str(here.library.parent)
    call = [sys.executable, "-m", "wattline_agent.main", "doctor", "--node", "n1", "--root", str(root)]
    call += ["--state", str(here.state), "--runtime-dir", str(here.state / "run"), "--pod-resources="]
    done = subprocess.run(
        [*call, *words], env=environment, capture_output=True, text=True, check=False, timeout=60
    )
    assert "Traceback" not in done.stderr
    return done.returncode, done.stdout


@pytest.fixture
def crowded(tmp_path) -> Path:
    """A machine on which others write GPUs."""
    files = {
        **process(40, "/usr/bin/nv-hostengine", "-n"),
        **process(41, "python", "/app/power_agent.py"),
        **process(42, "/usr/bin/dcgm-exporter"),
        "etc/systemd/system/cap.service": SERVICE.format("-pl 300"),
    }
    return machine(tmp_path / "host", files)


def test_a_node_that_can_be_held(box, tmp_path):  # noqa: F811
    before = len(box.bank.mapping.journal())
    code, said = examined(box, tmp_path / "empty")

    assert said == golden(box, "can enforce\n")
    assert code == (4 if RIGHTS else 0)
    assert len(box.bank.mapping.journal()) == before, "nothing was written"
    assert box.untouched()


def test_others_that_write_are_named(box, crowded):  # noqa: F811
    code, said = examined(box, crowded)

    assert said == golden(box, "cannot hold everything: see above\n", NEIGHBOURS)
    assert code == 4


def test_everything_is_there_for_programs_too(box, crowded):  # noqa: F811
    code, said = examined(box, crowded, "--json")
    report = json.loads(said)

    assert code == report["code"] == 4
    assert [gpu["uuid"] for gpu in report["gpus"]] == list(UUIDS)
    assert report["gpus"][0]["now"]["limit_watts"] == 700.0
    assert [(each["name"], each["role"]) for each in report["writers"]] == [
        ("Dynamo power agent", "writes"),
        ("nvidia-smi", "writes"),
        ("DCGM host engine", "may write"),
        ("dcgm-exporter", "reads"),
    ]


def below_the_request(here: Box) -> None:
    Faults(here.bank.mapping).hold_below(1, 450)


def held_by_an_agent(here: Box) -> None:
    take(gpu_path(here.state / "run", "GPU-1"), "GPU-1")


def a_corrupt_record(here: Box) -> None:
    machine(here.state, {"agents/n1/device.json": "{"})


def without_persistence(here: Box) -> None:
    here.bank.mapping.node.gpus[1].settings.persistence = 0


@pytest.mark.parametrize(
    ("happens", "code", "words"),
    [
        pytest.param(
            below_the_request,
            0,
            "  note     OutOfBand: 700 W asked for, 450 W enforced by others (a BMC, the module's limit); the lower one counts",
            id="a limit set out of band",
        ),
        pytest.param(
            held_by_an_agent, 4, "  blocked  Taken: a node agent (process ", id="a GPU held by another agent"
        ),
        pytest.param(
            a_corrupt_record,
            4,
            "the agent only reads until it is mended or removed",
            id="a record that makes no sense",
        ),
        pytest.param(
            without_persistence,
            0,
            "  note     Persistence: off; the agent switches it on while it enforces, and off again",
            id="persistence mode off",
        ),
    ],
)
def test_what_stands_in_the_way_is_said(box, tmp_path, happens, code, words):  # noqa: F811
    happens(box)
    found, said = examined(box, tmp_path / "empty")

    assert words in said
    assert found == (code if not RIGHTS else 4)


def test_without_a_driver_it_is_one_line(box, tmp_path):  # noqa: F811
    code, said = examined(box, tmp_path / "empty", library=False)

    assert (code, len(said.splitlines())) == (1, 1)
    assert said.startswith("no GPU can be held here: DriverAway")


def test_while_the_driver_is_left_alone_the_doctor_does_not_open_it_either(box, tmp_path):  # noqa: F811
    Pauses(box.state / "run", "n1").ask(PERSON, "Paused: new driver")
    code, said = examined(box, tmp_path / "empty")

    assert (code, said) == (1, "no GPU can be held here: the driver is left alone: Paused: new driver\n")
