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
    max_context_tokens=131_072,  # with YaRN
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
QWEN3_CODER_30B_FP8 = replace(
    QWEN3_CODER_30B,
    model="Qwen/Qwen3-Coder-30B-A3B-Instruct-FP8",
    weight_bytes=30.9e9,
    expert_bytes=29.0e9,
)

_MEMORY_SHARE = 0.9
"""What the engine takes of a GPU's memory: vLLM's default."""
_ACTIVATION_BYTES = 3e9
"""Kept free of KV memory on each GPU [assumption]; it puts Llama-3.1-70B ×4 where the measurements show the bound."""


def capacity_tokens(architecture: Architecture, product: Product, gpus: int) -> int:
    """Return how many tokens of KV memory are left beside the weights: experts are divided, the rest of them copied."""
    usable = gpus * (product.memory_bytes * _MEMORY_SHARE - _ACTIVATION_BYTES)
    copied = architecture.weight_bytes - architecture.expert_bytes if architecture.expert_bytes else 0.0
    weights = architecture.weight_bytes + copied * (gpus - 1)
    return int((usable - weights) / architecture.kv_bytes_per_token)


def _fitted(architecture: Architecture, gpus: int, fit: Fit) -> EnginePhysics:
    return EnginePhysics(architecture, H100, gpus, fit, capacity_tokens(architecture, H100, gpus))


# Fitted to ML.ENERGY in narrower ranges than `wattline profile fit` has (bandwidth share from 0.55, computing watts to 600),
# and kept, for published figures are made with them: bandwidth share, compute share, seconds per step, seconds per
# sequence, watts of memory, watts of computing.
_FITTED = (
    _fitted(QWEN3_14B, 1, Fit(0.788, 0.4, 0.0005, 7.68e-05, 265.0, 600.0)),
    _fitted(LLAMA_70B, 4, Fit(0.622, 0.703, 0.0005, 6.41e-05, 259.0, 600.0)),
    _fitted(GPT_OSS_20B, 1, Fit(0.55, 0.226, 0.000674, 4.04e-05, 381.0, 600.0)),
    _fitted(QWEN3_CODER_30B, 1, Fit(0.93, 0.131, 0.00325, 4.49e-05, 418.0, 599.0)),
    _fitted(QWEN3_CODER_30B, 2, Fit(0.748, 0.164, 0.00357, 4.78e-05, 374.0, 563.0)),
)


def scaled(
    base: EnginePhysics,
    product: Product,
    *,
    architecture: Architecture | None = None,
    capacity: int | None = None,
) -> EnginePhysics:
    """Return the same engine on another product, or with other weights.

    Time goes by the product's bandwidth and arithmetic rate, of which the same shares are reached; dynamic power
    by the room between idle power and limit.
    """
    model = architecture or base.architecture
    room = (product.max_watts - product.idle_watts) / (base.product.max_watts - base.product.idle_watts)
    fit = replace(
        base.fit, memory_watts=base.fit.memory_watts * room, compute_watts=base.fit.compute_watts * room
    )
    return replace(
        base,
        product=product,
        architecture=model,
        fit=fit,
        capacity_tokens=capacity or capacity_tokens(model, product, base.gpus),
        source="modelled",
    )


def _modelled() -> tuple[EnginePhysics, ...]:
    coder = _FITTED[3]
    return (
        *(scaled(base, H200) for base in _FITTED),
        *(scaled(base, A100) for base in _FITTED),
        scaled(coder, H100, architecture=QWEN3_CODER_30B_FP8),
        scaled(coder, H200, architecture=QWEN3_CODER_30B_FP8),
        scaled(
            coder, H100_NVL, architecture=QWEN3_CODER_30B_FP8, capacity=417_000
        ),  # KAIROS's card: 41 GB of KV
        # The same under the plain name, which is how KAIROS's experiment is spoken of.
        scaled(
            coder,
            H100_NVL,
            architecture=replace(QWEN3_CODER_30B_FP8, model=QWEN3_CODER_30B.model),
            capacity=417_000,
        ),
    )


ENGINES: Mapping[tuple[str, str, int], EnginePhysics] = MappingProxyType(
    {(one.model, one.product.name, one.gpus): one for one in (*_FITTED, *_modelled())}
)
"""By model, product and number of GPUs."""
