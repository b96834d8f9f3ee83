"""The gateway in a cluster: pools come from the API server, replicas come and go, and both may be away."""

import asyncio
import contextlib

import aiohttp
import openai
import pytest
from tests.fakes.apiserver import FakeApiServer
from tests.integration.gateway_backend import Backend
from tests.waiting import within

from wattline.doors.clock import BootClock
from wattline.doors.kube.access import Access
from wattline.doors.listen import listener
from wattline.gateway import kube
from wattline.gateway import pool as pools
from wattline.gateway.kube import watching
from wattline.gateway.main import serving
from wattline.gateway.settings import Settings

MODEL = "some/model"
HELLO = [{"role": "user", "content": "hello " * 20}]
QUICK = {"poll_seconds": 0.05, "first_turn_wait_seconds": 3.0, "turn_wait_seconds": 3.0}


def replica(backend, *, traffic=True, reason=""):
    return {
        "name": backend.name,
        "url": backend.url,
        "node": "n1",
        "gpus": [f"GPU-{backend.name}"],
        "ready": traffic,
        "traffic": traffic,
        "reason": reason,
    }


def pool(name, *replicas, namespace="agents", model=MODEL, created="2026-01-01T00:00:00Z"):
    return {
        "apiVersion": "wattline.dev/v1alpha1",
        "kind": "InferencePool",
        "metadata": {"name": name, "namespace": namespace, "creationTimestamp": created},
        "spec": {"model": model, "template": {"spec": {"containers": [{"name": "vllm"}]}}},
        "status": {"endpoints": list(replicas)},
    }


class Cluster:
    """A gateway that watches a fake API server."""

    def __init__(self, server, gateway, url, http):
        self.server, self.gateway, self.url, self.http = server, gateway, url, http

    @contextlib.asynccontextmanager
    async def client(self, session, **headers):
        given = {"x-session-id": session} | headers
        async with openai.AsyncOpenAI(
            base_url=f"{self.url}/v1", api_key="x", max_retries=0, default_headers=given, timeout=20
        ) as client:
            yield client

    async def ask(self, session, *, model=MODEL, pool=None, **more):
        headers = {} if pool is None else {"x-wattline-pool": pool}
        async with self.client(session, **headers) as client:
            raw = await client.chat.completions.with_raw_response.create(model=model, messages=HELLO, **more)
            return raw.headers["x-wattline-replica"]

    async def get(self, path):
        async with self.http.get(f"{self.url}{path}") as response:
            return response.status, await (response.json() if path.startswith("/v1") else response.text())

    async def decisions(self, about):
        return [
            (one["what"], one["why"])
            for one in (await self.get(f"/v1/decisions?about={about}"))[1]["decisions"]
        ]

    def usable(self, name):
        return {n for n, r in self.gateway.pools[name].replicas.items() if r.usable}


until = within(seconds=5.0)


@contextlib.asynccontextmanager
async def backends(*names):
    made = [await Backend(name).start() for name in names]
    try:
        yield made
    finally:
        for backend in made:
            await backend.stop()


@pytest.fixture
async def server():
    async with FakeApiServer() as server:
        yield server


@contextlib.asynccontextmanager
async def gateway_of(server, *expected, **changes):
    """Serve the pools of an API server; returns once ``expected`` pools have a usable replica."""
    clock = BootClock()
    with listener("127.0.0.1", 0) as sock:
        async with (
            aiohttp.ClientSession() as http,
            watching(Access(server.url), clock) as source,
            serving(source, Settings(**QUICK | changes), clock, sock) as (gateway, parts),
        ):
            cluster = Cluster(server, gateway, f"http://127.0.0.1:{sock.getsockname()[1]}", http)
            await until(lambda: all(n in gateway.pools and cluster.usable(n) for n in expected))
            yield cluster
            assert not any(part.done() for part in parts)


async def test_replicas_come_with_the_status_and_only_those_with_traffic_get_work(server):
    async with backends("e0", "e1") as (e0, e1):
        server.put(pool("coder", replica(e0, traffic=False, reason="NotReadBack: GPU-e0"), replica(e1)))
        async with gateway_of(server, "agents/coder") as cluster:
            assert await cluster.ask("s1") == "e1"
            server.put(pool("coder", replica(e0), replica(e1, traffic=False, reason="NotReadBack")))
            await until(lambda: cluster.usable("agents/coder") == {"e0"})

            assert await cluster.ask("s1") == "e0"
            told = await cluster.decisions("InferencePool/agents/coder")
            assert ("replica e0 gets no work", "NotReadBack: GPU-e0") in told
            assert ("session s1 goes to e0", "its replica is away or gets no work") in told


async def test_a_running_turn_finishes_where_traffic_was_withdrawn(server):
    async with backends("e0", "e1") as (e0, e1):
        e0.gate = asyncio.Event()
        server.put(pool("coder", replica(e0)))
        async with gateway_of(server, "agents/coder") as cluster:
            turn = asyncio.create_task(cluster.ask("s1"))
            await until(lambda: e0.running)
            server.put(pool("coder", replica(e0, traffic=False), replica(e1)))
            await until(lambda: cluster.usable("agents/coder") == {"e1"})
            e0.gate.set()

            assert await turn == "e0"
            assert await cluster.ask("s1") == "e1"


async def test_a_replica_that_vanishes_in_the_middle_of_a_stream_breaks_it_off_and_the_next_turn_goes_on(
    server,
):
    async with backends("e0", "e1") as (e0, e1):
        e0.die_after_tokens = 2
        server.put(pool("coder", replica(e0)))
        async with gateway_of(server, "agents/coder") as cluster, cluster.client("s1") as client:
            with pytest.raises(openai.APIError, match="failed in the middle"):
                async for _ in await client.chat.completions.create(model=MODEL, messages=HELLO, stream=True):
                    pass
            await e0.stop()
            server.put(pool("coder", replica(e1)))

            assert await cluster.ask("s1") == "e1"


async def test_a_replica_that_left_is_forgotten_whole(server, monkeypatch):
    monkeypatch.setattr(pools, "KEPT_SECONDS", 0.1)
    async with backends("e0", "e1") as (e0, e1):
        server.put(pool("coder", replica(e0)))
        async with gateway_of(server, "agents/coder") as cluster:
            assert await cluster.ask("s1") == "e0"
            server.put(pool("coder", replica(e1)))
            await until(lambda: list(cluster.gateway.pools["agents/coder"].replicas) == ["e1"])

            assert cluster.gateway.pools["agents/coder"].desk.resident_tokens("e0") == 0
            assert await cluster.ask("s1") == "e1"
            assert 'replica="e0"' not in (await cluster.get("/metrics"))[1]
            assert (await cluster.get("/v1/runs/s1"))[1]["turns"] == 2


async def test_a_pod_made_anew_under_its_name_has_lost_its_memory(server):
    async with backends("e0", "e0") as (old, new):
        server.put(pool("coder", replica(old)))
        async with gateway_of(server, "agents/coder") as cluster:
            await cluster.ask("s1")
            desk = cluster.gateway.pools["agents/coder"].desk
            assert desk.resident_tokens("e0") > 0
            server.put(pool("coder", replica(new)))
            await until(lambda: cluster.gateway.pools["agents/coder"].at("e0", new.url))

            assert desk.resident_tokens("e0") == 0
            await until(lambda: cluster.usable("agents/coder"))
            assert await cluster.ask("s1") == "e0"
            assert new.requests


async def test_a_deleted_pool_finishes_what_it_has_and_is_unknown_then(server):
    async with backends("e0") as (e0,):
        server.put(pool("coder", replica(e0)))
        async with gateway_of(server, "agents/coder") as cluster:
            e0.gate = asyncio.Event()
            turn = asyncio.create_task(cluster.ask("s1"))
            await until(lambda: e0.running)
            server.remove("InferencePool", "coder", "agents")
            await until(lambda: cluster.gateway.pools["agents/coder"].gone)
            with pytest.raises(openai.NotFoundError, match="models here: none"):
                await cluster.ask("s2")
            e0.gate.set()

            assert await turn == "e0"
            await until(lambda: not cluster.gateway.pools)
            assert len(cluster.gateway.sessions) == 0


async def test_turns_that_wait_are_told_that_their_pool_was_deleted(server):
    server.put(pool("coder"))
    async with gateway_of(server) as cluster:
        await until(lambda: cluster.gateway.pools)
        turn = asyncio.create_task(cluster.ask("s1"))
        await until(lambda: cluster.gateway.pools["agents/coder"].desk.held)
        server.remove("InferencePool", "coder", "agents")
        with pytest.raises(openai.NotFoundError, match="was deleted while this turn waited"):
            await turn


async def test_turns_wait_for_the_first_replica_of_a_pool(server):
    async with backends("e0") as (e0,):
        server.put(pool("coder"))
        async with gateway_of(server) as cluster:
            await until(lambda: cluster.gateway.pools)
            turn = asyncio.create_task(cluster.ask("s1"))
            await until(lambda: cluster.gateway.pools["agents/coder"].desk.held)
            server.put(pool("coder", replica(e0)))

            assert await turn == "e0"


async def test_while_the_api_server_is_away_everything_stays_as_it_was_last_told(server, caplog, monkeypatch):
    monkeypatch.setattr(kube, "LOOK_SECONDS", 0.05)
    async with backends("e0", "e1") as (e0, e1):
        server.put(pool("coder", replica(e0)))
        async with gateway_of(server, "agents/coder") as cluster:
            await server.stop()
            await until(lambda: "stand as they were last told" in caplog.text, seconds=10.0)
            assert await cluster.ask("s1") == "e0"
            server.put(pool("coder", replica(e1)))
            await server.start()
            await until(lambda: cluster.usable("agents/coder") == {"e1"}, seconds=10.0)


async def test_it_is_ready_once_it_knows_what_there_is(server):
    server.put(pool("without-replicas"))
    fault = server.hold(path="inferencepools")
    async with gateway_of(server) as cluster:
        await asyncio.wait_for(fault.reached.wait(), 5)
        status, text = await cluster.get("/readyz")
        assert (status, text) == (503, "the API server has not said yet which pools there are\n")
        with pytest.raises(openai.InternalServerError, match="has not said yet which pools there are"):
            await cluster.ask("s1")
        fault.wait.set()
        async with asyncio.timeout(5):
            while (await cluster.get("/readyz"))[0] != 200:
                await asyncio.sleep(0.01)


async def test_a_cluster_without_workflows_is_served_all_the_same(server):
    del server.kinds["apis/wattline.dev/v1alpha1/agentworkflows"]
    async with backends("e0") as (e0,):
        server.put(pool("coder", replica(e0)))
        async with gateway_of(server, "agents/coder") as cluster:
            assert await cluster.ask("s1") == "e0"
            assert (await cluster.get("/readyz"))[0] == 200


async def test_an_object_that_cannot_be_read_any_more_stays_as_it_was(server, caplog):
    async with backends("e0") as (e0,):
        server.put(pool("coder", replica(e0)))
        async with gateway_of(server, "agents/coder") as cluster:
            server.put(pool("coder", replica(e0)) | {"spec": {"model": 7}})
            await until(lambda: "inferencepools/agents/coder cannot be read" in caplog.text)
            server.put(pool("other", replica(e0), model="other"))
            await until(lambda: "agents/other" in cluster.gateway.pools)

            assert await cluster.ask("s1") == "e0"


async def test_the_oldest_pool_answers_to_a_models_name_and_every_pool_to_its_own(server):
    async with backends("old", "young", "other") as (old, young, other):
        server.put(pool("coder", replica(young), namespace="a-team", created="2026-02-01T00:00:00Z"))
        server.put(pool("coder", replica(old), namespace="web", created="2026-01-01T00:00:00Z"))
        server.put(pool("chat", replica(other), namespace="web", model="chat/model"))
        async with gateway_of(server, "a-team/coder", "web/coder", "web/chat") as cluster:
            assert await cluster.ask("s1") == "old"
            assert await cluster.ask("s2", model="a-team/coder") == "young"
            assert young.requests[-1][1]["model"] == MODEL
            assert await cluster.ask("s3", pool="a-team/coder") == "young"
            listed = (await cluster.get("/v1/models"))[1]["data"]
            assert [one["id"] for one in listed] == ["a-team/coder", "chat/model", MODEL]
            assert (await cluster.get("/v1/models/web/coder"))[0] == 200
            with pytest.raises(openai.NotFoundError, match="pool web/chat serves chat/model, not some/model"):
                await cluster.ask("s4", pool="web/chat")
            with pytest.raises(openai.NotFoundError, match="pool nowhere/coder does not exist"):
                await cluster.ask("s5", pool="nowhere/coder")
            server.remove("InferencePool", "coder", "web")
            await until(lambda: "web/coder" not in cluster.gateway.pools)
            assert await cluster.ask("s1") == "young"


async def test_agents_are_found_by_the_status_of_their_nodes(server):
    node = {
        "apiVersion": "wattline.dev/v1alpha1",
        "kind": "PowerNode",
        "metadata": {"name": "n1"},
        "spec": {},
        "status": {"address": "http://10.0.0.7:9808"},
    }
    server.put(node)
    server.put(node | {"metadata": {"name": "n2"}, "status": {}})
    async with watching(Access(server.url), BootClock()) as source:
        watch = asyncio.create_task(source.changes(lambda served: None))
        await until(source.agents)

        assert source.agents() == {"n1": "http://10.0.0.7:9808"}
        watch.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watch


async def test_held_turns_and_refusals_are_told_of_pool_and_run(server):
    async with backends("e0") as (e0,):
        e0.capacity_tokens = 16
        server.put(pool("coder", replica(e0)))
        async with gateway_of(server, "agents/coder", first_turn_wait_seconds=0.4) as cluster:
            with pytest.raises(openai.BadRequestError):
                await cluster.ask("s1")
            told = await cluster.decisions("run/s1")

            assert len(told) == 1
            assert told[0][0] == "refused a turn"
            assert "do not fit the KV memory" in told[0][1]


async def test_a_run_whose_turn_is_held_says_so_and_for_what(server):
    server.put(pool("coder", created="2026-01-01T00:00:00Z"))
    async with gateway_of(server) as cluster:
        await until(lambda: "agents/coder" in cluster.gateway.pools)
        turn = asyncio.create_task(cluster.ask("s1"))
        await until(lambda: cluster.gateway.turns)
        await asyncio.sleep(0.05)
        _, held = await cluster.get("/v1/runs/s1")
        turn.cancel()
        await asyncio.gather(turn, return_exceptions=True)
        await until(lambda: not cluster.gateway.turns)
        _, after = await cluster.get("/v1/runs/s1")

    assert held["heldSeconds"] > 0
    assert held["heldBecause"] == "NoReplicaUsable"
    assert (after["heldSeconds"], after["heldBecause"]) == (0, "")
