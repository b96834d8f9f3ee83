"""A gateway on a box: agents that name a workflow of the manifests start in its order, and in its time."""

import asyncio

import openai
import pytest
import yaml
from tests.integration.gateway_backend import Backend
from tests.integration.test_gateway import MODEL, gateway_for

SMALL = 1600
BIG = 5600
"""Bytes of a prompt that takes nearly all the memory of an engine of 1,600 tokens."""


def workflow(name, **spec):
    return {
        "apiVersion": "wattline.dev/v1alpha1",
        "kind": "AgentWorkflow",
        "metadata": {"name": name},
        "spec": {"trigger": "External"} | spec,
    }


@pytest.fixture
async def engine():
    backend = await Backend("e0", capacity_tokens=SMALL).start()
    yield backend
    await backend.stop()


@pytest.fixture
def fleet(tmp_path):
    """Two workflows beside the pool that the gateway is given."""
    folder = tmp_path / "fleet"
    folder.mkdir()
    said = [workflow("day", **{"class": "Protected"}), workflow("night", **{"class": "BestEffort"})]
    said.append(workflow("chat", objective={"startWithinSeconds": 0.2}))
    (folder / "workflows.yaml").write_text(yaml.safe_dump_all(said))
    return tmp_path


async def ask(served, session, named):
    headers = {"x-session-id": session} | ({"x-wattline-workflow": named} if named else {})
    prompt = [{"role": "user", "content": session[0] * BIG}]
    answer = await served.client(**headers).chat.completions.create(
        model=MODEL, messages=prompt, max_tokens=1
    )
    await served.http.post(f"{served.url}/finish_session?session_id={session}")
    return session, answer


async def test_of_agents_that_wait_the_higher_class_starts_first(fleet, engine):
    async with gateway_for(fleet, [engine], adopting_seconds=0, first_turn_wait_seconds=20) as served:
        engine.gate = asyncio.Event()
        first = asyncio.create_task(ask(served, "holder", None))
        await served.until(lambda: engine.running == 1)
        order, tasks = [], []
        for number, (session, named) in enumerate((("night", "night"), ("plain", None), ("day", "day")), 1):
            task = asyncio.create_task(ask(served, session, named))
            task.add_done_callback(lambda done: order.append(done.result()[0]))
            tasks.append(task)
            await served.until(lambda number=number: served.desk.held == number)
        engine.gate.set()
        await asyncio.gather(first, *tasks)

        assert order == ["day", "plain", "night"]


async def test_a_first_turn_is_held_as_long_as_its_workflow_says_and_no_longer(fleet, engine):
    async with gateway_for(fleet, [engine], adopting_seconds=0, first_turn_wait_seconds=20) as served:
        engine.gate = asyncio.Event()
        first = asyncio.create_task(ask(served, "holder", None))
        await served.until(lambda: engine.running == 1)

        with pytest.raises(openai.RateLimitError, match="no memory for new agents: held for 0 s"):
            await ask(served, "chat", "chat")

        engine.gate.set()
        await first


async def test_a_workflow_that_the_manifests_do_not_have_is_refused_until_they_do(fleet, engine):
    async with gateway_for(fleet, [engine]) as served:
        with pytest.raises(
            openai.NotFoundError, match="the workflow late does not exist; workflows here: chat, day"
        ):
            await ask(served, "s1", "late")
        (fleet / "fleet" / "late.yaml").write_text(yaml.safe_dump(workflow("late")))
        await served.until(lambda: "late" in served.gateway.workflows.runs())

        assert (await ask(served, "s2", "late"))[0] == "s2"
