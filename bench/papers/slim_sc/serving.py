"""What chains cost on an engine: time to the last, KV memory over time, joules."""

from collections.abc import Sequence
from dataclasses import dataclass

from wattline.model.context import Extent
from wattline.world.engine import ENGINES, Engine
from wattline.world.gpu import Gpu
from wattline.world.request import Finished, Request

PROMPT_TOKENS = 300
MODEL = ("Qwen/Qwen3-14B", "h100", 1)
"""The architecture of the paper's R1-Distill-Qwen-14B is a generation older and as large."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One question that comes to the engine."""

    at_seconds: float
    chain_tokens: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Cost:
    """What was served."""

    seconds: tuple[float, ...]
    """By question, from its arrival to its last chain."""
    kv_token_seconds: float
    joules: float
    preemptions: int


def serve(asked: Sequence[Asked]) -> Cost:
    """Play questions, in order of arrival, through one replica at full clocks; a question's chains share its prompt."""
    physics = ENGINES[MODEL]
    gpus = [Gpu(physics.product, f"gpu-{index}") for index in range(physics.gpus)]
    engine = Engine(physics, gpus)
    left = [len(one.chain_tokens) for one in asked]
    ended = [0.0] * len(asked)
    area = 0.0
    coming = 0
    while coming < len(asked) or any(left):
        if coming < len(asked) and asked[coming].at_seconds <= engine.now_seconds:
            _submit(engine, coming, asked[coming])
            coming += 1
            continue
        until = min(engine.next_event_seconds(), engine.now_seconds + 5.0)
        if coming < len(asked):
            until = min(until, asked[coming].at_seconds)
        before, used = engine.now_seconds, engine.kv_used_tokens
        for event in engine.advance(until):
            if isinstance(event, Finished):
                question = int(event.id.split("/")[0])
                left[question] -= 1
                ended[question] = event.at_seconds
        area += (used + engine.kv_used_tokens) / 2 * (engine.now_seconds - before)
    return Cost(
        tuple(end - one.at_seconds for end, one in zip(ended, asked, strict=True)),
        area,
        sum(gpu.energy_joules for gpu in gpus),
        engine.preemptions,
    )


def _submit(engine: Engine, question: int, asked: Asked) -> None:
    for chain, tokens in enumerate(asked.chain_tokens):
        name = f"{question}/{chain}"
        prompt, spoken = Extent(f"prompt {question}", 0, PROMPT_TOKENS), Extent(name, 0, tokens)
        engine.submit(Request(name, (prompt,), (spoken,), tokens))
