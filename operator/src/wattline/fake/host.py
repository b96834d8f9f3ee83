"""One engine of the world, and the answers it is writing."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count

from wattline.fake.openai import Call, CallError, too_long, trace_of
from wattline.fake.prefix import Prefixes
from wattline.fake.tally import Tally
from wattline.fake.text import BYTES_PER_TOKEN, filler, tokens_of
from wattline.world.engine import Engine
from wattline.world.request import Finished, FirstToken, Refused, Request


@dataclass(slots=True, eq=False)
class Answer:
    """One answer being written: text known from the start, tokens as the engine makes them."""

    id: str
    index: int
    """Place among all answers of the call."""
    choice: int
    """Place among the answers to the same prompt."""
    text: str
    finish_reason: str
    prompt_tokens: int
    arrived_seconds: float
    cached_tokens: int = 0
    ready_tokens: int = 0
    first_seconds: float | None = None
    last_seconds: float | None = None
    refused: str | None = None
    progress: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when tokens came, or the end."""

    @property
    def tokens(self) -> int:
        """Length of the whole answer."""
        return len(self.text) // BYTES_PER_TOKEN

    @property
    def ended(self) -> bool:
        """Whether nothing more will come."""
        return self.last_seconds is not None or self.refused is not None


class EngineHost:
    """Puts calls into an engine and tells their answers what became of them.

    The engine's time is whatever the caller advances it to; the host reads no clock.
    """

    def __init__(self, name: str, model: str, engine: Engine, prefixes: Prefixes) -> None:
        self.name = name
        self.model = model
        self.engine = engine
        self.tally = Tally()
        self._prefixes = prefixes
        self._answers: dict[str, Answer] = {}
        self._number = count(1)

    @property
    def longest_tokens(self) -> int:
        """Longest prompt and answer together."""
        return self.engine.physics.max_context_tokens

    @property
    def loading_seconds_left(self) -> float:
        """How long the weights still load; nothing is answered until then."""
        return max(0.0, self.engine.ready_seconds - self.engine.now_seconds)

    def start(self, call: Call, at_seconds: float) -> list[Answer]:
        """Submit every choice of a call, at the time the engine was advanced to; raise ``CallError`` if it cannot fit."""
        if call.model != self.model:
            raise CallError(
                404, f"The model `{call.model}` does not exist.", code="model_not_found", param="model"
            )
        plans = [(prompt, *call.answer_tokens(prompt)) for prompt in call.prompts]
        for prompt, answer_tokens, _ in plans:
            if tokens_of(prompt) + answer_tokens > self.longest_tokens:
                raise too_long(tokens_of(prompt), answer_tokens, self.longest_tokens)
        answers: list[Answer] = []
        for prompt, answer_tokens, finish_reason in plans:
            trace = trace_of(prompt).hex()
            for choice in range(call.n):
                text = filler((trace, choice), 0, answer_tokens)
                if call.form is not None:
                    text = call.form[: answer_tokens * BYTES_PER_TOKEN]
                name = f"{self.name}-{next(self._number)}"
                answer = Answer(
                    name, len(answers), choice, text, finish_reason, tokens_of(prompt), at_seconds
                )
                context, output = self._prefixes.place(prompt, text.encode())
                self._answers[answer.id] = answer
                self.engine.submit(Request(answer.id, context, output, answer_tokens))
                answers.append(answer)
        return answers

    def stop(self, answers: Sequence[Answer]) -> None:
        """Stop work on answers nobody waits for any more; those that ended are left as they are."""
        for answer in answers:
            if self._answers.pop(answer.id, None) is not None:
                self.engine.abort(answer.id)
                self.tally.aborted += 1

    def advance(self, until_seconds: float) -> None:
        """Let the engine work until then and tell the answers."""
        for event in self.engine.advance(until_seconds):
            answer = self._answers.get(event.id)
            if answer is None:
                continue
            match event:
                case FirstToken():
                    answer.first_seconds = event.at_seconds
                    answer.cached_tokens = event.cached_tokens
                    self.tally.first_token_seconds.observe(event.at_seconds - answer.arrived_seconds)
                case Finished():
                    self._end(answer, event.at_seconds)
                case Refused():
                    answer.refused = event.why
                    del self._answers[answer.id]
                    answer.progress.set()
        for answer in self._answers.values():
            ready = self.engine.generated(answer.id)
            if ready > answer.ready_tokens:
                answer.ready_tokens = ready
                answer.progress.set()

    def _end(self, answer: Answer, at_seconds: float) -> None:
        answer.ready_tokens = answer.tokens
        answer.last_seconds = at_seconds
        self.tally.finished[answer.finish_reason] += 1
        self.tally.whole_seconds.observe(at_seconds - answer.arrived_seconds)
        if answer.first_seconds is not None and answer.tokens > 1:
            self.tally.between_tokens_seconds.observe(
                (at_seconds - answer.first_seconds) / (answer.tokens - 1), times=answer.tokens - 1
            )
        del self._answers[answer.id]
        answer.progress.set()
