"""Architectures from what is published with the weights, beside what the world has by hand."""

import json

import pytest

from wattline.profiles.architecture import from_config, known, load
from wattline.profiles.points import ProfileError

QWEN3_14B = {
    "hidden_size": 5120, "num_hidden_layers": 40, "num_attention_heads": 40, "num_key_value_heads": 8, "head_dim": 128,
    "intermediate_size": 17408, "vocab_size": 151936, "max_position_embeddings": 131072, "torch_dtype": "bfloat16",
    "tie_word_embeddings": False,
}  # fmt: skip
CODER_30B = QWEN3_14B | {
    "hidden_size": 2048, "num_hidden_layers": 48, "num_attention_heads": 32, "num_key_value_heads": 4, "num_experts": 128,
    "num_experts_per_tok": 8, "moe_intermediate_size": 768, "max_position_embeddings": 262144,
}  # fmt: skip


@pytest.mark.parametrize(
    ("model", "config"),
    [("Qwen/Qwen3-14B", QWEN3_14B), ("Qwen/Qwen3-Coder-30B-A3B-Instruct", CODER_30B)],
)
def test_a_published_configuration_gives_what_the_world_has(model: str, config: dict):
    found, world = from_config(config, model, "config.json"), known(model)
    for name in ("weight_bytes", "expert_bytes", "kv_bytes_per_token", "attention_flops_per_token_pair"):
        assert getattr(found, name) == pytest.approx(getattr(world, name), rel=0.02), name
    assert found.activated_parameters == pytest.approx(world.activated_parameters, rel=0.1)
    assert (found.experts, found.experts_per_token) == (world.experts, world.experts_per_token)


def test_weights_of_eight_bits_take_half_and_may_compute_faster():
    found = from_config(QWEN3_14B | {"quantization_config": {"quant_method": "fp8"}}, "m", "config.json")
    assert found.weight_bytes == pytest.approx(14.8e9, rel=0.02)
    assert found.weight_bits == 8


def test_windows_keep_no_memory():
    kinds = ["sliding_attention", "full_attention"] * 20
    found = from_config(QWEN3_14B | {"layer_types": kinds}, "m", "config.json")
    assert found.kv_bytes_per_token == 2 * 20 * 8 * 128 * 2


REFUSED = {
    "latent attention": (QWEN3_14B | {"kv_lora_rank": 512}, "latent attention and state-space layers"),
    "an unknown quantisation": (QWEN3_14B | {"quantization_config": {"quant_method": "x"}}, "quant_method 'x' is not known"),
    "no layers": ({"text_config": {"hidden_size": 1}}, "no num_hidden_layers"),
}  # fmt: skip


@pytest.mark.parametrize(("config", "said"), REFUSED.values(), ids=REFUSED.keys())
def test_what_cannot_be_counted_is_refused_with_the_way_round(tmp_path, config: dict, said: str):
    path = tmp_path / "config.json"
    path.write_text(json.dumps(config))
    with pytest.raises(ProfileError) as caught:
        load(path, "m")
    assert said in str(caught.value)
    assert "write the architecture as YAML" in str(caught.value)


def test_our_own_fields_in_yaml_and_what_is_wrong_with_them(tmp_path):
    path = tmp_path / "a.yaml"
    fields = "weightBytes: 2.0e+9\nactivatedParameters: 1.0e+9\nkvBytesPerToken: 1000\nattentionFlopsPerTokenPair: 1\n"
    path.write_text(f"{fields}maxContextTokens: 4096\n")
    assert load(path, "m").weight_bytes == 2e9
    path.write_text(f"{fields}maxContext: 4096\n")
    with pytest.raises(ProfileError, match=r"a\.yaml: maxContext"):
        load(path, "m")
