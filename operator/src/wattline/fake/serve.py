"""The OpenAI face of one engine host: what vLLM's server answers, over real HTTP."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Protocol

from aiohttp import web

from wattline.fake import responses
from wattline.fake.host import Answer, EngineHost
from wattline.fake.openai import DONE, Call, CallError, Heading, parse, too_long, usage_of
from wattline.fake.tally import exposition
from wattline.fake.text import BLOCK_TOKENS, BYTES_PER_TOKEN

CHUNK_WALL_SECONDS = 0.02
"""A stream is written to at most this often."""

MAX_BODY_BYTES = 64 * 1024 * 1024

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class World(Protocol):
    """Whoever lets time pass for the engine."""

    def catch_up(self) -> float:
        """Move the engine to the present and return it."""

    def wake(self) -> None:
        """Take note that work came or went."""


class EngineServer:
    """Answers for one engine of a world."""

    def __init__(
        self,
        host: EngineHost,
        world: World,
        *,
        chunk_wall_seconds: float = CHUNK_WALL_SECONDS,
    ) -> None:
        self._host = host
        self._world = world
        self._chunk_wall_seconds = chunk_wall_seconds
        self._calls: dict[tuple[str, str], Handler] = {
            ("POST", "/v1/chat/completions"): self._chat,
            ("POST", "/v1/completions"): self._completions,
            ("POST", "/v1/responses"): self._respond,
            ("GET", "/v1/models"): self._models,
            ("GET", "/health"): self._health,
            ("GET", "/metrics"): self._metrics,
        }

    def app(self) -> web.Application:
        """Return the application."""
        app = web.Application(client_max_size=MAX_BODY_BYTES)
        app.router.add_route("*", "/{path:.*}", self.answer)
        return app

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Answer a call; its path is what the route matched as ``path``, wherever the engine is mounted."""
        call = request.method, "/" + request.match_info["path"]
        handler = self._calls.get(call)
        if handler is None:
            raise web.HTTPNotFound
        self._world.catch_up()
        left = self._host.loading_seconds_left
        if left > 0:
            message = f"{self._host.model} is being loaded, {left:.0f} s left"
            return web.json_response(CallError(503, message).body(), status=503)
        return await handler(request)

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        return await self._answer(request, chat=True)

    async def _completions(self, request: web.Request) -> web.StreamResponse:
        return await self._answer(request, chat=False)

    async def _answer(self, request: web.Request, *, chat: bool) -> web.StreamResponse:
        try:
            call = parse(await request.read(), chat=chat)
            at_seconds = self._world.catch_up()
            answers = self._host.start(call, at_seconds)
        except CallError as error:
            return web.json_response(error.body(), status=error.status)
        self._world.wake()
        try:
            heading = Heading(answers[0].id, call.model, int(at_seconds), chat)
            if call.stream:
                return await self._stream(request, call, heading, answers)
            return await self._whole(heading, answers)
        finally:
            self._host.stop(answers)
            self._world.wake()

    async def _whole(self, heading: Heading, answers: Sequence[Answer]) -> web.Response:
        for answer in answers:
            while not answer.ended:
                answer.progress.clear()
                await answer.progress.wait()
            if answer.refused is not None:
                error = too_long(answer.prompt_tokens, answer.tokens, self._host.longest_tokens)
                return web.json_response(error.body(), status=error.status)
        texts = [(answer.text, answer.finish_reason) for answer in answers]
        return web.json_response(heading.whole(texts, _usage(answers)))

    async def _stream(
        self, request: web.Request, call: Call, heading: Heading, answers: Sequence[Answer]
    ) -> web.StreamResponse:
        response = web.StreamResponse(
            headers={"Content-Type": "text/event-stream", "Cache-Control": "no-cache"}
        )
        await response.prepare(request)
        async for part in self._parts(heading, answers):
            await response.write(part)
        if call.include_usage:
            await response.write(heading.usage_chunk(_usage(answers)))
        await response.write(DONE)
        await response.write_eof()
        return response

    async def _parts(self, heading: Heading, answers: Sequence[Answer]) -> AsyncIterator[bytes]:
        """Yield new text of all answers, as it comes but not more often than the chunk time."""
        sent = dict.fromkeys((answer.index for answer in answers), 0)
        open_answers = list(answers)
        while open_answers:
            part = b"".join(_news(heading, answer, sent) for answer in open_answers)
            open_answers = [answer for answer in open_answers if not answer.ended]
            if part:
                yield part
                await asyncio.sleep(self._chunk_wall_seconds if open_answers else 0)
            if open_answers and all(answer.ready_tokens == sent[answer.index] for answer in open_answers):
                await _any_progress(open_answers)

    async def _respond(self, request: web.Request) -> web.StreamResponse:
        try:
            call = responses.parse(await request.read())
            at_seconds = self._world.catch_up()
            (answer,) = answers = self._host.start(call, at_seconds)
        except CallError as error:
            return web.json_response(error.body(), status=error.status)
        self._world.wake()
        heading = responses.Heading(answer.id, call.model, int(at_seconds))
        try:
            if call.stream:
                return await self._stream_response(request, heading, answer)
            while not answer.ended:
                await _any_progress(answers)
            if answer.refused is not None:
                refusal = too_long(answer.prompt_tokens, answer.tokens, self._host.longest_tokens)
                return web.json_response(refusal.body(), status=refusal.status)
            usage = responses.usage_of(answer.prompt_tokens, answer.cached_tokens, answer.tokens)
            return web.json_response(heading.whole(answer.text, answer.finish_reason, usage))
        finally:
            self._host.stop(answers)
            self._world.wake()

    async def _stream_response(
        self, request: web.Request, heading: responses.Heading, answer: Answer
    ) -> web.StreamResponse:
        stream = web.StreamResponse(
            headers={"Content-Type": "text/event-stream", "Cache-Control": "no-cache"}
        )
        await stream.prepare(request)
        await stream.write(heading.opening())
        sent = 0
        while not answer.ended or sent < answer.ready_tokens:
            if sent == answer.ready_tokens:
                await _any_progress([answer])
                continue
            now = answer.ready_tokens
            await stream.write(heading.delta(answer.text[sent * BYTES_PER_TOKEN : now * BYTES_PER_TOKEN]))
            sent = now
            await asyncio.sleep(0 if answer.ended else self._chunk_wall_seconds)
        if answer.refused is not None:
            await stream.write(heading.failure(answer.refused))
        else:
            usage = responses.usage_of(answer.prompt_tokens, answer.cached_tokens, answer.tokens)
            await stream.write(heading.closing(answer.text, answer.finish_reason, usage))
        await stream.write_eof()
        return stream

    async def _models(self, request: web.Request) -> web.Response:  # noqa: ARG002 - aiohttp's signature
        model = {
            "id": self._host.model,
            "object": "model",
            "created": 0,
            "owned_by": "wattline",
            "root": self._host.model,
            "parent": None,
            "max_model_len": self._host.longest_tokens,
        }
        return web.json_response({"object": "list", "data": [model]})

    async def _health(self, request: web.Request) -> web.Response:  # noqa: ARG002 - aiohttp's signature
        return web.Response()

    async def _metrics(self, request: web.Request) -> web.Response:  # noqa: ARG002 - aiohttp's signature
        self._world.catch_up()
        text = exposition(self._host.model, self._host.engine, self._host.tally, block_tokens=BLOCK_TOKENS)
        return web.Response(text=text, content_type="text/plain")


def _news(heading: Heading, answer: Answer, sent: dict[int, int]) -> bytes:
    """Return the event with what ``answer`` has beyond ``sent``, and count it as sent; nothing if there is nothing."""
    if answer.refused is not None:
        return b"data: " + json.dumps({"error": {"message": answer.refused, "code": 400}}).encode() + b"\n\n"
    before, now = sent[answer.index], answer.ready_tokens
    if now == before and not answer.ended:
        return b""
    sent[answer.index] = now
    text = answer.text[before * BYTES_PER_TOKEN : now * BYTES_PER_TOKEN]
    return heading.chunk(
        answer.index, text, first=before == 0, finish_reason=answer.finish_reason if answer.ended else None
    )


async def _any_progress(answers: Sequence[Answer]) -> None:
    for answer in answers:
        answer.progress.clear()
    if len(answers) == 1:
        await answers[0].progress.wait()
        return
    waits = [asyncio.ensure_future(answer.progress.wait()) for answer in answers]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()


def _usage(answers: Sequence[Answer]) -> dict[str, object]:
    """Count a prompt once for all its choices, as OpenAI does."""
    firsts = [answer for answer in answers if answer.choice == 0]
    return usage_of(
        sum(answer.prompt_tokens for answer in firsts),
        sum(answer.cached_tokens for answer in firsts),
        sum(answer.tokens for answer in answers),
    )
