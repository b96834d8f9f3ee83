"""What chunks cost on their own: no queue, one prompt of a million tokens."""

from collections.abc import Callable
from dataclasses import dataclass

from bench.papers.medha.engine import Predictor, physics, work_seconds

from wattline.policy.slack import Chunk, Prompt, SlackSpec, after, decide
from wattline.world.physics import EnginePhysics

MILLION = 1_000_000
NODE = 8
"""GPUs of a tensor-parallel group: where the paper's numbers on chunks are from."""


@dataclass(frozen=True, slots=True)
class Computed:
    """One prompt, computed alone beside what decodes."""

    seconds: float
    iterations: int
    longest_seconds: float
    """Longest iteration: what a decoding sequence waits for a token."""
    first_tokens: int
    last_tokens: int
    """Largest of the first and of the last ten chunks: the very last is what is left over."""


def fixed(model: EnginePhysics, tokens: int, chunk_tokens: int) -> Computed:
    """Return a prompt in chunks of one size."""
    return _computed(model, tokens, lambda prompt: min(prompt.left_tokens, chunk_tokens))


def packed(model: EnginePhysics, tokens: int, spec: SlackSpec) -> Computed:
    """Return it in the chunks that the policy gives beside 16 sequences that decode."""
    predicted = Predictor(model, 16, 16 * 1024.0)

    def chunk(prompt: Prompt) -> int:
        decision = decide(spec, 0.0, [prompt], 16, predicted)
        return decision.chunks[0].tokens if decision.chunks else 0

    return _computed(model, tokens, chunk)


def late_step_seconds(chunk_tokens: int) -> float:
    """Return what an iteration takes with such a chunk after a million tokens, on one node."""
    return Predictor(physics(NODE))((Chunk("late", MILLION, chunk_tokens),))


def overhead(small: int, large: int) -> float:
    """Return how much longer small chunks take than large ones for the same tokens after a million, on one node."""
    return late_step_seconds(small) / small / (late_step_seconds(large) / large) - 1.0


def saturating_tokens() -> int:
    """Return from which chunk on an iteration after a million tokens computes longer than it reads, on one node."""
    model = physics(NODE)

    def computes(tokens: int) -> bool:
        load = model.step(0, 0.0, tokens, MILLION)
        return load.compute_seconds >= load.memory_seconds

    return next(tokens for tokens in range(1, 2048) if computes(tokens))


def _computed(model: EnginePhysics, tokens: int, chosen: Callable[[Prompt], int]) -> Computed:
    predicted = Predictor(model, 16, 16 * 1024.0)
    work = work_seconds(model, 0, tokens, 0.02)
    prompt = Prompt("a", 0.0, 10 * work, work, work, tokens)
    sizes: list[int] = []
    seconds = longest = 0.0
    while prompt.left_tokens:
        size = chosen(prompt)
        if not size:
            raise ValueError(f"no chunk fits the budget after {prompt.done_tokens} tokens")
        step = predicted((Chunk("a", prompt.done_tokens, size),))
        seconds, longest = seconds + step, max(longest, step)
        sizes.append(size)
        prompt = after(prompt, size, 0.0)
    return Computed(seconds, len(sizes), longest, max(sizes[:10]), max(sizes[-10:]))
