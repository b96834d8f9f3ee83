"""An inference engine: continuous batching with chunked prefill over a group of GPUs, in closed form between events."""

# ruff: noqa: FURB136, PLR1730 - min() and max() cost three comparisons, and this runs for every simulated second

from collections import deque
from collections.abc import Sequence as Group
from math import inf

from wattline.model.context import Context
from wattline.world.batch import DecodingBatch
from wattline.world.engines import ENGINES
from wattline.world.gpu import Gpu
from wattline.world.kv import KvMemory
from wattline.world.load import IDLE, LOADING, Load
from wattline.world.physics import EnginePhysics
from wattline.world.request import EngineEvent, Finished, FirstToken, Refused, Request
from wattline.world.sequence import Sequence

__all__ = [
    "ENGINES", "Engine", "EngineEvent", "EnginePhysics", "Finished", "FirstToken", "Refused", "Request",
]  # fmt: skip

SLICE_SECONDS = 1.0
"""Longest stretch under one load: contexts grow and GPUs warm up in between."""
_SETTLING_SLICE_SECONDS = 0.1
_CLOSE_STEPS = 1e-6
"""Two points of the step count nearer than this are one."""
_SOON_SECONDS = 1e-6
"""A caller who jumps to what is due always gets on."""


class Engine:
    """One replica: what it is asked, in what order it works, and what that costs its GPUs.

    Every decoding sequence gets one token per step, so a stretch between two events needs no loop over steps or
    sequences. While a prompt is computed, every step is a stretch of its own.
    """

    def __init__(
        self,
        physics: EnginePhysics,
        gpus: Group[Gpu],
        *,
        at_seconds: float = 0.0,
        max_num_seqs: int = 256,
        chunk_tokens: int = 8192,
        block_tokens: int = 16,
        loading_seconds: float = 0.0,
        until_ready: Load = LOADING,
    ) -> None:
        if len(gpus) != physics.gpus:
            raise ValueError(f"{physics.model} is modelled on {physics.gpus} GPUs, not on {len(gpus)}")
        self.physics = physics
        self.gpus = tuple(gpus)
        self._only_gpu = self.gpus[0] if len(self.gpus) == 1 else None
        self.now_seconds = at_seconds
        self.ready_seconds = at_seconds + loading_seconds
        """When the weights are loaded; requests wait until then."""
        self._until_ready = until_ready
        self.max_num_seqs = max_num_seqs
        self.chunk_tokens = chunk_tokens
        self.capacity_tokens = physics.capacity_tokens
        """Tokens that KV memory holds."""
        self.prompt_tokens = 0
        """Of all prompts begun, counted once each."""
        self.cached_tokens = 0
        """Of those, found in memory."""
        self.preemptions = 0
        self._kv = KvMemory(physics.capacity_tokens, block_tokens)
        self._all: dict[str, Sequence] = {}
        self._waiting: deque[Sequence] = deque()
        self._prefilling: list[Sequence] = []
        self._decoding = DecodingBatch()
        self._events: list[EngineEvent] = []
        self._chunks: list[tuple[Sequence, int]] = []
        self._chunk_load = IDLE
        self._step_seconds = 0.02
        """Length of the last step."""
        self._chunk_left = 0.0
        """Part of the step with prefill that is still to do."""
        self._orders = 0
        self._generated_before = 0
        self.changes = 0
        """How often anything happened that may move the next event."""
        self._stuck = False
        """Whether the first waiting sequence found no memory and nothing was freed since."""

    # What it is asked.

    def submit(self, request: Request) -> None:
        """Take a request at the present time; one that can never run is refused by the next ``advance``."""
        self.changes += 1
        if request.id in self._all:
            raise ValueError(f"request {request.id} is already here")
        sequence = Sequence(request)
        needed, most = sequence.prompt_tokens + request.output_tokens, self.physics.max_context_tokens
        if needed > most or request.output_tokens < 1:
            why = f"{needed} tokens needed, at most {most} fit" if needed > most else "nothing to generate"
            self._events.append(Refused(request.id, self.now_seconds, why))
            return
        self._all[request.id] = sequence
        self._waiting.append(sequence)

    def abort(self, request_id: str) -> None:
        """Stop work on a request and free what only it holds; an unknown id is ignored: it may have just ended."""
        self.changes += 1
        sequence = self._all.get(request_id)
        if sequence is None:
            return
        self._generated_before += self._decoding.generated(sequence)
        if sequence in self._decoding or sequence in self._prefilling:
            self._take_out(sequence)
        else:
            self._waiting.remove(sequence)
        del self._all[request_id]
        self._stuck = False

    def holds(self, context: Context) -> int:
        """Return how many leading tokens of a context are in KV memory."""
        return self._kv.matched_tokens(context)

    def bring(self, context: Context, tokens: int) -> None:
        """Put the first tokens of a context into KV memory, as if they had been computed here; as far as there is room."""
        self.changes += 1
        self._kv.bring(context, tokens, self._decoding.grown_tokens, self.now_seconds)

    # Time.

    def advance(self, until_seconds: float) -> list[EngineEvent]:
        """Let time pass for the engine and its GPUs; return what happened, in order."""
        self.changes += 1
        while self.now_seconds < until_seconds:
            if self.now_seconds < self.ready_seconds:
                self._pass(min(until_seconds, self.ready_seconds), self._until_ready)
                continue
            if not self._chunks:
                self._plan()
                if not self._chunks and not self._decoding.count:
                    self._pass(until_seconds, IDLE)
                    break
            self._make_room()
            if self._chunks or self._decoding.count:
                self._work(until_seconds)
        if not self._events:
            return []
        events, self._events = self._events, []
        return events

    def next_event_seconds(self) -> float:
        """Return when something is due if nothing changes; infinity when idle.

        A caller may jump there: an event is at most as much later as contexts, heat and settling clocks make it.
        """
        if self._events:
            return self.now_seconds
        if self.now_seconds < self.ready_seconds:
            return self.ready_seconds if self._waiting else inf
        self._plan()
        decoding = self._decoding
        if self._chunks:
            steps = decoding.steps_to_end() if decoding.count else inf
            seconds = min(self._chunk_left, steps) * self._seconds_of(self._chunk_load)
        elif decoding.count:
            steps = decoding.steps_to_end()
            seconds = steps * self._seconds_of(self._decode_load(steps / 2))
        else:
            return inf
        return self.now_seconds + (seconds if seconds > _SOON_SECONDS else _SOON_SECONDS)

    def generated(self, request_id: str) -> int:
        """Return the tokens of a request that are out so far; none for an unknown id."""
        sequence = self._all.get(request_id)
        return 0 if sequence is None else self._decoding.generated(sequence)

    # What it says of itself.

    @property
    def ready(self) -> bool:
        """Whether the weights are loaded."""
        return self.now_seconds >= self.ready_seconds

    @property
    def running(self) -> int:
        """Sequences in the batch, those whose prompt is being computed among them."""
        return len(self._prefilling) + self._decoding.count

    @property
    def waiting(self) -> int:
        """Sequences not in the batch."""
        return len(self._waiting)

    @property
    def generation_tokens(self) -> int:
        """Tokens generated since the start."""
        return self._generated_before + sum(
            self._decoding.generated(sequence) for sequence in self._all.values()
        )

    @property
    def kv_used_tokens(self) -> int:
        """Tokens of KV memory in use by the batch."""
        return self._kv.used_tokens + int(self._decoding.grown_tokens)

    @property
    def kv_cached_tokens(self) -> int:
        """Tokens of KV memory that hold anything, for the batch or for a next turn."""
        return self._kv.kept_tokens + int(self._decoding.grown_tokens)

    # The batch.

    def _plan(self) -> None:
        """Between two steps with prefill: take in who waits, and begin the next one."""
        if not self._chunks:
            if self._waiting:
                self._admit()
            if self._prefilling:
                self._start_chunks()

    def _admit(self) -> None:
        while self._waiting and not self._stuck and self.running < self.max_num_seqs:
            sequence = self._waiting[0]
            if not self._kv.take_in(sequence, self._decoding.grown_tokens, self.now_seconds):
                self._stuck = True
                return
            self._waiting.popleft()
            self._orders += 1
            sequence.order = self._orders
            self._prefilling.append(sequence)
            if not sequence.begun:
                sequence.begun, sequence.cached_tokens = True, sequence.computed_tokens
                self.prompt_tokens += sequence.prompt_tokens
                self.cached_tokens += sequence.cached_tokens

    def _start_chunks(self) -> None:
        budget = max(self.chunk_tokens - self._decoding.count, 1)
        total, pairs = 0, 0.0
        for sequence in self._prefilling:
            chunk = min(sequence.prompt_tokens - sequence.computed_tokens, budget - total)
            if chunk <= 0:
                break
            self._chunks.append((sequence, chunk))
            total += chunk
            pairs += chunk * (sequence.computed_tokens + chunk / 2)
        self._chunk_load = self.physics.step(
            self._decoding.count,
            self._decoding.context_tokens,
            prefill_tokens=total,
            prefill_context_tokens=pairs / total,
        )
        self._chunk_left = 1.0

    def _end_chunks(self) -> None:
        chunks, self._chunks = self._chunks, []
        for sequence, chunk in chunks:
            sequence.computed_tokens += chunk
            if sequence.computed_tokens < sequence.prompt_tokens:
                continue
            self._prefilling.remove(sequence)
            self._kv.keep(sequence, sequence.prompt, sequence.prompt_tokens, self.now_seconds, tail=True)
            if not sequence.first_token_out:
                sequence.first_token_out = True
                tokens = sequence.prompt_tokens
                self._events.append(FirstToken(sequence.id, self.now_seconds, sequence.cached_tokens, tokens))
            self._decoding.add(sequence)

    def _finish(self) -> None:
        while True:
            sequence = self._decoding.ended(_CLOSE_STEPS)
            if sequence is None:
                return
            self._generated_before += sequence.request.output_tokens
            self._take_out(sequence)
            del self._all[sequence.id]
            self._events.append(Finished(sequence.id, self.now_seconds))

    def _take_out(self, sequence: Sequence) -> None:
        """Remove a sequence from the batch; what it computed stays in memory for as long as nobody needs the room."""
        if sequence in self._decoding:
            context = sequence.spoken(self._decoding.generated(sequence))
            tokens = sequence.prompt_tokens + sequence.decoded_tokens(self._decoding.steps)
            self._decoding.remove(sequence)
        else:
            self._prefilling.remove(sequence)
            self._chunks = [pair for pair in self._chunks if pair[0] is not sequence]
            context, tokens = sequence.prompt, sequence.computed_tokens
        self._kv.let_go(sequence, context, tokens, self.now_seconds)
        self._stuck = False

    def _preempt(self) -> None:
        """Send the newest sequence back to the head of the queue."""
        sequence = max((*self._prefilling, *self._decoding), key=lambda one: one.order)
        generated = self._decoding.generated(sequence)
        self._take_out(sequence)
        sequence.restart(generated)
        self._waiting.appendleft(sequence)
        self.preemptions += 1

    def _make_room(self) -> None:
        """See to it that the decoding sequences can grow: by some blocks if there are any, by a token at any price."""
        while (count := self._decoding.count) > self._free_tokens():
            grown, block = self._decoding.grown_tokens, self._kv.block_tokens
            if not any(self._kv.make_room(count * each, grown) for each in (8 * block, block, 1)):
                self._preempt()

    def _free_tokens(self) -> float:
        return self._kv.free_tokens(self._decoding.grown_tokens)

    # Work.

    def _work(self, until_seconds: float) -> None:
        """Do steps until the next event, the end of the slice or ``until_seconds``."""
        decoding, now = self._decoding, self.now_seconds
        steps = inf
        if decoding.count:
            steps = decoding.steps_to_end()
            room = self._free_tokens() / decoding.count
            if room < steps:
                steps = room
        if self._chunks:
            load = self._chunk_load
            if self._chunk_left < steps:
                steps = self._chunk_left
        else:
            slice_steps = SLICE_SECONDS / self._step_seconds
            load = self._decode_load((slice_steps if slice_steps < steps else steps) / 2)
        seconds = self._step_seconds = self._seconds_of(load)
        end = now + (_SETTLING_SLICE_SECONDS if self._settling() else SLICE_SECONDS)
        if until_seconds < end:
            end = until_seconds
        if now + steps * seconds <= end:
            end = now + steps * seconds
        else:
            steps = (end - now) / seconds
        self._pass(end, load)
        if decoding.count:
            decoding.steps += steps
        if self._chunks:
            self._chunk_left -= steps
            if self._chunk_left <= _CLOSE_STEPS:
                self._end_chunks()
        self._finish()

    def _pass(self, until_seconds: float, load: Load) -> None:
        for gpu in self.gpus:
            gpu.advance(until_seconds, load)
        self.now_seconds = until_seconds

    def _decode_load(self, steps_ahead: float) -> Load:
        decoding = self._decoding
        return self.physics.step(decoding.count, decoding.context_tokens + decoding.count * steps_ahead)

    def _seconds_of(self, load: Load) -> float:
        """Return the length of a step: all wait for the slowest GPU of the group."""
        if self._only_gpu is not None:
            return self._only_gpu.step_seconds_for(load)
        return max(gpu.step_seconds_for(load) for gpu in self.gpus)

    def _settling(self) -> bool:
        if self._only_gpu is not None:
            return self._only_gpu.settling
        return any(gpu.settling for gpu in self.gpus)
