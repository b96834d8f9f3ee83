"""Asking models through a gateway that answers, refuses, holds and goes away, over real sockets."""

import asyncio
import contextlib
import random

import aiohttp
import pytest
from aiohttp import web

from wattline.api.agentworkflow import Llm
from wattline.doors.clock import BootClock
from wattline.workflow.errors import StepFailedError, StoppedError
from wattline.workflow.models import Gateway

LLM = Llm(model="m", prompt="p", max_tokens=7)
FORM = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
ENERGY = {"joules": 12.5, "settled": True}


def completion(text, *, finish="stop", tokens=10):
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": finish}
    return 200, {"choices": [choice], "usage": {"total_tokens": tokens}}, {}


def refusal(status, reason, kind="", retry_after="1"):
    headers = {"x-wattline-refused-reason": reason, "Retry-After": retry_after}
    return status, {"error": {"type": kind, "message": "why"}}, headers


class Script:
    """A gateway that answers what it is told to, one after the other, and the last for ever."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.asked = []
        self.energy = dict(ENERGY)
        self.gate = None
        self.finished = []
        self.waited = []

    async def chat(self, request):
        self.asked.append((await request.json(), request.headers))
        if self.gate is not None:
            await self.gate.wait()
        status, body, headers = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return web.json_response(body, status=status, headers=headers)

    async def run(self, request):
        self.finished.append(request.match_info["run"])
        return web.json_response(self.energy)

    async def finish(self, request):
        self.finished.append(request.query["session_id"])
        return web.json_response({})

    async def waits(self, reason, message):
        self.waited.append(reason)


@contextlib.asynccontextmanager
async def asking(script):
    app = web.Application()
    app.router.add_post("/v1/chat/completions", script.chat)
    app.router.add_get("/v1/runs/{run:.+}", script.run)
    app.router.add_post("/finish_session", script.finish)
    runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.05)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/"
    async with aiohttp.ClientSession() as http:
        clock, chance = BootClock(speed=100), random.Random(1)
        yield Gateway(http, url, workflow="agents/fix", run="agents/fix/r-1", clock=clock, chance=chance)
    await runner.cleanup()


async def test_a_call_is_one_turn_of_the_run_and_names_its_workflow():
    script = Script(completion("hello"))
    async with asking(script) as gateway:
        reply = await gateway.ask(LLM, "say hello", script.waits)

    body, headers = script.asked[0]
    assert (reply.text, reply.tokens, reply.note) == ("hello", 10, "")
    assert body == {"model": "m", "messages": [{"role": "user", "content": "say hello"}], "max_tokens": 7}
    assert headers["x-wattline-workflow"] == "agents/fix"
    assert headers["x-wattline-session"] == "agents/fix/r-1"


async def test_refusals_are_waited_out():
    script = Script(
        refusal(429, "rejected-saturated"), refusal(404, "rejected-no-such-model"), completion("hello")
    )
    async with asking(script) as gateway:
        assert (await gateway.ask(LLM, "p", script.waits)).text == "hello"

    assert script.waited == ["WaitingForCapacity", "WaitingForModel"]


async def test_a_gateway_that_is_away_is_waited_for():
    script = Script(completion("hello"))
    async with asking(script) as gateway:
        away = Gateway(
            gateway._session,
            "http://127.0.0.1:9",
            workflow="a/b",
            run="r",
            clock=gateway._clock,
            chance=random.Random(1),
        )
        task = asyncio.create_task(away.ask(LLM, "p", script.waits))
        async with asyncio.timeout(5):
            while script.waited[:2] != ["WaitingForGateway"] * 2:
                await asyncio.sleep(0.01)
        task.cancel()

        assert await away.used() is None
        await away.finish()


async def test_a_run_that_is_out_of_budget_is_stopped():
    script = Script(refusal(429, "rejected-budget-exhausted", "energy_budget"))
    async with asking(script) as gateway:
        with pytest.raises(StoppedError, match="why"):
            await gateway.ask(LLM, "p", script.waits)


async def test_an_engine_that_keeps_failing_gives_the_step_up():
    script = Script((500, {"error": {"message": "CUDA"}}, {}))
    async with asking(script) as gateway:
        with pytest.raises(StepFailedError, match="500: CUDA"):
            await gateway.ask(LLM, "p", script.waits)

    assert len(script.asked) == 5


async def test_json_is_asked_for_by_its_schema_and_judged_by_it():
    script = Script(completion("{"), completion('{"n": "x"}'), completion('{"n": 3}'))
    async with asking(script) as gateway:
        reply = await gateway.ask(LLM.model_copy(update={"answer": FORM}), "p", script.waits)

    assert script.asked[0][0]["response_format"]["json_schema"]["schema"] == FORM
    assert (reply.text, reply.tokens) == ('{"n": 3}', 30)


async def test_answers_that_never_keep_their_schema_give_the_step_up_with_what_they_used():
    script = Script(completion('{"n": 1', finish="length"))
    async with asking(script) as gateway:
        with pytest.raises(StepFailedError, match="cut off at maxTokens 7") as caught:
            await gateway.ask(LLM.model_copy(update={"answer": FORM}), "p", script.waits)

    assert caught.value.tokens == 30


async def test_a_schema_that_is_none_costs_nothing():
    script = Script(completion("{}"))
    async with asking(script) as gateway:
        with pytest.raises(StepFailedError, match="the answer's schema is none"):
            await gateway.ask(LLM.model_copy(update={"answer": {"type": "objet"}}), "p", script.waits)

    assert not script.asked


async def test_text_that_was_cut_off_says_so():
    script = Script(completion("he", finish="length"))
    async with asking(script) as gateway:
        assert (await gateway.ask(LLM, "p", script.waits)).note == "cut off at maxTokens 7"


async def test_a_call_that_the_gateway_holds_says_what_it_waits_for_and_when_it_has_started():
    script = Script(completion("hello"))
    script.gate = asyncio.Event()
    script.energy |= {"heldSeconds": 3, "heldBecause": "NoReplicaUsable"}

    async def waits(reason, message):
        script.waited.append(reason)
        script.energy |= {"heldSeconds": 0, "heldBecause": ""}
        if reason == "RunningStep":
            script.gate.set()

    async with asking(script) as gateway:
        assert (await gateway.ask(LLM, "p", waits)).text == "hello"

    assert script.waited == ["WaitingForReplicas", "RunningStep"]


async def test_a_wait_that_ends_the_run_ends_the_call():
    script = Script(completion("hello"))
    script.gate = asyncio.Event()
    script.energy |= {"heldSeconds": 3, "heldBecause": "AboveBeta"}

    async def waits(reason, message):
        raise StoppedError(f"{reason}: {message}")

    async with asking(script) as gateway:
        with pytest.raises(StoppedError, match="WaitingForCapacity: the gateway holds the call since 3 s"):
            await gateway.ask(LLM, "p", waits)


async def test_what_a_run_has_used_and_that_it_is_over_go_by_its_session():
    script = Script(completion("hello"))
    async with asking(script) as gateway:
        used = await gateway.used()
        await gateway.finish()

    assert (used.joules, used.settled) == (12.5, True)
    assert script.finished == ["agents/fix/r-1", "agents/fix/r-1"]
