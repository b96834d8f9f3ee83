"""Engines of pods: they come with a process that asks the node's world for them, and go with it."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from wattline.fake.build import uuids

WATTLINE = str(Path(sys.executable).with_name("wattline"))
MODEL = "Qwen/Qwen3-Coder-30B-A3B-Instruct"
GPUS = uuids("n1", 2, seed=0)
SPEED = 100.0


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return sock.getsockname()[1]


class Cluster:
    """A node's world and its pods, as processes."""

    def __init__(self, tmp_path, stack):
        self.state, self._stack, self.port = tmp_path, stack, free_port()
        self.world = f"http://127.0.0.1:{self.port}"

    def start_world(self):
        command = [WATTLINE, "fake-node", "n1", "--gpus", "2", "--listen", f"127.0.0.1:{self.port}"]
        command += ["--state", str(self.state), "--speed", str(SPEED)]
        running = self._running(command, stdout=subprocess.PIPE, text=True)
        assert running.stdout.readline() == "n1: 2 GPUs ready\n"
        self._stack.callback(running.stdout.close)
        return running

    def start_pod(self, name, gpus, *more, **environment):
        port = free_port()
        command = [WATTLINE, "fake-engine", "--world", self.world, "--model", MODEL]
        command += ["--listen", f"127.0.0.1:{port}", *more]
        given = {"NVIDIA_VISIBLE_DEVICES": ",".join(gpus), "POD_NAME": name}
        running = self._running(command, env=os.environ | given | environment, stderr=subprocess.DEVNULL)
        running.url = f"http://127.0.0.1:{port}"
        return running

    def _running(self, command, **more):
        running = subprocess.Popen(command, **more)
        self._stack.callback(running.wait, timeout=10)
        self._stack.callback(running.kill)
        return running

    def owners(self):
        return {gpu["uuid"]: gpu["engine"] for gpu in json.loads(get(f"{self.world}/gpus")[1])["gpus"]}


def get(url, body=None):
    request = urllib.request.Request(
        url, None if body is None else json.dumps(body).encode(), {"content-type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()
    except urllib.error.URLError as error:
        return None, str(error).encode()


def until(holds, seconds=15):
    end = time.monotonic() + seconds
    while not (seen := holds()):
        assert time.monotonic() < end, "it did not come about in time"
        time.sleep(0.02)
    return seen


def health(pod):
    return get(f"{pod.url}/health")


@pytest.fixture
def cluster(tmp_path):
    with contextlib.ExitStack() as stack:
        yield Cluster(tmp_path, stack)


def test_a_pod_loads_then_answers_and_its_engine_ends_with_it(cluster):
    cluster.start_world()
    pod = cluster.start_pod("coder-0", GPUS[:1])
    said = until(lambda: (seen := health(pod))[0] == 503 and b"is being loaded" in seen[1] and seen)
    assert b"s left" in said[1]
    assert get(f"{pod.url}/metrics")[0] == 503

    until(lambda: health(pod)[0] == 200)  # 106 world seconds
    hello = {
        "model": MODEL,
        "messages": [{"role": "user", "content": "hello"}],
        "max_tokens": 5,
        "stream": True,
    }
    answer = get(f"{pod.url}/v1/chat/completions", hello)[1]
    assert answer.endswith(b"data: [DONE]\n\n")
    assert b"vllm:generation_tokens_total" in get(f"{pod.url}/metrics")[1]
    assert cluster.owners() == {GPUS[0]: "coder-0", GPUS[1]: None}

    pod.send_signal(signal.SIGKILL)
    until(lambda: cluster.owners()[GPUS[0]] is None)


def test_loading_draws_power_on_the_gpus_that_load(cluster):
    cluster.start_world()
    cluster.start_pod("coder-0", GPUS[:1], "--loading", "1000000")
    until(lambda: cluster.owners()[GPUS[0]])

    def drawn():
        lines = (cluster.state / "fake" / "n1.record").read_text().splitlines()
        seconds = [json.loads(line) for line in lines]
        return [[gpu["watts"] for gpu in second["gpus"]] for second in seconds if second["engines"]][2:]

    loading, idle = until(lambda: len(seen := drawn()) > 3 and seen[-1])
    assert loading > idle + 50


def test_a_second_pod_waits_for_the_gpu_of_the_first(cluster):
    cluster.start_world()
    first = cluster.start_pod("coder-0", GPUS[:1], "--loading", "0")
    until(lambda: health(first)[0] == 200)
    second = cluster.start_pod("coder-1", GPUS[:1], "--loading", "0")
    until(lambda: b"is in use by engine coder-0" in health(second)[1])

    first.terminate()

    until(lambda: health(second)[0] == 200)


def test_a_pod_that_came_before_its_world_and_outlived_it_loads_again(cluster):
    pod = cluster.start_pod("coder-0", GPUS, "--loading", "0")
    until(lambda: b"does not answer" in health(pod)[1])
    world = cluster.start_world()
    until(lambda: health(pod)[0] == 200)

    world.kill()
    world.wait(timeout=10)
    until(lambda: health(pod)[0] == 503)
    cluster.start_world()

    until(lambda: health(pod)[0] == 200)


def test_a_call_in_the_middle_breaks_off_when_the_world_ends(cluster):
    world = cluster.start_world()
    pod = cluster.start_pod("coder-0", GPUS[:1], "--loading", "0")
    until(lambda: health(pod)[0] == 200)
    long = {"model": MODEL, "prompt": "x", "max_tokens": 50_000, "ignore_eos": True, "stream": True}
    request = urllib.request.Request(
        f"{pod.url}/v1/completions", json.dumps(long).encode(), {"content-type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=20) as answer:
        assert answer.read(20)
        world.terminate()
        with pytest.raises(Exception, match=r"(?i)incomplete|reset|closed"):
            answer.read()


@pytest.mark.parametrize(
    ("gpus", "more", "said"),
    [
        pytest.param(
            ("void",), (), "no UUIDs of GPUs; does the pod ask for nvidia.com/gpu?", id="no GPU given"
        ),
        pytest.param(
            ("GPU-of-another-node",), (), "no such GPUs here: GPU-of-another-node", id="foreign GPU"
        ),
        pytest.param(GPUS[:1], ("--model", "no/such"), "no model of no/such on 1 of these GPUs", id="model"),
    ],
)
def test_what_can_never_run_ends_with_one_clear_line(cluster, gpus, more, said):
    cluster.start_world()
    command = [WATTLINE, "fake-engine", "--world", cluster.world, "--model", MODEL, "--gpus", ",".join(gpus)]
    done = subprocess.run(
        [*command, "--listen", "127.0.0.1:0", *more], capture_output=True, text=True, check=False, timeout=20
    )

    assert done.returncode == 1
    assert said in done.stderr
    assert done.stderr.startswith("Error: ")


def test_the_uuids_are_known_before_the_node_runs():
    command = [WATTLINE, "fake-node", "n1", "--gpus", "2", "--list-gpus"]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()

    assert listed == list(GPUS)
    assert uuids("n2", 1, seed=0) != uuids("n1", 1, seed=0) != uuids("n1", 1, seed=1)
    assert uuids("n1", 8, seed=0)[:2] == GPUS
