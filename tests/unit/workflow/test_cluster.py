"""A run in a cluster, against a fake API server over real sockets."""

import asyncio
import contextlib
import json

import pytest
from tests.fakes.apiserver import FakeApiServer
from tests.waiting import until

from wattline.api.workflowrun import Phase
from wattline.doors.clock import BootClock
from wattline.doors.kube.access import Access
from wattline.doors.kube.client import Kube, session
from wattline.model import runnames
from wattline.workflow import jobs, machine
from wattline.workflow.cluster import MANAGER, KubeRun
from wattline.workflow.errors import GoneError, StepFailedError

QUICK = BootClock(speed=100)

SPEC = {
    "trigger": "OnApply",
    "steps": [
        {"name": "plan", "llm": {"model": "m", "prompt": "p"}},
        {"name": "test", "tool": {"job": {"image": "i", "env": [{"name": "A", "value": "b"}]}}},
    ],
}


class Here:
    """A workflow in a cluster, and its run."""

    def __init__(self, server, kube, here, run):
        self.server, self.kube, self.here, self.run = server, kube, here, run
        self.waited = []

    @property
    def job(self):
        return runnames.tool("fix", self.run, "test")

    async def waits(self, reason, message):
        self.waited.append((reason, message))

    async def work(self):
        return await self.here.work(machine.Work("test", job(), {"A": "b"}), self.waits)

    def jobs(self):
        return self.server.all("Job", "agents")

    def over(self, *, well=True, message="green", code=0):
        """The cluster runs the tool's pod to its end."""
        terminated = {"exitCode": code, "message": message, "finishedAt": "2026-01-01T00:00:00Z"}
        self.pod({"containerStatuses": [{"name": jobs.CONTAINER, "state": {"terminated": terminated}}]})
        condition = {"type": "Complete" if well else "Failed", "status": "True"}
        self.server.patch("Job", self.job, {"status": {"conditions": [condition]}}, "agents", "status")

    def pod(self, status):
        labels = {runnames.RUN: self.run, runnames.STEP: "test"}
        meta = {"name": f"{self.job}-x", "namespace": "agents", "labels": labels}
        self.server.put({"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": {}, "status": status})


def job():
    return machine.AgentWorkflowSpec.model_validate(SPEC).steps[1].tool.job


@pytest.fixture
async def here():
    async with FakeApiServer() as server:
        meta = {"name": "fix", "namespace": "agents"}
        made = server.put(
            {
                "apiVersion": "wattline.dev/v1alpha1",
                "kind": "AgentWorkflow",
                "metadata": meta,
                "spec": SPEC,
            }
        )
        run = runnames.run_id(made["metadata"]["uid"], 1)
        meta = {"name": runnames.runner("fix", run), "namespace": "agents"}
        data = {runnames.SPEC_KEY: json.dumps(SPEC)}
        server.put({"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": data})
        access = Access(server.url)
        async with session(access, MANAGER) as http:
            kube = Kube(http, access, manager=MANAGER)
            found = await KubeRun.find(kube, QUICK, "agents", "fix", run)
            yield Here(server, kube, found, run)


def begun(run):
    return machine.begun(run, 1, machine.AgentWorkflowSpec.model_validate(SPEC), "2026-01-01T00:00:00Z")


async def test_a_run_keeps_its_status_apart_from_what_others_write_there(here):
    mine = machine.tried(begun(here.run), "plan")
    others = {"status": {"phase": "Pending", "reason": "Starting", "observedGeneration": 1}}
    here.server.patch("AgentWorkflow", "fix", others, "agents", "status")

    assert await here.here.load() is None
    await here.here.save(mine)

    status = here.server.get("AgentWorkflow", "fix", "agents")["status"]
    assert (status["phase"], status["run"]["progress"]) == ("Pending", "0/2")
    assert await here.here.load() == mine


async def test_the_spec_is_the_one_the_run_began_with(here):
    here.server.patch("AgentWorkflow", "fix", {"spec": {"trigger": "External", "steps": []}}, "agents")

    assert [step.name for step in (await here.here.spec()).steps] == ["plan", "test"]


async def test_long_answers_stand_in_an_object_that_goes_with_the_workflow(here):
    ref = await here.here.keep("plan", "x" * 10_000)

    assert await here.here.fetch(ref) == "x" * 10_000
    owner = here.server.get("ConfigMap", ref, "agents")["metadata"]["ownerReferences"][0]
    assert owner["uid"] == here.server.get("AgentWorkflow", "fix", "agents")["metadata"]["uid"]
    with pytest.raises(StepFailedError, match="longer than 900 KiB"):
        await here.here.keep("plan", "ü" * 500_000)


async def test_an_api_server_that_is_away_is_waited_for(here):
    here.server.refuse(503, "ServiceUnavailable", times=3)
    await here.here.save(begun(here.run))

    assert (await here.here.load()).id == here.run


async def test_a_write_that_meets_another_is_made_again(here):
    here.server.refuse(409, "Conflict", method="PATCH", times=2)
    await here.here.save(begun(here.run))

    assert (await here.here.load()).id == here.run


async def test_a_workflow_that_is_deleted_ends_its_runner(here):
    here.server.remove("AgentWorkflow", "fix", "agents")

    with pytest.raises(GoneError):
        await here.here.save(begun(here.run))


async def test_a_workflow_of_the_same_name_is_not_written_to(here):
    here.server.remove("AgentWorkflow", "fix", "agents")
    meta = {"name": "fix", "namespace": "agents"}
    here.server.put(
        {"apiVersion": "wattline.dev/v1alpha1", "kind": "AgentWorkflow", "metadata": meta, "spec": SPEC}
    )

    with pytest.raises(GoneError):
        await here.here.save(begun(here.run))
    with pytest.raises(GoneError):
        await KubeRun.find(here.kube, QUICK, "agents", "fix", here.run)
    assert "status" not in here.server.get("AgentWorkflow", "fix", "agents")


async def test_a_tool_runs_as_a_job_and_answers_with_its_last_words(here):
    working = asyncio.create_task(here.work())
    await until(here.jobs)
    here.over(message="green")

    assert await working == "green"
    assert [each["metadata"]["name"] for each in here.jobs()] == [here.job]


async def test_a_job_that_an_earlier_runner_made_is_gone_on_with(here):
    first = asyncio.create_task(here.work())
    await until(here.jobs)
    first.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await first
    second = asyncio.create_task(here.work())
    here.over()

    assert await second == "green"
    assert len(here.jobs()) == 1


async def test_a_job_that_somebody_deleted_is_made_again(here):
    working = asyncio.create_task(here.work())
    await until(here.jobs)
    uid = here.jobs()[0]["metadata"]["uid"]
    here.server.remove("Job", here.job, "agents")
    await until(lambda: here.jobs() and here.jobs()[0]["metadata"]["uid"] != uid)
    here.over()

    assert await working == "green"


async def test_a_tool_that_fails_gives_its_step_up_with_its_last_words(here):
    working = asyncio.create_task(here.work())
    await until(here.jobs)
    here.over(well=False, message="1 failed", code=1)

    with pytest.raises(StepFailedError, match="exit status 1: 1 failed"):
        await working


async def test_a_job_that_the_cluster_does_not_take_gives_its_step_up(here):
    here.server.refuse(422, "Invalid", "limits: quantity", method="POST")

    with pytest.raises(StepFailedError, match="limits: quantity"):
        await here.work()


async def test_what_a_tool_waits_for_is_told(here):
    working = asyncio.create_task(here.work())
    await until(here.jobs)
    here.pod({"conditions": [{"type": "PodScheduled", "status": "False", "message": "0/3 nodes"}]})
    await until(lambda: here.waited)
    here.over()

    await working
    assert here.waited[0] == ("WaitingForCapacity", f"pod {here.job}-x: 0/3 nodes")


async def test_the_status_of_a_run_that_ended_is_what_a_later_runner_finds(here):
    ended = machine.ended(begun(here.run), machine.End(Phase.FAILED, "StepFailed", "why"), "later")
    await here.here.save(ended)

    assert await here.here.load() == ended
