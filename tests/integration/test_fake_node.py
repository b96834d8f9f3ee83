"""``wattline fake-node`` as a process: engines over HTTP, GPUs over NVML, one world behind both."""

import contextlib
import json
import os
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from wattline.api.powerdomain import Mode
from wattline.demo import fleet
from wattline.doors import manifests
from wattline.fake.record import RecordReader

WATTLINE = str(Path(sys.executable).with_name("wattline"))
EXAMPLE = Path(__file__).parents[2] / "examples" / "one-box"
SPEED = "20"


@pytest.fixture
def declared(tmp_path):
    """The example's fleet on free ports, as a folder."""
    moved = fleet.ordered(fleet.moved(manifests.load([EXAMPLE])), Mode.OBSERVE, None)
    fleet.write(moved, tmp_path / "fleet")
    return moved, tmp_path / "fleet"


def command(folder, state, node="n1"):
    return [WATTLINE, "fake-node", node, "-f", str(folder), "--state", str(state), "--speed", SPEED]


@contextlib.contextmanager
def node(folder, state, *more):
    running = subprocess.Popen([*command(folder, state), *more], stdout=subprocess.PIPE, text=True)
    try:
        assert running.stdout.readline() == "n1: 4 engines ready\n"
        yield running
    finally:
        running.terminate()
        assert running.wait(timeout=10) == 0
        running.stdout.close()


def generate(url, tokens):
    body = {
        "model": "Qwen/Qwen3-Coder-30B-A3B-Instruct-FP8",
        "prompt": "x" * 400,
        "max_tokens": tokens,
        "ignore_eos": True,
    }
    request = urllib.request.Request(
        f"{url}/v1/completions", json.dumps(body).encode(), {"content-type": "application/json"}
    )
    began = time.monotonic()
    urllib.request.urlopen(request, timeout=30).read()
    return time.monotonic() - began


def test_a_limit_set_through_nvml_slows_the_engine_and_shows_in_the_record(declared, tmp_path):
    moved, folder = declared
    library, state = tmp_path / "lib", tmp_path / "state"
    url = next(endpoint.url for _, endpoint in moved.endpoints_on("n1"))
    with node(folder, state, "--library-dir", str(library)):
        generate(url, 100)
        free = generate(url, 4000)
        environment = {"LD_LIBRARY_PATH": str(library), "WATTLINE_FAKE_NVML": str(state / "fake" / "n1.gpus")}
        subprocess.run(
            [sys.executable, "-m", "wattline.demo.administrator", "220"],
            env={**os.environ, **environment},
            check=True,
        )
        time.sleep(0.1)
        limited = generate(url, 4000)
        time.sleep(0.5)  # the record is written at full world seconds

    assert limited > 1.2 * free
    seconds = list(RecordReader(state / "fake" / "n1.record").news())
    working = [second.gpus[0] for second in seconds if second.engines[0].running]
    assert max(gpu.watts for gpu in working if gpu.limit_watts == 700) > 260
    assert max(gpu.watts for gpu in working[-5:]) < 240
    assert seconds[-1].engines[0].generated_tokens == 8100


def test_a_port_in_use_is_one_clear_line_and_changes_nothing(declared, tmp_path):
    _, folder = declared
    with node(folder, tmp_path / "state"):
        before = (tmp_path / "state" / "fake" / "n1.gpus").stat().st_ino
        second = subprocess.run(
            command(folder, tmp_path / "state"), capture_output=True, text=True, check=False
        )

        assert (tmp_path / "state" / "fake" / "n1.gpus").stat().st_ino == before
    assert second.returncode == 1
    assert second.stderr.startswith("Error: engine coder-0 cannot listen on 127.0.0.1:")
    assert second.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("change", "said"),
    [
        pytest.param(
            {"node": "n9"}, "no InferencePool has an endpoint on node n9; nodes there: n1, n2", id="node"
        ),
        pytest.param(
            {"product": "b300"}, "unknown product b300; known: a100, h100, h100-nvl, h200", id="product"
        ),
        pytest.param({"folder": "nowhere"}, "there is no such file or folder", id="manifests"),
    ],
)
def test_what_cannot_be_run_is_said(declared, tmp_path, change, said):
    _, folder = declared
    wanted = {"node": "n1", "product": "h100", "folder": str(folder)} | change
    done = subprocess.run(
        [*command(wanted["folder"], tmp_path / "state", wanted["node"]), "--product", wanted["product"]],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 1
    assert said in done.stderr
    assert not (tmp_path / "state").exists()
