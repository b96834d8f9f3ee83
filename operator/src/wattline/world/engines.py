"""Models on GPUs: published architectures, fitted parameters, and what is scaled from them."""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from wattline.world.physics import Architecture, EnginePhysics, Fit
from wattline.world.products import A100, H100, H100_NVL, H200, Product

QWEN3_14B = Architecture(
    model="Qwen/Qwen3-14B",
    weight_bytes=29.5e9,
    expert_bytes=0.0,
    experts=1,
    experts_per_token=1,
    activated_parameters=14.8e9,
    kv_bytes_per_token=2 * 40 * 8 * 128 * 2,
    attention_flops_per_token_pair=4 * 40 * 40 * 128,
    max_context_tokens=131_072,
)
LLAMA_70B = Architecture(
    model="meta-llama/Llama-3.1-70B-Instruct",
    weight_bytes=141.1e9,
    expert_bytes=0.0,
    experts=1,
    experts_per_token=1,
    activated_parameters=70.6e9,
    kv_bytes_per_token=2 * 80 * 8 * 128 * 2,
    attention_flops_per_token_pair=4 * 80 * 64 * 128,
    max_context_tokens=131_072,
)
GPT_OSS_20B = Architecture(
    model="openai/gpt-oss-20b",
    weight_bytes=13.8e9,
    expert_bytes=10.2e9,
    experts=32,
    experts_per_token=4,
    activated_parameters=3.6e9,
    kv_bytes_per_token=2 * 12 * 8 * 64 * 2,
    attention_flops_per_token_pair=4 * 12 * 64 * 64,
    max_context_tokens=131_072,
)
QWEN3_CODER_30B = Architecture(
    model="Qwen/Qwen3-Coder-30B-A3B-Instruct",
    weight_bytes=61.1e9,
    expert_bytes=58.0e9,
    experts=128,
    experts_per_token=8,
    activated_parameters=3.3e9,
    kv_bytes_per_token=2 * 48 * 4 * 128 * 2,
    attention_flops_per_token_pair=4 * 48 * 32 * 128,
    max_context_tokens=262_144,
)
QWEN3_CODER_30B_FP8 = replace(QWEN3_CODER_30B, weight_bytes=30.9e9, expert_bytes=29.0e9)

_FITTED = (
    EnginePhysics(QWEN3_14B, H100, 1, Fit(0.75, 0.5, 0.0018, 0.00008, 280.0, 550.0), capacity_tokens=240_000),
    EnginePhysics(LLAMA_70B, H100, 4, Fit(0.75, 0.5, 0.004, 0.00009, 280.0, 550.0), capacity_tokens=412_000),
    EnginePhysics(
        GPT_OSS_20B, H100, 1, Fit(0.75, 0.4, 0.002, 0.00006, 300.0, 550.0), capacity_tokens=2_200_000
    ),
    EnginePhysics(
        QWEN3_CODER_30B, H100, 1, Fit(0.9, 0.25, 0.004, 0.00008, 350.0, 550.0), capacity_tokens=81_000
    ),
    EnginePhysics(
        QWEN3_CODER_30B, H100, 2, Fit(0.9, 0.25, 0.004, 0.00008, 300.0, 550.0), capacity_tokens=760_000
    ),
)


def scaled(
    base: EnginePhysics, product: Product, *, architecture: Architecture, capacity_tokens: int
) -> EnginePhysics:
    """Return the same engine on another product.

    Time goes by the product's bandwidth and arithmetic rate, of which the same shares are reached; dynamic power
    by the room between its idle power and its limit.
    """
    room = (product.max_watts - product.idle_watts) / (base.product.max_watts - base.product.idle_watts)
    fit = replace(
        base.fit, memory_watts=base.fit.memory_watts * room, compute_watts=base.fit.compute_watts * room
    )
    return replace(
        base,
        product=product,
        architecture=architecture,
        fit=fit,
        capacity_tokens=capacity_tokens,
        source="modelled",
    )


def _modelled() -> tuple[EnginePhysics, ...]:
    coder = _FITTED[3]
    return (
        scaled(coder, H100_NVL, architecture=QWEN3_CODER_30B_FP8, capacity_tokens=417_000),
        scaled(coder, H200, architecture=QWEN3_CODER_30B, capacity_tokens=640_000),
        scaled(coder, A100, architecture=QWEN3_CODER_30B, capacity_tokens=81_000),
    )


ENGINES: Mapping[tuple[str, str, int], EnginePhysics] = MappingProxyType(
    {(one.model, one.product.name, one.gpus): one for one in (*_FITTED, *_modelled())}
)
