"""A workflow from apply to its end: operator, runner and gateway against a fake API server, over real sockets."""

import asyncio
import contextlib
import json

import aiohttp
import pytest
from aiohttp import web
from tests.fakes.apiserver import FakeApiServer
from tests.integration.gateway_backend import Backend
from tests.waiting import within

from wattline.controller.balance import settle
from wattline.doors.clock import BootClock, utc, utc_micros
from wattline.doors.kube.access import Access
from wattline.doors.kube.client import Kube, session
from wattline.doors.kube.cluster import KubeCluster
from wattline.doors.kube.events import Events
from wattline.doors.kube.lease import DomainLeases, Fence
from wattline.doors.kube.watched import Watched
from wattline.doors.listen import listener
from wattline.gateway.kube import watching
from wattline.gateway.main import serving
from wattline.gateway.settings import Settings
from wattline.model.journal import Journal
from wattline.model.runnames import RUN, STEP
from wattline.workflow.jobs import CONTAINER
from wattline.workflow.main import Wiring, main

API = "wattline.dev/v1alpha1"
MODEL = "some/model"
CLOCK = BootClock()
QUICK = BootClock(speed=10)
"""Of the runner, whose pauses are of seconds."""
SCHEMA = {
    "type": "object",
    "properties": {"files": {"type": "array", "items": {"type": "string"}}},
    "required": ["files"],
}
STEPS = [
    {
        "name": "plan",
        "llm": {"model": MODEL, "prompt": "issue {{ parameters.issue }}", "answer": SCHEMA, "maxTokens": 8},
    },
    {
        "name": "write",
        "llm": {"model": MODEL, "prompt": "write {{ steps.plan.answer.files.0 }}", "maxTokens": 2},
    },
    {
        "name": "test",
        "tool": {"job": {"image": "tests", "env": [{"name": "CODE", "value": "{{ steps.write.answer }}"}]}},
    },
]


until = within(seconds=15.0)

TOOL = {"name": "last", "tool": {"job": {"image": "tests"}}}


class Engine(Backend):
    """An engine that keeps a schema when it is asked to."""

    def __init__(self):
        super().__init__("e0", answer_tokens=2)
        self.json = ['{"files": ["a.py"]}']

    async def answer(self, request, body, prompt, cached):
        if "response_format" not in body:
            return await super().answer(request, body, prompt, cached)
        text = self.json.pop(0) if len(self.json) > 1 else self.json[0]
        choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
        usage = {"prompt_tokens": prompt, "completion_tokens": 5, "total_tokens": prompt + 5}
        return web.json_response(
            {"id": "c", "object": "chat.completion", "choices": [choice], "usage": usage}
        )


class Agent:
    """A node agent whose GPU draws a kilowatt while the engine works, and little else."""

    def __init__(self, engine):
        self.engine = engine
        self.joules, self.at_seconds = 0.0, CLOCK.now()

    async def gpus(self, request):
        now = CLOCK.now()
        self.joules += (now - self.at_seconds) * (1000 if self.engine.running else 50)
        self.at_seconds = now
        gpu = {
            "uuid": "GPU-0", "product": "x", "energyJoules": self.joules, "watts": 1000, "limitWatts": 1000,
            "clockMhz": 1, "celsius": 1, "marginCelsius": None,
        }  # fmt: skip
        return web.json_response({"node": "n1", "bootId": "b", "atSeconds": now, "gpus": [gpu]})


class World:
    """A cluster with an operator, a gateway, one engine, and a kubelet that runs what Jobs ask for."""

    def __init__(self, server, engine, gateway_url, http):
        self.server, self.engine, self.gateway_url, self.http = server, engine, gateway_url, http
        self.access = Access(server.url)
        self.tools = []
        self.ran = set()
        self.tool_answers = ("green", 0)
        self.runners = {}
        self.crashes = 0

    def apply(self, name="fix", **spec):
        given = {"parameters": [{"name": "issue", "value": "17"}], "steps": STEPS} | spec
        return self.server.put(
            {"apiVersion": API, "kind": "AgentWorkflow", "metadata": self.meta(name), "spec": given}
        )

    def meta(self, name):
        return {"name": name, "namespace": "agents"}

    def status(self, name="fix"):
        return self.server.get("AgentWorkflow", name, "agents").get("status", {})

    async def operator(self):
        """Passes of the operator, one after the other."""
        async with session(self.access, "wattline-operator") as http, asyncio.TaskGroup() as tasks:
            kube = Kube(http, self.access, manager="wattline-operator")
            watched = Watched(kube, CLOCK, lambda: None)
            tasks.create_task(watched.run())
            await until(lambda: not watched.problem())
            fence = Fence(1, CLOCK, CLOCK.now() + 1000)
            leases = DomainLeases(kube, namespace="w", identity="i", fence=fence, stamp=utc_micros)
            events = Events(kube, CLOCK, controller="c", instance="i", stamp=utc_micros)
            cluster = KubeCluster(
                kube, watched, fence, leases, events, CLOCK,
                lease_seconds=60, image="wattline:1", gateway=self.gateway_url,
            )  # fmt: skip
            journal = Journal(utc)
            while True:
                await settle(cluster, Nobody(), CLOCK, utc(), journal)
                await asyncio.sleep(0.05)

    async def kubelet(self):
        """Start the runner of every runner's Job, and end every tool's Job as the test wants it."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                for job in self.server.all("Job", "agents"):
                    meta = job["metadata"]
                    if meta["uid"] in self.ran:
                        continue
                    self.ran.add(meta["uid"])
                    if STEP in meta["labels"]:
                        self.tool(job)
                    else:
                        self.runners[meta["name"]] = tasks.create_task(self.runner(job))
                await asyncio.sleep(0.02)

    async def runner(self, job):
        args = job["spec"]["template"]["spec"]["containers"][0]["args"]
        namespace, _, name = args[1].partition("/")
        options = dict(arg.removeprefix("--").split("=", 1) for arg in args[2:])
        wiring = Wiring(namespace, name, options["run"], options["gateway"])
        for _ in range(self.crashes):
            life = asyncio.create_task(main(self.access, wiring, QUICK))
            await until(lambda: self.status().get("run", {}).get("progress") == "1/3" and self.engine.running)
            life.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await life
        return await main(self.access, wiring, QUICK)

    def tool(self, job):
        meta = job["metadata"]
        message, code = self.tool_answers
        self.tools.append(job["spec"]["template"]["spec"]["containers"][0]["env"])
        terminated = {"exitCode": code, "message": message, "finishedAt": "2026-01-01T00:00:00Z"}
        pod = {"name": f"{meta['name']}-x", "namespace": "agents", "labels": meta["labels"]}
        state = [{"name": CONTAINER, "state": {"terminated": terminated}}]
        self.server.put(
            {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": pod,
                "spec": {},
                "status": {"containerStatuses": state},
            }
        )
        ended = {"type": "Failed" if code else "Complete", "status": "True"}
        self.server.patch("Job", meta["name"], {"status": {"conditions": [ended]}}, "agents", "status")


class Nobody:
    """No agents to read."""

    async def read(self, addresses):
        return {}


@contextlib.asynccontextmanager
async def served(app):
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.05)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@pytest.fixture
async def world():
    engine = await Engine().start()
    agent = web.Application()
    agent.router.add_get("/v1/gpus", Agent(engine).gpus)
    quick = Settings(poll_seconds=0.05, first_turn_wait_seconds=0.3, turn_wait_seconds=3.0)
    async with FakeApiServer() as server, served(agent) as agent_url:
        server.serve("api/v1/serviceaccounts", "ServiceAccount")
        server.serve("apis/rbac.authorization.k8s.io/v1/rolebindings", "RoleBinding")
        server.put(node(agent_url))
        with listener("127.0.0.1", 0) as sock:
            async with (
                aiohttp.ClientSession() as http,
                watching(Access(server.url), CLOCK) as source,
                serving(source, quick, CLOCK, sock),
            ):
                made = World(server, engine, f"http://127.0.0.1:{sock.getsockname()[1]}", http)
                server.put(pool(engine))
                parts = [asyncio.create_task(made.operator()), asyncio.create_task(made.kubelet())]
                try:
                    yield made
                finally:
                    for part in parts:
                        part.cancel()
                    await asyncio.gather(*parts, return_exceptions=True)
    await engine.stop()


def node(agent_url):
    return {
        "apiVersion": API,
        "kind": "PowerNode",
        "metadata": {"name": "n1"},
        "spec": {"epoch": 1},
        "status": {"address": agent_url},
    }


def pool(engine):
    there = {
        "name": "e0", "url": engine.url, "node": "n1", "gpus": ["GPU-0"], "ready": True, "traffic": True,
        "reason": "",
    }  # fmt: skip
    return {
        "apiVersion": API,
        "kind": "InferencePool",
        "metadata": {"name": "coder", "namespace": "agents", "creationTimestamp": "2026-01-01T00:00:00Z"},
        "spec": {
            "model": MODEL,
            "endpoints": [{"name": "e0", "url": engine.url, "node": "n1", "gpus": ["GPU-0"]}],
        },
        "status": {"endpoints": [there]},
    }


def over(world, name="fix"):
    return world.status(name).get("phase") in {"Succeeded", "Failed"}


async def test_a_workflow_is_run_once_through_the_gateway_and_says_what_it_cost(world):
    world.engine.step_seconds = 0.1
    world.apply()
    await until(lambda: over(world))
    status = world.status()
    run = status["run"]

    assert (status["phase"], status["reason"], run["progress"]) == ("Succeeded", "AllStepsDone", "3/3")
    assert json.loads(run["steps"][0]["answer"]) == {"files": ["a.py"]}
    assert [step["answer"] for step in run["steps"][1:]] == ["word word ", "green"]
    assert world.tools == [[{"name": "CODE", "value": "word word "}]]
    prompts = [body["messages"][0]["content"] for _, body, _ in world.engine.requests]
    assert prompts == ["issue 17", "write a.py"]
    assert run["tokens"] > 0
    assert 50 < run["joules"] < 500, "about 0.2 s at a kilowatt"
    async with world.http.get(f"{world.gateway_url}/v1/runs/agents/fix/{run['id']}") as response:
        energy = await response.json()
    assert energy["turns"] == 2
    assert energy["joules"] == pytest.approx(run["joules"], abs=0.1)
    jobs = [job["metadata"] for job in world.server.all("Job", "agents")]
    uid = world.server.get("AgentWorkflow", "fix", "agents")["metadata"]["uid"]
    assert len(jobs) == 2
    assert all(job["ownerReferences"][0]["uid"] == uid and RUN in job["labels"] for job in jobs)


async def test_a_runner_that_crashes_goes_on_where_it_was(world):
    world.crashes = 1
    world.engine.step_seconds = 0.2
    world.apply()
    await until(lambda: over(world))
    run = world.status()["run"]

    assert (run["phase"], run["progress"]) == ("Succeeded", "3/3")
    prompts = [body["messages"][0]["content"] for _, body, _ in world.engine.requests]
    assert prompts.count("issue 17") == 1, "an answer that was saved is not asked for again"
    assert [step["attempts"] for step in run["steps"]] == [1, 2, 1]


async def test_a_run_that_used_up_its_joules_is_stopped_between_turns(world):
    world.engine.step_seconds = 0.1
    asks = [
        {"name": f"ask-{n}", "llm": {"model": MODEL, "prompt": f"p{n}", "maxTokens": 2}} for n in range(9)
    ]
    world.apply(steps=[*asks, TOOL], budget={"maxJoules": 99, "onExceeded": "Stop"})
    await until(lambda: over(world))
    status = world.status()

    assert (status["phase"], status["reason"]) == ("Failed", "BudgetExhausted")
    assert status["run"]["progress"] in {"1/10", "2/10", "3/10", "4/10"}
    assert status["run"]["joules"] > 99
    conditions = {each["type"]: each["status"] for each in status["conditions"]}
    assert conditions["WithinBudget"] == "False"
    assert not world.tools


async def test_a_run_waits_with_a_reason_while_there_is_no_room(world):
    world.apply(steps=[{"name": "plan", "llm": {"model": "late/model", "prompt": "p"}}])
    await until(lambda: world.status().get("reason") == "WaitingForModel")
    late = pool(world.engine)
    late["metadata"]["name"] = "late"
    late["spec"]["model"] = "late/model"
    world.server.put(late)
    await until(lambda: over(world))

    assert world.status()["phase"] == "Succeeded"


async def test_an_answer_that_breaks_its_schema_is_asked_for_again_and_given_up_after_three(world):
    world.engine.json = ["no", '{"files": 3}', '{"files": ["b.py"]}']
    world.apply("thrice")
    await until(lambda: over(world, "thrice"))
    world.engine.json = ['{"files": 3}']
    world.apply("never")
    await until(lambda: over(world, "never"))

    assert world.status("thrice")["phase"] == "Succeeded"
    assert json.loads(world.status("thrice")["run"]["steps"][0]["answer"]) == {"files": ["b.py"]}
    assert (world.status("never")["phase"], world.status("never")["reason"]) == ("Failed", "StepFailed")
    message = world.status("never")["run"]["message"]
    assert message == "plan: the answer breaks its schema at $.files: 3 is not of type 'array' (3 answers)"


async def test_a_tool_that_fails_ends_the_run_with_its_last_words(world):
    world.tool_answers = ("2 failed", 1)
    world.apply()
    await until(lambda: over(world))

    assert world.status()["run"]["message"] == "test: exit status 1: 2 failed"


async def test_agents_elsewhere_that_name_a_workflow_are_held_to_its_budget(world):
    external = {"trigger": "External", "budget": {"maxJoules": 1, "onExceeded": "Stop"}}
    world.server.put(
        {"apiVersion": API, "kind": "AgentWorkflow", "metadata": world.meta("night"), "spec": external}
    )
    world.engine.step_seconds = 0.1
    headers = {"x-wattline-workflow": "agents/night", "x-session-id": "s1"}
    body = {"model": MODEL, "messages": [{"role": "user", "content": "hello"}]}

    async def ask():
        url = f"{world.gateway_url}/v1/chat/completions"
        async with world.http.post(url, json=body, headers=headers) as response:
            return response.status, await response.json(), response.headers

    await until(lambda: world.status("night").get("reason") == "AgentsElsewhere")
    async with asyncio.timeout(10):
        while (await ask())[0] != 200:  # the gateway may see the workflow later than the operator
            await asyncio.sleep(0.05)
        while (said := await ask())[0] == 200:
            await asyncio.sleep(0.1)
    status, error, refused = said

    assert (status, error["error"]["type"]) == (429, "energy_budget")
    assert "workflow agents/night stops its runs there" in error["error"]["message"]
    assert refused["x-should-retry"] == "false"
    headers["x-wattline-workflow"], headers["x-session-id"] = "agents/nigth", "s2"
    status, error, _ = await ask()
    assert (status, error["error"]["code"]) == (404, "workflow_not_found")
