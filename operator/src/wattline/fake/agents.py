"""Agents that replay recorded runs over HTTP: real calls, real waiting, tool times in world seconds."""

import asyncio
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from wattline.doors.clock import Clock
from wattline.fake.conversation import Conversation
from wattline.model.runs import Arrival, Run, Turn

SESSION_HEADER = "x-claude-code-session-id"
TRIES = 4
"""A turn that breaks is sent this often before its run counts as failed; refusals to start are not counted."""
_RETRY_SECONDS = 5.0


@dataclass(slots=True)
class TurnOutcome:
    """One turn as the agent saw it, in world seconds since the replay began."""

    requested_seconds: float
    first_token_seconds: float
    ended_seconds: float
    prompt_tokens: int
    cached_tokens: int
    output_tokens: int


@dataclass(slots=True)
class RunOutcome:
    """One run as the agent saw it, in world seconds since the replay began."""

    id: str
    turns_recorded: int
    arrived_seconds: float
    finished_seconds: float | None = None
    failure: str | None = None
    refusals: int = 0
    refusal: str = ""
    """What the last refusal said."""
    in_tool: bool = False
    turns: list[TurnOutcome] = field(default_factory=list)


class TurnBrokenError(Exception):
    """A turn got no whole answer."""


class Replay:
    """Plays arrivals against one gateway or engine; ``outcomes`` grows while they run."""

    def __init__(self, url: str, model: str, clock: Clock, http: aiohttp.ClientSession) -> None:
        self._url = url
        self._model = model
        self._clock = clock
        self._http = http
        self._begin_seconds = 0.0
        self.outcomes: list[RunOutcome] = []

    async def play(self, arrivals: Sequence[Arrival], *, until_seconds: float = float("inf")) -> None:
        """Play all runs, and return when they have ended or at ``until_seconds`` after the start, dropping the rest."""
        self._begin_seconds = self._clock.now()
        last: dict[str, asyncio.Task[None]] = {}
        tasks = []
        for arrival in arrivals:
            task = asyncio.create_task(self._play_run(arrival, last.get(arrival.run.session)))
            last[arrival.run.session] = task
            tasks.append(task)
        timer = asyncio.create_task(self._clock.sleep_until(self._begin_seconds + until_seconds))
        everything = asyncio.gather(*tasks)
        try:
            ends: list[asyncio.Future[Any]] = [everything, timer]
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            if everything.done():
                everything.result()
        finally:
            everything.cancel()
            timer.cancel()
            await asyncio.gather(everything, timer, *tasks, return_exceptions=True)

    async def _play_run(self, arrival: Arrival, before: asyncio.Task[None] | None) -> None:
        """Play a run from its arrival on, or from the end of the run ``before`` it in its session."""
        await self._clock.sleep_until(self._begin_seconds + arrival.at_seconds)
        if before is not None:
            await asyncio.wait([before])
        run = arrival.run
        outcome = RunOutcome(run.id, len(run.turns), self._since())
        self.outcomes.append(outcome)
        conversation = Conversation()
        try:
            for turn in run.turns:
                await self._play_turn(run, turn, conversation, outcome)
                outcome.in_tool = True
                await self._clock.sleep_until(self._clock.now() + turn.gap_seconds)
                outcome.in_tool = False
        except TurnBrokenError as error:
            outcome.failure = str(error)
        else:
            outcome.finished_seconds = self._since()
        await self._finish(run)

    async def _play_turn(self, run: Run, turn: Turn, conversation: Conversation, outcome: RunOutcome) -> None:
        body = self._body(turn, conversation)
        broken = 0
        while True:
            requested = self._since()
            try:
                answer = await self._call(run, body)
            except (aiohttp.ClientError, TurnBrokenError, TimeoutError) as error:
                broken += 1
                if broken == TRIES:
                    raise TurnBrokenError(f"turn {len(outcome.turns) + 1}: {error}") from error
                await self._clock.sleep_until(self._clock.now() + _RETRY_SECONDS)
                continue
            if isinstance(answer, _Refused):
                outcome.refusals += 1
                outcome.refusal = answer.message
                await self._clock.sleep_until(self._clock.now() + answer.retry_seconds)
                continue
            break
        conversation.answered(turn, answer.text)
        usage = answer.usage
        outcome.turns.append(
            TurnOutcome(
                requested,
                answer.first_token_seconds,
                self._since(),
                int(usage.get("prompt_tokens", 0)),
                int((usage.get("prompt_tokens_details") or {}).get("cached_tokens", 0)),
                int(usage.get("completion_tokens", 0)),
            )
        )

    def _body(self, turn: Turn, conversation: Conversation) -> bytes:
        ask = {
            "model": self._model,
            "stream": True,
            "stream_options": {"include_usage": True},
            "max_tokens": turn.output.tokens,
            "ignore_eos": True,
        }
        return json.dumps(ask).encode()[:-1] + b', "messages": ' + conversation.messages(turn) + b"}"

    async def _call(self, run: Run, body: bytes) -> "_Answer | _Refused":
        headers = {SESSION_HEADER: run.id, "content-type": "application/json"}
        async with self._http.post(
            f"{self._url}/v1/chat/completions", data=io.BytesIO(body), headers=headers
        ) as response:
            if response.status in {429, 503}:
                retry = float(response.headers.get("retry-after", _RETRY_SECONDS))
                return _Refused(max(retry, 0.1), _message(await response.read()))
            if response.status != 200:
                raise TurnBrokenError(f"HTTP {response.status}: {_message(await response.read())}")
            received = bytearray()
            first = None
            async for part in response.content.iter_any():
                if first is None:
                    first = self._since()
                received += part
        text, usage = _read_stream(bytes(received))
        return _Answer(text, usage, first if first is not None else self._since())

    async def _finish(self, run: Run) -> None:
        """Tell the gateway that the session is over; an engine without a gateway does not know the call."""
        try:
            async with self._http.post(f"{self._url}/finish_session", params={"session_id": run.id}):
                return
        except aiohttp.ClientError:
            return

    def _since(self) -> float:
        return self._clock.now() - self._begin_seconds


@dataclass(frozen=True, slots=True)
class _Answer:
    text: str
    usage: dict[str, Any]
    first_token_seconds: float


@dataclass(frozen=True, slots=True)
class _Refused:
    retry_seconds: float
    message: str


def _message(raw: bytes) -> str:
    try:
        return str(json.loads(raw)["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return raw[:200].decode(errors="replace")


def _read_stream(raw: bytes) -> tuple[str, dict[str, Any]]:
    """Return text and usage of a whole server-sent stream; raise if it broke off."""
    texts: list[str] = []
    usage: dict[str, Any] = {}
    done = False
    for line in raw.split(b"\n"):
        if not line.startswith(b"data:"):
            continue
        data = line[5:].strip()
        if data == b"[DONE]":
            done = True
            break
        event = json.loads(data)
        if "error" in event:
            raise TurnBrokenError(str(event["error"].get("message", event["error"])))
        usage = event.get("usage") or usage
        texts += [choice["delta"].get("content") or "" for choice in event["choices"]]
    if not done:
        raise TurnBrokenError("the stream broke off")
    return "".join(texts), usage
