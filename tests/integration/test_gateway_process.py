"""``wattline gateway`` as a process: what it says, how it ends."""

import asyncio
import json
import signal
import socket
import sys
from pathlib import Path

import aiohttp
import yaml
from tests.integration.gateway_backend import Backend

WATTLINE = str(Path(sys.executable).with_name("wattline"))


def written(folder, url="http://127.0.0.1:9"):
    endpoint = {"name": "e0", "url": url, "node": "n1", "gpus": ["GPU-0"]}
    pool = {
        "apiVersion": "wattline.dev/v1alpha1",
        "kind": "InferencePool",
        "metadata": {"name": "coder"},
        "spec": {"model": "m", "endpoints": [endpoint]},
    }
    (folder / "pool.yaml").write_text(yaml.safe_dump(pool))
    return folder


async def started(folder, listen, *more):
    return await asyncio.create_subprocess_exec(
        WATTLINE, "gateway", "-f", str(folder), "--state", str(folder / ".state"), "--listen", listen, *more,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip


async def test_a_port_in_use_is_one_clear_line(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        process = await started(written(tmp_path), f"127.0.0.1:{port}")
        _, said = await asyncio.wait_for(process.communicate(), 20)

    assert process.returncode == 1
    assert said.decode() == (
        f"Error: cannot listen on 127.0.0.1:{port}: Address already in use; choose another with --listen\n"
    )


async def test_wrong_manifests_start_nothing(tmp_path):
    (tmp_path / "pool.yaml").write_text("kind: InferencePol\n")
    process = await started(tmp_path, "127.0.0.1:0")
    _, said = await asyncio.wait_for(process.communicate(), 20)

    assert process.returncode == 1
    assert "nothing was started" in said.decode()
    assert "did you mean InferencePool?" in said.decode()


async def test_sigterm_lets_running_turns_finish(tmp_path):
    engine = await Backend("e0").start()
    engine.gate = asyncio.Event()
    process = await started(written(tmp_path, engine.url), "127.0.0.1:0", "--speed", "5")
    try:
        line = ""
        while "gateway on" not in line:
            line = (await asyncio.wait_for(process.stderr.readline(), 20)).decode()
        url = line.split()[4]
        body = json.dumps({"model": "m", "stream": True, "messages": [{"role": "user", "content": "x"}]})
        async with (
            aiohttp.ClientSession() as http,
            http.post(f"{url}/chat/completions", data=body) as response,
        ):
            await response.content.readany()
            process.send_signal(signal.SIGTERM)
            while b"stopping" not in await asyncio.wait_for(process.stderr.readline(), 20):
                pass
            engine.gate.set()
            assert b"[DONE]" in await response.read()
        assert await asyncio.wait_for(process.wait(), 20) == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        await engine.stop()
