"""What the gateway adds to a call: requests per second and latency, against direct calls in the same run.

    .venv/bin/python bench/gateway.py [--requests 200] [--concurrency 8]

A minimal engine, the gateway and the client each run as a process of their own on this machine. Prompts grow by
turns as agents' do. Ratios are of one run, so they mean something on a busy machine too.
"""

import argparse
import asyncio
import json
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import aiohttp
import yaml
from aiohttp import web

MODEL = "bench"
CHUNKS = 8
METRICS = (
    "vllm:num_requests_running 0\nvllm:num_requests_waiting 0\n"
    'vllm:cache_config_info{block_size="16",num_gpu_blocks="10000000"} 1\n'
)


async def engine(port):
    async def metrics(_):
        return web.Response(text=METRICS)

    async def chat(request):
        raw = await request.read()
        tokens = len(raw) // 4
        usage = {"prompt_tokens": tokens, "completion_tokens": CHUNKS, "total_tokens": tokens + CHUNKS}
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        delta = (
            b"data: " + json.dumps({"choices": [{"index": 0, "delta": {"content": "word " * 4}}]}).encode()
        )
        for _ in range(CHUNKS):
            await response.write(delta + b"\n\n")
        await response.write(b"data: " + json.dumps({"choices": [], "usage": usage}).encode() + b"\n\n")
        await response.write(b"data: [DONE]\n\n")
        return response

    app = web.Application(client_max_size=2**30)
    app.add_routes([web.get("/metrics", metrics), web.post("/v1/chat/completions", chat)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    await asyncio.Event().wait()


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return sock.getsockname()[1]


async def ready(session, url):
    for _ in range(200):
        try:
            async with session.get(url) as response:
                if response.status == 200:
                    return
        except aiohttp.ClientError:
            pass
        await asyncio.sleep(0.1)
    raise SystemExit(f"{url} does not answer")


def body(agent, turn, size):
    """Prompt of one agent's turn: a shared opening, then what only it said, longer every turn."""
    own = f"{agent} said " * ((size * (turn + 1) // 4) // 10)
    messages = [{"role": "system", "content": "rules " * (size // 12)}, {"role": "user", "content": own}]
    return json.dumps({"messages": messages, "model": MODEL, "stream": True}).encode()


async def call(session, url, agent, raw):
    start = time.perf_counter()
    headers = {"x-session-id": f"agent-{agent}", "Content-Type": "application/json"}
    async with session.post(f"{url}/v1/chat/completions", data=raw, headers=headers) as response:
        assert response.status == 200, await response.text()
        await response.content.readany()
        first = time.perf_counter() - start
        await response.read()
    return first, time.perf_counter() - start


async def measure(session, url, size, requests, concurrency):
    """Return requests/s and the median seconds to first byte and to the end."""
    bodies = {(a, t): body(a, t, size) for a in range(concurrency) for t in range(4)}
    times = []

    async def agent(number):
        turns = range(requests // concurrency)
        times.extend([await call(session, url, number, bodies[number, turn % 4]) for turn in turns])

    start = time.perf_counter()
    await asyncio.gather(*(agent(number) for number in range(concurrency)))
    seconds = time.perf_counter() - start
    return len(times) / seconds, *(statistics.median(column) for column in zip(*times, strict=True))


async def compare(urls, requests, most):
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        await ready(session, f"{urls['direct']}/metrics")
        await ready(session, f"{urls['gateway']}/readyz")
        print("   prompt conc.  direct/s gateway/s  ratio  first byte +ms  whole +ms")
        for size in (4_000, 100_000, 400_000):
            for concurrency in (1, most):
                count = max(concurrency * 4, requests // (1 + size // 100_000))
                seen = {}
                for name, url in urls.items():
                    await measure(session, url, size, concurrency * 4, concurrency)
                    seen[name] = await measure(session, url, size, count, concurrency)
                direct, through = seen["direct"], seen["gateway"]
                print(
                    f"{size // 1000:>6} kB {concurrency:>5} {direct[0]:>9.0f} {through[0]:>9.0f} "
                    f"{through[0] / direct[0]:>6.2f} {(through[1] - direct[1]) * 1000:>15.2f} "
                    f"{(through[2] - direct[2]) * 1000:>10.2f}"
                )


def main(arguments):
    at_engine, at_gateway = free_port(), free_port()
    urls = {"direct": f"http://127.0.0.1:{at_engine}", "gateway": f"http://127.0.0.1:{at_gateway}"}
    endpoint = {"name": "e0", "url": urls["direct"], "node": "n", "gpus": ["GPU-0"]}
    pool = {
        "apiVersion": "wattline.dev/v1alpha1",
        "kind": "InferencePool",
        "metadata": {"name": "bench"},
        "spec": {"model": MODEL, "endpoints": [endpoint]},
    }
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "pool.yaml").write_text(yaml.safe_dump(pool))
        wattline = Path(sys.executable).with_name("wattline")
        listen = ["--listen", f"127.0.0.1:{at_gateway}"]
        processes = [
            subprocess.Popen([sys.executable, __file__, "--engine", str(at_engine)]),
            subprocess.Popen(
                [wattline, "gateway", "-f", folder, "--state", folder, *listen], stderr=subprocess.DEVNULL
            ),
        ]
        try:
            asyncio.run(compare(urls, arguments.requests, arguments.concurrency))
        finally:
            for process in processes:
                process.terminate()
            for process in processes:
                process.wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=200)
    parser.add_argument("--concurrency", type=int, default=8)
    parser.add_argument("--engine", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.engine is None:
        main(given)
    else:
        asyncio.run(engine(given.engine))
