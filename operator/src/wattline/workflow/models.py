"""Asking models through the gateway, as one session that names its workflow; waits as long as it has to."""

import asyncio
import json
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import aiohttp

from wattline.api.agentworkflow import Llm
from wattline.doors.clock import Clock
from wattline.workflow import answers, refusals
from wattline.workflow.errors import StepFailedError, StoppedError
from wattline.workflow.machine import RUNNING

MOST_ASKS = 3
"""Answers that break their schema before a step is given up; ours."""

ANSWER_WALL_SECONDS = 3600.0
"""An engine that is silent for longer will not answer."""

READ_WALL_SECONDS = 5.0
"""Time for the gateway to say what a run has used."""

LOOK_SECONDS = 5.0
"""How often a runner that waits for an answer looks whether its call has started; ours."""

HELD_SECONDS = 2.0
"""A call that was held for less is nobody's question."""

Waits = Callable[[str, str], Awaitable[None]]
"""Told what a call waits for, in a word and a sentence; may raise to end the wait."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What a model answered."""

    text: str
    tokens: int
    """Of prompts and answers, those of answers that were thrown away too."""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Used:
    """What the gateway says a run has used."""

    joules: float
    settled: bool
    """Nothing is to be added any more."""
    held_seconds: float = 0.0
    """How long a turn of it has waited to start."""
    held_because: str = ""


class Gateway:
    """The models that a gateway serves, for one run."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        url: str,
        *,
        workflow: str,
        run: str,
        clock: Clock,
        chance: random.Random,
    ) -> None:
        self._session = session
        self._url = url.rstrip("/")
        self._run = run
        self._headers = {"x-wattline-workflow": workflow, "x-wattline-session": run}
        self._clock = clock
        self._chance = chance

    async def ask(self, llm: Llm, prompt: str, waits: Waits) -> Reply:
        """Return the model's answer; raise `StepFailedError` or `StoppedError` where there will be none."""
        if llm.answer is not None:
            try:
                answers.check(llm.answer)
            except answers.BadSchemaError as error:
                raise StepFailedError(str(error)) from error
        tokens, problem = 0, ""
        for _ in range(MOST_ASKS):
            said = await self._call(_body(llm, prompt), waits, tokens)
            choice = said["choices"][0]
            text = str(choice["message"].get("content") or "")
            tokens += int((said.get("usage") or {}).get("total_tokens") or 0)
            cut = choice.get("finish_reason") == "length"
            try:
                answers.read(text, llm.answer)
            except answers.NotAnAnswerError as error:
                problem = f"{error}; it was cut off at maxTokens {llm.max_tokens}" if cut else str(error)
                continue
            return Reply(text, tokens, f"cut off at maxTokens {llm.max_tokens}" if cut else "")
        raise StepFailedError(f"{problem} ({MOST_ASKS} answers)", tokens)

    async def used(self) -> Used | None:
        """Return what the run has used, or None where the gateway does not say."""
        try:
            async with self._session.get(
                f"{self._url}/v1/runs/{self._run}", timeout=aiohttp.ClientTimeout(total=READ_WALL_SECONDS)
            ) as response:
                if response.status != 200:
                    return None
                said = json.loads(await response.read())
                return Used(
                    float(said["joules"]),
                    bool(said["settled"]),
                    float(said.get("heldSeconds", 0.0)),
                    str(said.get("heldBecause", "")),
                )
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError, KeyError, TypeError):
            return None

    async def finish(self) -> None:
        """Tell the gateway that the run is over, so that its memory goes to others; it finds out by itself if not told."""
        try:
            async with self._session.post(
                f"{self._url}/finish_session",
                params={"session_id": self._run},
                timeout=aiohttp.ClientTimeout(total=READ_WALL_SECONDS),
            ):
                pass
        except (aiohttp.ClientError, TimeoutError, OSError):
            return

    async def _call(self, body: dict[str, Any], waits: Waits, tokens: int) -> dict[str, Any]:
        tries = failures = 0
        while True:
            said = await self._watched(body, waits)
            if not isinstance(said, refusals.Refusal):
                return said
            match refusals.decide(said, tries, failures, self._chance.random()):
                case refusals.Stop(message=message):
                    raise StoppedError(message)
                case refusals.Fail(message=message):
                    raise StepFailedError(message, tokens)
                case refusals.Wait(seconds=seconds, reason=reason, message=message):
                    failures = failures + 1 if reason == "EngineFailed" else 0
                    tries += 1
                    await waits(reason, message)
                    await self._clock.sleep_until(self._clock.now() + seconds)

    async def _watched(self, body: dict[str, Any], waits: Waits) -> dict[str, Any] | refusals.Refusal:
        """Make a call; while the gateway holds it, for it has not started yet, say so: that may end it."""
        call, done = asyncio.create_task(self._once(body)), asyncio.Event()
        call.add_done_callback(lambda _: done.set())
        held = False
        try:
            while True:
                await self._clock.sleep_until(self._clock.now() + LOOK_SECONDS, or_set=done)
                if done.is_set():
                    return call.result()
                said = await self.used()
                if said is not None and said.held_seconds >= HELD_SECONDS:
                    held = True
                    await waits(*refusals.held(said.held_because, said.held_seconds))
                elif held:
                    held = False
                    await waits(RUNNING, "the call has started")
        finally:
            call.cancel()

    async def _once(self, body: dict[str, Any]) -> dict[str, Any] | refusals.Refusal:
        limit = aiohttp.ClientTimeout(total=None, sock_connect=10.0, sock_read=ANSWER_WALL_SECONDS)
        try:
            async with self._session.post(
                f"{self._url}/v1/chat/completions", json=body, headers=self._headers, timeout=limit
            ) as response:
                text = await response.text()
                headers = {name.lower(): value for name, value in response.headers.items()}
                if response.status != 200:
                    return refusals.Refusal(response.status, headers, text)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            return refusals.Refusal(0, {}, f"the gateway does not answer: {error or type(error).__name__}")
        try:
            said: dict[str, Any] = json.loads(text)
            said["choices"][0]["message"].get("content")
        except (ValueError, KeyError, IndexError, TypeError, AttributeError):
            return refusals.Refusal(502, headers, f"no chat completion: {text[:200]}")
        return said


def _body(llm: Llm, prompt: str) -> dict[str, Any]:
    body: dict[str, Any] = {
        "model": llm.model,
        "messages": [{"role": "user", "content": prompt}],
        "max_tokens": llm.max_tokens,
    }
    if llm.answer is not None:
        form = {"name": "answer", "strict": True, "schema": llm.answer}
        body["response_format"] = {"type": "json_schema", "json_schema": form}
    return body
