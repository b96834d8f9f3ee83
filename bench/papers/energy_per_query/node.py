"""A node of eight GPUs that serves a large model: tokens per second and watts from the engine's physics."""

from dataclasses import dataclass, replace
from functools import lru_cache

from wattline.world.curve import PERSEUS
from wattline.world.engines import ENGINES, capacity_tokens
from wattline.world.physics import Architecture, EnginePhysics
from wattline.world.power import PowerModel
from wattline.world.products import H100, PRODUCTS
from wattline.world.steady import Service, Steady, steady

PROMPT_TOKENS = 500.0
"""Of a query [S]."""
RATE_OBJECTIVE = 20.0
"""Tokens per second that each answer has at least; ours."""
OVERHEAD_WATTS = 2300.0
"""Of a node beside its GPUs: hosts, fans, network [R: a DGX H100 is rated at 10.2 kW, of which half is said to be used
by all but the GPUs at full fans; half of that here]."""
LLAMA_405B = Architecture(
    model="meta-llama/Llama-3.1-405B-Instruct-FP8",
    weight_bytes=410e9,
    expert_bytes=0.0,
    experts=1,
    experts_per_token=1,
    activated_parameters=405.9e9,
    kv_bytes_per_token=2 * 126 * 8 * 128 * 2,
    attention_flops_per_token_pair=4 * 126 * 128 * 128,
    max_context_tokens=131_072,
    weight_bits=8.0,
)
STEP_SECONDS = 0.003
"""Of a step on eight GPUs: two reductions in each of 126 layers, some ten microseconds each [assumption]."""


@dataclass(frozen=True, slots=True)
class Choice:
    """How a node is set up and used: what the levers move, and what is uncertain."""

    product: str = "h100"
    small: bool = False
    """Llama-3.1-70B, two replicas of four GPUs, instead of 405B."""
    weight_bits: float | None = None
    """Of a number as it is stored, whatever it is computed in; none as published: 8 of 405B, 16 of 70B."""
    share: float = 0.3
    """Of the most sequences that memory and the objective allow."""
    clock: str = "full"
    """``full``, or ``knee``: the clock at which a token costs the node least while the objective is kept."""
    cached_ratio: float = 0.0
    """Part of each prompt that is found in the cache."""
    overhead_watts: float = OVERHEAD_WATTS
    compute_ratio: float = 1.4
    """Arithmetic rate in 8 bits against 16 [assumption; 2 by the data sheet]."""
    bandwidth_ratio: float = 1.0
    """Bandwidth reached against that of the fitted 70B."""


@dataclass(frozen=True, slots=True)
class Served:
    """A node in steady service."""

    tokens_per_second: float
    watts: float
    """Of the whole node."""
    sequences: float
    """Of each replica."""
    clock_mhz: int


@lru_cache(maxsize=256)
def engine(choice: Choice) -> EnginePhysics:
    """Return one replica: the fitted 70B, or 405B by its architecture with the shares that the 70B reaches."""
    base = ENGINES["meta-llama/Llama-3.1-70B-Instruct", "h100", 4]
    if choice.small:
        small, bits = base.architecture, choice.weight_bits or 16.0
        architecture, gpus, fit = replace(small, weight_bytes=small.weight_bytes * bits / 16), 4, base.fit
    else:
        bits = choice.weight_bits or LLAMA_405B.weight_bits
        architecture = replace(LLAMA_405B, weight_bytes=LLAMA_405B.weight_bytes * bits / 8)
        gpus = 8
        fit = replace(
            base.fit, step_seconds=STEP_SECONDS, compute_share=base.fit.compute_share * choice.compute_ratio
        )
    product = PRODUCTS[choice.product]
    room = (product.max_watts - product.idle_watts) / (H100.max_watts - H100.idle_watts)
    fit = replace(
        fit,
        bandwidth_share=fit.bandwidth_share * choice.bandwidth_ratio,
        memory_watts=fit.memory_watts * room,
        compute_watts=fit.compute_watts * room,
    )
    return EnginePhysics(
        architecture, product, gpus, fit, capacity_tokens(architecture, product, gpus), source="modelled"
    )


def served(choice: Choice, output_tokens: float) -> Served:
    """Return the node while every query has so long an answer."""
    physics = engine(choice)
    sequences = max(1.0, choice.share * most_sequences(choice, output_tokens))
    power = PowerModel(physics.product, PERSEUS)
    service = _service(choice, sequences, output_tokens)
    clocks = power.clocks_mhz if choice.clock == "knee" else power.clocks_mhz[-1:]
    found = [
        _node(choice, physics, steady(physics, power, mhz, service), sequences, mhz)
        for mhz in clocks[:: 4 if len(clocks) > 1 else 1]
    ]
    kept = [one for one in found if one.tokens_per_second * physics.gpus / 8 >= RATE_OBJECTIVE * sequences]
    return min(kept or found[-1:], key=lambda one: one.watts / one.tokens_per_second)


@lru_cache(maxsize=4096)
def most_sequences(choice: Choice, output_tokens: float) -> float:
    """Return how many sequences a replica runs at most, at full clocks: by memory, and by the objective."""
    physics = engine(choice)
    power = PowerModel(physics.product, PERSEUS)
    context = PROMPT_TOKENS + output_tokens / 2
    low, high = 1.0, max(1.0, physics.capacity_tokens / context)
    if _rate(physics, power, choice, high, output_tokens) >= RATE_OBJECTIVE:
        return high
    for _ in range(20):
        middle = (low + high) / 2
        if _rate(physics, power, choice, middle, output_tokens) >= RATE_OBJECTIVE:
            low = middle
        else:
            high = middle
    return low


def idle_watts(choice: Choice) -> float:
    """Return what a node draws that is on and holds no model."""
    product = engine(choice).product
    return 8 * (product.idle_watts - product.context_watts) + choice.overhead_watts


def _rate(
    physics: EnginePhysics, power: PowerModel, choice: Choice, sequences: float, output_tokens: float
) -> float:
    now = steady(physics, power, power.clocks_mhz[-1], _service(choice, sequences, output_tokens))
    return now.tokens_per_second / sequences


def _service(choice: Choice, sequences: float, output_tokens: float) -> Service:
    cached = PROMPT_TOKENS * choice.cached_ratio
    return Service(sequences, PROMPT_TOKENS - cached, output_tokens, cached_tokens=cached)


def _node(choice: Choice, physics: EnginePhysics, now: Steady, sequences: float, mhz: int) -> Served:
    replicas = 8 // physics.gpus
    return Served(replicas * now.tokens_per_second, 8 * now.watts + choice.overhead_watts, sequences, mhz)
