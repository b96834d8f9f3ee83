"""Operators as processes, with kopf, against an API server over a real socket: who leads, and what is left alone."""

import asyncio
import contextlib
import json
import os
import signal
import sys

import aiohttp
import pytest
from tests.fakes.apiserver import FakeApiServer
from tests.waiting import within

API = "wattline.dev/v1alpha1"
OURS = "wattline-system"


@pytest.fixture
async def server():
    async with FakeApiServer() as made:
        made.bookmark_seconds = 5
        labels = {"wattline.dev/managed": "true"}
        made.put(
            {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1", "labels": labels}, "spec": {}}
        )
        made.put(domain("row"))
        yield made


def domain(name, **spec):
    body = {"budget": {"watts": 3000}, "nodeSelector": {"matchLabels": {"wattline.dev/managed": "true"}}}
    return {"apiVersion": API, "kind": "PowerDomain", "metadata": {"name": name}, "spec": body | spec}


@pytest.fixture
async def start(server, tmp_path):
    """Starts an operator; returns its process. All are ended with the test."""
    config = tmp_path / "kubeconfig"
    config.write_text(
        json.dumps(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "clusters": [{"name": "c", "cluster": {"server": server.url}}],
                "users": [{"name": "u", "user": {"token": "t"}}],
                "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u", "namespace": OURS}}],
                "current-context": "x",
            }
        )
    )
    started = []

    async def one(name):
        code = "from wattline.cli.main import main; main()"
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            code,
            "operator",
            f"--kubeconfig={config}",
            f"--identity={name}",
            "--listen=127.0.0.1:0",
            stderr=asyncio.subprocess.PIPE,
            env={**os.environ, "WATTLINE_NAMESPACE": OURS},
        )
        process.port = int((await said(process, "metrics at ")).rpartition(":")[2].partition("/")[0])
        started.append(process)
        return process

    yield one
    for process in started:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.communicate()


async def said(process, words):
    """The first line with these words; everything before it is passed over."""
    async with asyncio.timeout(30):
        while True:
            line = (await process.stderr.readline()).decode()
            assert line, f"ended without saying {words!r}"
            if words in line:
                return line


async def asked(process, path):
    async with aiohttp.ClientSession() as http, http.get(f"http://127.0.0.1:{process.port}{path}") as answer:
        return answer.status, await answer.text()


until = within(seconds=20.0)


def leader(server):
    leases = [each for each in server.all("Lease") if each["metadata"]["name"] == "wattline-operator"]
    return leases[0]["spec"] if leases else {"holderIdentity": "", "leaseTransitions": -1}


async def test_one_acts_the_other_stands_by_and_takes_over_at_once_when_the_first_is_told_to_stop(
    server, start
):
    first = await start("first")
    await said(first, "epoch 1: we lead")
    await until(lambda: server.all("PowerNode"))
    second = await start("second")
    async with asyncio.timeout(20):
        while (await asked(second, "/readyz"))[0] != 200:
            await asyncio.sleep(0.1)
    assert leader(server)["holderIdentity"].startswith("first_")
    assert (await asked(second, "/healthz"))[0] == 200, "standing by is healthy"
    assert "wattline_operator_leading 0.0" in (await asked(second, "/metrics"))[1]

    first.send_signal(signal.SIGTERM)
    assert await first.wait() == 0
    await said(second, "epoch 2: we lead")
    await until(lambda: server.get("PowerNode", "n1")["spec"]["epoch"] == 2)

    server.put(domain("other", parent="row", nodeSelector={"matchLabels": {"row": "other"}}))
    await until(lambda: "status" in server.get("PowerDomain", "other"))
    decisions = json.loads((await asked(second, "/v1/decisions?about=powerdomain/other"))[1])["decisions"]
    assert {each["about"] for each in decisions} == {"PowerDomain/other"}
    assert "Accepted is True, Valid" in {each["what"] for each in decisions}
    metrics = (await asked(second, "/metrics"))[1]
    assert "wattline_operator_leading 1.0" in metrics
    assert 'wattline_api_requests_total{code="200",verb="list"}' in metrics


async def test_a_change_is_acted_on_within_moments_and_kopf_leaves_every_object_as_it_is(server, start):
    operator = await start("one")
    await said(operator, "epoch 1: we lead")
    await until(lambda: "status" in server.get("PowerDomain", "row"))

    server.put(domain("other", parent="row", nodeSelector={"matchLabels": {"row": "other"}}))
    await until(lambda: "status" in server.get("PowerDomain", "other"), seconds=5.0)
    server.remove("PowerDomain", "other")
    assert [d["metadata"]["name"] for d in server.all("PowerDomain")] == ["row"], "nothing blocks a deletion"

    meta = server.get("PowerDomain", "row")["metadata"]
    assert "finalizers" not in meta
    assert "annotations" not in meta
    by_kopf = [r for r in server.log if "kopf" in r.agent]
    assert any(r.query.get("watch") for r in by_kopf), "kopf is what wakes the loop"
    assert {r.method for r in by_kopf} == {"GET"}


async def test_it_outlives_an_api_server_that_goes_and_comes_back(server, start):
    operator = await start("one")
    await said(operator, "epoch 1: we lead")
    await until(lambda: "status" in server.get("PowerDomain", "row"))
    await server.stop()
    await asyncio.sleep(1.5)
    await server.start()
    server.put(domain("other", parent="row", nodeSelector={"matchLabels": {"row": "other"}}))

    await until(lambda: "status" in server.get("PowerDomain", "other"), seconds=25.0)
    assert operator.returncode is None
    assert leader(server)["leaseTransitions"] == 0, "the lease outlived it too"
