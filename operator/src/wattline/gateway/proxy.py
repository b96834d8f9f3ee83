"""The call to the engine: bytes there, bytes back, nothing held that could be passed on."""

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

import aiohttp
from aiohttp import web

from wattline.doors.clock import Clock
from wattline.gateway.prompt import Api
from wattline.gateway.refusal import error_event
from wattline.gateway.sse import Stream, usage_of
from wattline.gateway.turn import Turn

CONNECT_SECONDS = 5.0
"""Guards against an address that swallows connections, in wall seconds."""

SILENCE_SECONDS = 3600.0
"""Guards against an engine that accepted a turn and hangs, in wall seconds."""

ELSEWHERE = {502, 503, 504}
"""Answers of an engine, or of what stands in front of it, after which another replica is worth a try."""

_HOP_BY_HOP = {
    "connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "te", "trailer", "transfer-encoding",
    "upgrade", "host", "content-length", "accept-encoding", "expect",
}  # fmt: skip


_OURS = _HOP_BY_HOP | {"content-encoding"}
"""Of a request: its body was read, and so is no longer compressed."""


class EngineFailedError(Exception):
    """The engine failed before a byte of its answer reached the client: the turn can be tried again."""

    def __init__(self, message: str, *, gone: bool = False, stale: bool = False) -> None:
        super().__init__(message)
        self.gone = gone
        """Nobody listens there any more."""
        self.stale = stale
        """A kept connection was closed under us; a fresh one may well do."""


class _ClientLeftError(Exception):
    """The client hung up before the end of its answer."""


@dataclass(frozen=True, slots=True)
class Sent:
    """An answer that went to the client."""

    response: web.StreamResponse
    outcome: str = "answered"
    """``answered``, ``broken`` (the engine failed in the middle, the client was told) or ``left`` (it hung up)."""
    detail: str = ""


class Proxy:
    """Sends turns to engines and their answers to clients."""

    def __init__(self, upstream: aiohttp.ClientSession, clock: Clock) -> None:
        self._upstream = upstream
        self._clock = clock

    async def send(
        self,
        turn: Turn,
        request: web.Request,
        *,
        headers: Callable[[], Mapping[str, str]],
        progress: Callable[[Turn], None],
        others: bool,
    ) -> Sent:
        """Return the answer, given to the client as it came.

        ``headers`` are added to the answer, ``progress`` is called after each part of it. With ``others``, a
        passing failure of the engine is raised instead of passed on.
        """
        assert turn.replica is not None
        url = turn.pool.replicas[turn.replica].endpoint.url + request.path_qs
        limit = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS, sock_read=SILENCE_SECONDS)
        turn.dispatched_seconds = turn.last_seconds = self._clock.now()
        sending = {name: value for name, value in request.headers.items() if name.lower() not in _OURS}
        try:
            async with self._upstream.post(
                url, data=turn.prompt.body, headers=sending, timeout=limit
            ) as answer:
                if others and answer.status in ELSEWHERE:
                    raise EngineFailedError(f"{url} answers {answer.status}")
                if answer.status == 200 and answer.content_type == "text/event-stream":
                    return await self._stream(turn, request, answer, headers, progress)
                return await self._whole(turn, answer, headers, progress)
        except aiohttp.ClientConnectorError as error:
            raise EngineFailedError(f"{url}: {error.strerror or error}", gone=True) from error
        except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError) as error:
            raise EngineFailedError(f"{url}: {error or type(error).__name__}", stale=True) from error
        except (aiohttp.ClientError, TimeoutError) as error:
            raise EngineFailedError(f"{url}: {type(error).__name__}: {error}") from error

    async def _whole(
        self,
        turn: Turn,
        answer: aiohttp.ClientResponse,
        headers: Callable[[], Mapping[str, str]],
        progress: Callable[[Turn], None],
    ) -> Sent:
        body = await answer.read()
        turn.first_seconds = turn.last_seconds = self._clock.now()
        turn.declined = answer.status != 200
        if not turn.declined:
            try:
                turn.usage = usage_of(json.loads(body))
            except ValueError:
                turn.usage = None
        progress(turn)
        return Sent(web.Response(body=body, status=answer.status, headers=_back(answer, headers())))

    async def _stream(
        self,
        turn: Turn,
        request: web.Request,
        answer: aiohttp.ClientResponse,
        headers: Callable[[], Mapping[str, str]],
        progress: Callable[[Turn], None],
    ) -> Sent:
        typed = turn.prompt.api is Api.RESPONSES
        stream = Stream(keep_usage=turn.prompt.wants_usage, repeats=typed)
        parts = answer.content.iter_any().__aiter__()
        first = await anext(parts, None)  # until here the turn can still go elsewhere
        if first is None:
            raise EngineFailedError(f"{answer.url} closed the stream without an answer")
        response = web.StreamResponse(status=200, headers=_back(answer, headers()))
        turn.first_seconds = self._clock.now()
        broke = ""
        try:
            await _give(response.prepare(request))
            part: bytes | None = first
            while part is not None:
                turn.last_seconds = self._clock.now()
                passed = stream.feed(part)
                turn.stream_bytes = stream.answer_bytes
                turn.usage = stream.usage or turn.usage
                progress(turn)
                if passed:
                    await _give(response.write(passed))
                try:
                    part = await anext(parts, None)
                except (aiohttp.ClientError, TimeoutError) as error:
                    part, broke = None, str(error) or type(error).__name__
            if not broke and not stream.done and not stream.failed:
                broke = "it closed the stream before its end"
            if broke:
                broke = f"engine {turn.pool.name}/{turn.replica} failed in the middle of its answer: {broke}"
                await _give(response.write(error_event(broke, "engine_failed", typed=typed)))
            else:
                await _give(response.write(stream.finish()))
            await _give(response.write_eof())
        except _ClientLeftError:
            return Sent(response, "left")
        return Sent(response, "broken" if broke or stream.failed else "answered", broke)


async def _give(doing: Awaitable[object]) -> None:
    """Pass something on to the client; raise `_ClientLeftError` if it hung up."""
    try:
        await doing
    except (ConnectionError, aiohttp.ClientConnectionError) as error:
        raise _ClientLeftError from error


def _back(answer: aiohttp.ClientResponse, extra: Mapping[str, str]) -> dict[str, str]:
    """Return the headers of the engine's answer that go on to the client, and ours."""
    kept = {name: value for name, value in answer.headers.items() if name.lower() not in _HOP_BY_HOP}
    return kept | dict(extra)
