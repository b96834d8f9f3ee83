"""A model's architecture: one that the world knows, a YAML file in the profile's own fields, or the published config.json."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from wattline.api.modelprofile import ArchitectureSpec
from wattline.profiles.points import ProfileError
from wattline.profiles.readers.table import text_of
from wattline.world.engines import ENGINES
from wattline.world.physics import Architecture

BYTES = {"float32": 4.0, "bfloat16": 2.0, "float16": 2.0}
QUANTISED_BYTES = {"fp8": 1.0, "fbgemm_fp8": 1.0, "mxfp4": 0.53}
"""Of a weight with its scales."""


def known(model: str) -> Architecture | None:
    """Return the architecture of a model that the world has an engine of; none where it has none."""
    return next((one.architecture for one in ENGINES.values() if one.model == model), None)


def load(path: Path, model: str) -> Architecture:
    """Return the architecture in a file: `config.json` as published with the weights, or our own fields in YAML."""
    text = text_of(path)
    try:
        data = json.loads(text) if path.suffix == ".json" else yaml.safe_load(text)
    except (ValueError, yaml.YAMLError) as error:
        raise ProfileError(f"{path}: neither JSON nor YAML: {error}") from error
    if not isinstance(data, dict):
        raise ProfileError(f"{path}: expected an object, found {type(data).__name__}")
    if "num_hidden_layers" in data or "text_config" in data:
        return from_config(data.get("text_config", data), model, str(path))
    try:
        spec = ArchitectureSpec.model_validate(data, extra="forbid")
    except ValidationError as error:
        lines = (f"{path}: {'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
        raise ProfileError("\n".join(lines)) from error
    return Architecture(model=model, **spec.model_dump())


def from_config(config: Mapping[str, Any], model: str, place: str) -> Architecture:
    """Return the architecture of a transformer with grouped-query attention by its published configuration.

    Parameters are counted from the shapes: embeddings, attention, gated multilayer perceptrons or experts, router.
    """

    def number(*names: str, default: int | None = None) -> int:
        for name in names:
            if isinstance(config.get(name), int):
                return int(config[name])
        if default is None:
            raise ProfileError(
                f"{place}: no {names[0]}; this is no configuration of a plain transformer: write the architecture as YAML "
                "(docs/how-to/profiles.md)"
            )
        return default

    if "kv_lora_rank" in config or "ssm_cfg" in config or "hybrid_override_pattern" in config:
        raise ProfileError(
            f"{place}: latent attention and state-space layers are not counted from config.json; write the "
            "architecture as YAML (docs/how-to/profiles.md)"
        )
    hidden, layers = number("hidden_size"), number("num_hidden_layers")
    query = number("num_attention_heads")
    heads = number("num_key_value_heads", default=query)
    size = number("head_dim", default=hidden // query)
    vocabulary = number("vocab_size") * hidden * (1 if config.get("tie_word_embeddings") else 2)
    attention = layers * hidden * size * (2 * query + 2 * heads)
    experts = number("num_experts", "num_local_experts", "n_routed_experts", default=1)
    chosen = number("num_experts_per_tok", "experts_per_token", default=1)
    inner = number("intermediate_size")
    sparse = layers - number("first_k_dense_replace", default=0) if experts > 1 else 0
    wide = number("moe_intermediate_size", default=inner)
    one = 3 * hidden * wide
    shared = 3 * hidden * number("shared_expert_intermediate_size", default=0)
    shared += number("n_shared_experts", default=0) * one
    beside = (
        vocabulary + attention + (layers - sparse) * 3 * hidden * inner + sparse * (shared + hidden * experts)
    )
    routed = sparse * experts * one
    dense_bytes, expert_bytes, bits = _widths(config, place)
    full = _full_attention_layers(config, layers)
    return Architecture(
        model=model,
        weight_bytes=beside * dense_bytes + routed * expert_bytes,
        expert_bytes=routed * expert_bytes,
        experts=experts,
        experts_per_token=min(chosen, experts),
        activated_parameters=float(beside - vocabulary / 2 + sparse * chosen * one),
        kv_bytes_per_token=2.0 * full * heads * size * 2,
        attention_flops_per_token_pair=4.0 * full * query * size,
        max_context_tokens=number("max_position_embeddings"),
        weight_bits=bits,
    )


def _widths(config: Mapping[str, Any], place: str) -> tuple[float, float, float]:
    """Return bytes of a weight outside and inside of experts, and bits in multiplications."""
    plain = BYTES.get(str(config.get("torch_dtype") or config.get("dtype") or "bfloat16"), 2.0)
    quantised = config.get("quantization_config")
    if not isinstance(quantised, dict):
        return plain, plain, 8.0 * plain
    method = str(quantised.get("quant_method"))
    if method in {"awq", "gptq"} and isinstance(quantised.get("bits"), int):
        return quantised["bits"] / 8, quantised["bits"] / 8, 16.0  # weights are widened before they multiply
    width = QUANTISED_BYTES.get(method)
    if width is None:
        raise ProfileError(
            f"{place}: quantization_config.quant_method {method!r} is not known; write the architecture as YAML "
            "(docs/how-to/profiles.md)"
        )
    return (plain, width, 16.0) if method == "mxfp4" else (width, width, 8.0)


def _full_attention_layers(config: Mapping[str, Any], layers: int) -> int:
    kinds = config.get("layer_types")
    if isinstance(kinds, list):
        return max(1, kinds.count("full_attention"))
    pattern = config.get("sliding_window_pattern")
    return max(1, layers // int(pattern)) if isinstance(pattern, int) else layers
