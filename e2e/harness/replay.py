"""Generated agent runs, replayed through a gateway as their agents would: long contexts, tools, many turns."""

import asyncio
import threading
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from random import Random
from types import SimpleNamespace

import aiohttp

from harness.watch import now
from wattline.doors.clock import BootClock
from wattline.fake.agents import SESSION_HEADER, Replay
from wattline.model.runs import Arrival
from wattline.sim.arrivals import schedule
from wattline.sim.generate import generate
from wattline.sim.recording import Recording


class Traffic:
    """Runs that are under way, and what became of every call of theirs."""

    def __init__(self, url: str, model: str) -> None:
        self._calls = aiohttp.TraceConfig()
        self._calls.on_request_end.append(self._answered)
        self._calls.on_request_exception.append(self._failed)
        self._url, self._model = url, model
        self._answers: Counter[str] = Counter()
        self.replay: Replay | None = None
        self.refused: list[tuple[float, str, int]] = []
        """When a session that had been answered before was refused, and with which status."""
        self.unreached: list[tuple[float, str]] = []
        """When a call ended without an answer, and why."""

    @asynccontextmanager
    async def playing(self, arrivals: list[Arrival]) -> AsyncIterator["Traffic"]:
        """Play runs inside; those that are not at their end are dropped with it."""
        limit = aiohttp.ClientTimeout(total=None, sock_connect=10)
        async with aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0), timeout=limit, trace_configs=[self._calls]
        ) as http:
            self.replay = Replay(self._url, self._model, BootClock(), http)
            task = asyncio.create_task(self.replay.play(arrivals))
            try:
                yield self
                if task.done():
                    task.result()
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

    @property
    def turns(self) -> int:
        """How many turns were answered whole."""
        return 0 if self.replay is None else sum(len(outcome.turns) for outcome in self.replay.outcomes)

    @property
    def failures(self) -> list[str]:
        """What runs that gave up gave up with."""
        outcomes = [] if self.replay is None else self.replay.outcomes
        return [f"{outcome.id}: {outcome.failure}" for outcome in outcomes if outcome.failure]

    @property
    def underway(self) -> int:
        """How many runs have begun and not ended."""
        outcomes = [] if self.replay is None else self.replay.outcomes
        return sum(each.finished_seconds is None and each.failure is None for each in outcomes)

    async def _answered(
        self, _: aiohttp.ClientSession, __: SimpleNamespace, params: aiohttp.TraceRequestEndParams
    ) -> None:
        session = params.headers.get(SESSION_HEADER)
        if session is None:
            return
        if params.response.status == 200:
            self._answers[session] += 1
        elif self._answers[session]:
            self.refused.append((now(), session, params.response.status))

    async def _failed(
        self, _: aiohttp.ClientSession, __: SimpleNamespace, params: aiohttp.TraceRequestExceptionParams
    ) -> None:
        if params.headers.get(SESSION_HEADER) is not None and not isinstance(
            params.exception, asyncio.CancelledError
        ):
            self.unreached.append((now(), f"{type(params.exception).__name__}: {params.exception}"))


@contextmanager
def played_beside(traffic: Traffic, arrivals: list[Arrival]) -> Iterator[Traffic]:
    """Play runs in a thread of its own while something else is done inside."""
    begun, ended = threading.Event(), threading.Event()

    async def play() -> None:
        async with traffic.playing(arrivals):
            begun.set()
            await asyncio.to_thread(ended.wait)

    def run() -> None:
        with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
            runner.run(play())

    with ThreadPoolExecutor(1) as pool:
        playing = pool.submit(run)
        try:
            begun.wait(timeout=10)
            yield traffic
        finally:
            ended.set()
        playing.result()


def runs(count: int, seed: int, *, within_seconds: float, longest_tokens: int = 60_000) -> list[Arrival]:
    """Return seeded runs that start within a stretch of time; all of them fit a replica of these tests."""
    recording = generate(count * 4, seed)
    fitting = [session for session in recording.sessions if session.runs[0].longest_tokens <= longest_tokens]
    rng = Random(seed)
    moments = sorted(rng.uniform(0, within_seconds) for _ in range(count))
    return schedule(Recording(tuple(fitting)), moments, rng)
