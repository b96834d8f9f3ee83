"""Engines of pods: they come with whoever asks the node's world for them, and go with it."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from click.testing import CliRunner
from tests.integration.fake_engines import NoDriver, NoRecord
from tests.waiting import block_until

from wattline.cli.main import main
from wattline.doors.clock import BootClock
from wattline.fake import pod as pods
from wattline.fake.build import bare, uuids
from wattline.fake.control import Control, EngineWanted
from wattline.fake.engines import Engines
from wattline.fake.node import NodeWorld
from wattline.fake.pod import EngineImpossibleError, EnginePlace, EnginePod

WATTLINE = str(Path(sys.executable).with_name("wattline"))
MODEL = "Qwen/Qwen3-Coder-30B-A3B-Instruct"
GPUS = uuids("n1", 2, seed=0)
SPEED = 100.0


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return sock.getsockname()[1]


# as processes


class Processes:
    """A node's world and a pod, as they run in a cluster."""

    def __init__(self, tmp_path, stack):
        self.state, self._stack, self.port = tmp_path, stack, free_port()

    def start_world(self):
        command = [WATTLINE, "fake-node", "n1", "--gpus", "2", "--listen", f"127.0.0.1:{self.port}"]
        command += ["--state", str(self.state), "--speed", str(SPEED)]
        running = self._running(command, stdout=subprocess.PIPE, text=True)
        assert running.stdout.readline() == "n1: 2 GPUs ready\n"
        self._stack.callback(running.stdout.close)
        return f"http://127.0.0.1:{self.port}"

    def start_pod(self, name, gpus):
        port = free_port()
        command = [WATTLINE, "fake-engine", "--world", f"http://127.0.0.1:{self.port}", "--model", MODEL]
        given = {"NVIDIA_VISIBLE_DEVICES": ",".join(gpus), "POD_NAME": name}
        running = self._running(
            [*command, "--listen", f"127.0.0.1:{port}"], env=os.environ | given, stderr=subprocess.DEVNULL
        )
        return running, f"http://127.0.0.1:{port}"

    def _running(self, command, **more):
        running = subprocess.Popen(command, **more)
        self._stack.callback(running.wait, timeout=10)
        self._stack.callback(running.kill)
        return running


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


def test_a_pod_loads_then_answers_and_its_engine_ends_with_it(tmp_path):
    with contextlib.ExitStack() as stack:
        processes = Processes(tmp_path, stack)
        world = processes.start_world()
        pod, url = processes.start_pod("coder-0", GPUS[:1])
        block_until(lambda: (seen := get(f"{url}/health"))[0] == 503 and b"is being loaded" in seen[1])
        assert get(f"{url}/metrics")[0] == 503

        block_until(lambda: get(f"{url}/health")[0] == 200)  # 106 world seconds
        hello = {"model": MODEL, "messages": [{"role": "user", "content": "hello"}], "stream": True}
        assert get(f"{url}/v1/chat/completions", hello)[1].endswith(b"data: [DONE]\n\n")
        assert b"vllm:generation_tokens_total" in get(f"{url}/metrics")[1]

        def owners():
            return {gpu["uuid"]: gpu["engine"] for gpu in json.loads(get(f"{world}/gpus")[1])["gpus"]}

        assert owners() == {GPUS[0]: "coder-0", GPUS[1]: None}
        pod.send_signal(signal.SIGKILL)
        block_until(lambda: owners()[GPUS[0]] is None)
        assert (tmp_path / "fake" / "n1.gpus").exists()


def test_a_pod_without_gpus_says_what_is_missing():
    command = ["fake-engine", "--world", "http://w", "--model", MODEL]
    done = CliRunner().invoke(main, command, env={"NVIDIA_VISIBLE_DEVICES": "void"})

    assert done.exit_code == 1
    assert "no UUIDs of GPUs; does the pod ask for nvidia.com/gpu?" in done.output


def test_the_uuids_are_known_before_the_node_runs():
    listed = CliRunner().invoke(main, ["fake-node", "n1", "--gpus", "2", "--list-gpus"]).output.split()

    assert listed == list(GPUS)
    assert uuids("n2", 1, seed=0) != uuids("n1", 1, seed=0) != uuids("n1", 1, seed=1)
    assert uuids("n1", 8, seed=0)[:2] == GPUS


# in one process


class Node:
    """A world and its pods inside the test."""

    def __init__(self, http, stack):
        self.http, self._stack, self.port = http, stack, free_port()
        self.url = f"http://127.0.0.1:{self.port}"

    @contextlib.asynccontextmanager
    async def world(self):
        clock = BootClock(SPEED)
        gpus = bare("n1", 2, "h100", seed=0, at_seconds=clock.now())
        world = NodeWorld(gpus, [], NoDriver(), clock, NoRecord(), tick_seconds=0.02 * SPEED)
        app = Control(world, Engines(world, gpus), gpus, chunk_wall_seconds=0.02).app()
        moving = asyncio.create_task(world.run())
        runner = await _served(app, self.port)
        try:
            yield gpus
        finally:
            await runner.cleanup()
            moving.cancel()

    def pod(self, name, gpus, *, model=MODEL, loading=0.0):
        wanted = EngineWanted(name=name, model=model, gpus=gpus, loading_seconds=loading)
        return EnginePod(EnginePlace(self.url, wanted), self.http, BootClock())

    async def start(self, pod):
        """Serve a pod; return its address, and what ends it."""
        holding = asyncio.create_task(pod.hold())
        runner = await _served(pod.app(), 0)

        async def end():
            holding.cancel()
            await asyncio.gather(holding, return_exceptions=True)
            await runner.cleanup()

        self._stack.push_async_callback(end)
        return "http://{}:{}".format(*runner.addresses[0][:2]), end

    async def health(self, url):
        async with self.http.get(f"{url}/health") as answer:
            return answer.status, await answer.text()

    async def until(self, url, status, said=""):
        async with asyncio.timeout(10):
            while True:
                seen = await self.health(url)
                if seen[0] == status and said in seen[1]:
                    return
                await asyncio.sleep(0.01)


async def _served(app, port):
    runner = web.AppRunner(app, handler_cancellation=True, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    return runner


@pytest.fixture
async def node(monkeypatch):
    monkeypatch.setattr(pods, "AGAIN_SECONDS", 0.05)
    async with aiohttp.ClientSession() as http, contextlib.AsyncExitStack() as stack:
        yield Node(http, stack)


async def test_loading_draws_power_on_the_gpus_that_load(node):
    async with node.world() as gpus:
        url, _ = await node.start(node.pod("coder-0", GPUS[:1], loading=1e6))
        await node.until(url, 503, "is being loaded")
        async with asyncio.timeout(5):
            while gpus[0].watts < gpus[1].watts + 50:
                await asyncio.sleep(0.01)


async def test_a_second_pod_waits_for_the_gpu_of_the_first(node):
    async with node.world():
        first, end = await node.start(node.pod("coder-0", GPUS[:1]))
        await node.until(first, 200)
        second, _ = await node.start(node.pod("coder-1", GPUS[:1]))
        await node.until(second, 503, "is in use by engine coder-0")
        await end()

        await node.until(second, 200)


async def test_a_pod_that_came_before_its_world_and_outlived_it_loads_again(node):
    url, _ = await node.start(node.pod("coder-0", GPUS))
    await node.until(url, 503, "does not answer")
    async with node.world():
        await node.until(url, 200)
    await node.until(url, 503)
    async with node.world():
        await node.until(url, 200)


async def test_a_call_in_the_middle_breaks_off_when_the_engine_ends(node):
    body = {"model": MODEL, "prompt": "x", "max_tokens": 50_000, "ignore_eos": True, "stream": True}
    async with node.world():
        url, end = await node.start(node.pod("coder-0", GPUS[:1]))
        await node.until(url, 200)
        async with node.http.post(f"{node.url}/engines/coder-0/v1/completions", json=body) as answer:
            assert await answer.content.readany()
            await end()
            with pytest.raises(aiohttp.ClientPayloadError):
                await answer.read()


async def test_a_client_that_hangs_up_stops_the_work(node):
    body = {"model": MODEL, "prompt": "x", "max_tokens": 50_000, "ignore_eos": True, "stream": True}
    async with node.world():
        url, _ = await node.start(node.pod("coder-0", GPUS[:1]))
        await node.until(url, 200)
        async with node.http.post(f"{url}/v1/completions", json=body) as answer:
            assert await answer.content.readany()
        async with asyncio.timeout(5):
            while True:
                async with node.http.get(f"{url}/metrics") as answer:
                    if "num_requests_running{" in (text := await answer.text()) and "abort" in text:
                        running = next(
                            x for x in text.splitlines() if x.startswith("vllm:num_requests_running")
                        )
                        if running.endswith(" 0"):
                            return
                await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    ("gpus", "model", "said"),
    [
        pytest.param(("GPU-of-another-node",), MODEL, "no such GPUs here: GPU-of-another-node", id="foreign"),
        pytest.param((GPUS[0], GPUS[0]), MODEL, "no such GPUs here", id="one GPU twice"),
        pytest.param(GPUS[:1], "no/such", "no model of no/such on 1 of these GPUs", id="model"),
        pytest.param((), MODEL, "no model of", id="none"),
    ],
)
async def test_what_can_never_run_is_said(node, gpus, model, said):
    async with node.world():
        with pytest.raises(EngineImpossibleError, match=said):
            await node.pod("coder-0", gpus, model=model).hold()
