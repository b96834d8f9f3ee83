"""One worker of the study's world: batched decoding and chunked prefill in closed form, on the house's step times."""

from collections import deque
from dataclasses import dataclass, field
from heapq import heappop, heappush

from bench.papers.saga.memory import Memory, blocks
from bench.papers.saga.waiting import Turn, Waiting

from wattline.world.physics import EnginePhysics

CHUNK_TOKENS = 2_048
SLOTS = 64
"""Turns in a batch at most."""


@dataclass(slots=True)
class _Prefill:
    turn: Turn
    done_tokens: int


@dataclass(slots=True)
class Worker:
    """Takes turns when memory allows, and works on them; time is passed in."""

    name: str
    physics: EnginePhysics
    memory: Memory
    shares_openings: bool = True
    waiting: Waiting = field(default_factory=Waiting)
    idle_since_seconds: float | None = 0.0
    """Since when nothing waits."""
    version: int = 0
    """Counts plans; an event of an older one is void."""
    computed_tokens: int = 0
    again_tokens: int = 0
    """Of those, computed before by the task, or an opening that had been computed here."""
    prefill_seconds: float = 0.0
    again_seconds: float = 0.0
    busy_seconds: float = 0.0
    start_seconds: float = 1.0
    """Between two starts while turns wait, as of late."""
    _last_start: float = 0.0
    _at: float = 0.0
    _steps: float = 0.0
    _context: float = 0.0
    _decoding: list[tuple[float, int, Turn]] = field(default_factory=list)
    _prefills: deque[_Prefill] = field(default_factory=deque)
    _again: dict[str, int] = field(default_factory=dict)
    _openings: set[str] = field(default_factory=set)
    _chunk: int = 0
    _step_seconds: float = 0.0
    _due: float = float("inf")
    _order: int = 0

    @property
    def running(self) -> int:
        """Turns in the batch."""
        return len(self._decoding) + len(self._prefills)

    @property
    def open(self) -> bool:
        """Whether turns can join now: a step with prefill is not interrupted."""
        return self._chunk == 0

    def fits(self, turn: Turn) -> bool:
        """Return whether a turn has room once all that is away has given way."""
        shared = turn.opening_tokens if self.shares_openings else 0
        return (
            self.memory.running_tokens + blocks(turn.tokens - shared, up=True) <= self.memory.capacity_tokens
        )

    def missing_tokens(self, turn: Turn) -> int:
        """Return how much sessions that may come back would have to give up for a turn."""
        shared = turn.opening_tokens if self.shares_openings else 0
        return self.memory.missing_tokens(turn.session, turn.tokens - shared)

    def begin(self, turn: Turn, now: float) -> bool:
        """Take a turn in, if memory has room for it."""
        shared = turn.opening_tokens if self.shares_openings else 0
        known = max(0, max(turn.known_tokens, shared) - shared)
        hit = self.memory.take(turn.session, turn.tokens - shared, known, now)
        if hit is None:
            return False
        hit = shared_hit = max(hit, min(turn.carried_tokens, known))
        key = turn.tenant if self.shares_openings else turn.session
        if shared and key in self._openings:
            shared_hit = hit + shared
        seen_opening = turn.tenant in self._openings
        self._openings.add(turn.tenant)
        if turn.arrived_seconds < now:
            self.start_seconds += 0.1 * (min(now - self._last_start, 60.0) - self.start_seconds)
        self._last_start = now
        start = min(shared_hit if self.shares_openings else hit, turn.prompt_tokens - 1)
        before = max(turn.known_tokens, turn.opening_tokens if seen_opening else 0)
        self._again[turn.session] = max(0, blocks(before) - start)
        turn.started_seconds = now
        self._prefills.append(_Prefill(turn, start))
        return True

    def advance(self, now: float) -> None:
        """Let decoding go on until now; a step with prefill counts when it is done."""
        if now <= self._at:
            return
        if self.running:
            self.busy_seconds += now - self._at
        if self._chunk == 0 and self._decoding:
            done = (now - self._at) / self._step_seconds
            self._steps += done
            self._context += done * len(self._decoding)
        self._at = now

    def finish(self) -> list[Turn]:
        """End what is due: a step with prefill, and turns whose last token is out."""
        if self._chunk and self._at >= self._due - 1e-9:
            self._end_chunk()
        ended = []
        while self._decoding and self._decoding[0][0] <= self._steps + 1e-6:
            _, _, turn = heappop(self._decoding)
            self._context -= turn.tokens
            ended.append(turn)
        if not self._decoding:
            self._context = 0.0
        return ended

    def plan(self) -> float:
        """Choose what comes next and return when it is due; infinity where nothing runs."""
        if self._chunk:
            return self._due
        count = len(self._decoding)
        if self._prefills:
            head = self._prefills[0]
            self._chunk = min(CHUNK_TOKENS, head.turn.prompt_tokens - head.done_tokens)
            load = self.physics.step(
                count,
                self._context,
                prefill_tokens=self._chunk,
                prefill_context_tokens=head.done_tokens + self._chunk / 2,
            )
            self._step_seconds = load.step_seconds(1.0)
            self._due = self._at + self._step_seconds
        elif count:
            steps = max(0.0, self._decoding[0][0] - self._steps)
            load = self.physics.step(count, self._context + count * steps / 2)
            self._step_seconds = load.step_seconds(1.0)
            self._due = self._at + steps * self._step_seconds
        else:
            self._due = float("inf")
        return self._due

    def room_in_seconds(self) -> float:
        """Return how long it is until a running turn ends, roughly: what the first in the queue waits for."""
        if not self._decoding:
            return 1.0
        return max(0.0, self._decoding[0][0] - self._steps) * max(self._step_seconds, 0.02)

    def prefill_seconds_of(self, tokens: int) -> float:
        """Return what computing so many tokens takes alone."""
        load = self.physics.step(0, 0.0, prefill_tokens=CHUNK_TOKENS, prefill_context_tokens=tokens / 2)
        return tokens / CHUNK_TOKENS * load.step_seconds(1.0)

    def _end_chunk(self) -> None:
        head = self._prefills[0]
        again = min(self._chunk, self._again.get(head.turn.session, 0))
        self._again[head.turn.session] = self._again.get(head.turn.session, 0) - again
        self.computed_tokens += self._chunk
        self.again_tokens += again
        self.prefill_seconds += self._step_seconds
        self.again_seconds += self._step_seconds * again / self._chunk
        head.done_tokens += self._chunk
        self._chunk = 0
        self._steps += 1
        self._context += len(self._decoding)
        if head.done_tokens < head.turn.prompt_tokens:
            return
        self._prefills.popleft()
        del self._again[head.turn.session]
        self._order += 1
        heappush(self._decoding, (self._steps + head.turn.output_tokens - 1, self._order, head.turn))
        self._context += head.turn.prompt_tokens + 1


def alone_seconds(physics: EnginePhysics, turn: Turn, cached_tokens: int) -> float:
    """Return what a turn takes on an idle worker that holds so many of its leading tokens."""
    seconds, done = 0.0, min(cached_tokens, turn.prompt_tokens - 1)
    while done < turn.prompt_tokens:
        chunk = min(CHUNK_TOKENS, turn.prompt_tokens - done)
        load = physics.step(0, 0.0, prefill_tokens=chunk, prefill_context_tokens=done + chunk / 2)
        seconds += load.step_seconds(1.0)
        done += chunk
    steps = turn.output_tokens - 1
    load = physics.step(1, turn.prompt_tokens + 1 + steps / 2)
    return seconds + steps * load.step_seconds(1.0)
