"""Architectures of the language models on ML.ENERGY's leaderboard, as their config.json and model cards say.

Layers, heads and experts are published; totals are model cards'. Layers whose attention slides over a window keep no KV
memory that grows.
"""

from wattline.world.physics import Architecture


def _attention(layers: int, query: int, heads: int, size: int) -> tuple[float, float]:
    return 2.0 * layers * heads * size * 2, 4.0 * layers * query * size


def dense(parameters: float, attention: tuple[int, int, int, int], *, bits: float = 16, state: float = 0.0):
    kv, pairs = _attention(*attention)
    return lambda model: Architecture(
        model=model, weight_bytes=parameters * bits / 8, expert_bytes=0.0, experts=1, experts_per_token=1,
        activated_parameters=parameters, kv_bytes_per_token=kv, attention_flops_per_token_pair=pairs,
        max_context_tokens=131_072, weight_bits=bits, state_bytes_per_sequence=state,
    )  # fmt: skip


def sparse(
    parameters: float, in_experts: float, active: float, experts: int, chosen: int, attention: tuple[int, int, int, int],
    *, bits: float = 16, weight_bytes: float | None = None,
):  # fmt: skip
    kv, pairs = _attention(*attention)
    return lambda model: Architecture(
        model=model, weight_bytes=weight_bytes or parameters * bits / 8,
        expert_bytes=in_experts * (weight_bytes or parameters * bits / 8) / parameters, experts=experts,
        experts_per_token=chosen, activated_parameters=active, kv_bytes_per_token=kv,
        attention_flops_per_token_pair=pairs, max_context_tokens=131_072, weight_bits=bits,
    )  # fmt: skip


QWEN_235B = (235e9, 227e9, 22e9, 128, 8, (94, 64, 4, 128))
QWEN_30B = (30.5e9, 29.0e9, 3.3e9, 128, 8, (48, 32, 4, 128))
SCOUT = (107.8e9, 96.6e9, 17e9, 16, 1, (48, 40, 8, 128))
MAVERICK = (400e9, 386.5e9, 17e9, 128, 1, (48, 40, 8, 128))
MAMBA_STATE = 128 * 80 * 128 * 4.0  # heads × head size × state size × float32, of a Mamba-2 layer
NEMOTRON_12B = dense(12.3e9, (6, 40, 8, 128), state=28 * MAMBA_STATE)

PUBLISHED = {
    "Qwen/Qwen3-14B": dense(14.8e9, (40, 40, 8, 128)),
    "Qwen/Qwen3-235B-A22B-Instruct-2507-FP8": sparse(*QWEN_235B, bits=8),
    "Qwen/Qwen3-235B-A22B-Thinking-2507": sparse(*QWEN_235B),
    "Qwen/Qwen3-235B-A22B-Thinking-2507-FP8": sparse(*QWEN_235B, bits=8),
    "Qwen/Qwen3-VL-235B-A22B-Instruct": sparse(*QWEN_235B),
    "Qwen/Qwen3-30B-A3B-Instruct-2507": sparse(*QWEN_30B),
    "Qwen/Qwen3-30B-A3B-Thinking-2507": sparse(*QWEN_30B),
    "Qwen/Qwen3-Coder-30B-A3B-Instruct": sparse(*QWEN_30B),
    "Qwen/Qwen3-VL-32B-Instruct": dense(33.4e9, (64, 64, 8, 128)),
    "google/gemma-3-12b-it": dense(12.2e9, (8, 16, 8, 256)),
    "google/gemma-3-27b-it": dense(27.4e9, (10, 32, 16, 128)),
    "meta-llama/Llama-3.1-405B-Instruct-FP8": dense(405.9e9, (126, 128, 8, 128), bits=8),
    "meta-llama/Llama-3.1-70B-Instruct": dense(70.6e9, (80, 64, 8, 128)),
    "meta-llama/Llama-3.3-70B-Instruct": dense(70.6e9, (80, 64, 8, 128)),
    "meta-llama/Llama-4-Maverick-17B-128E-Instruct-FP8": sparse(*MAVERICK, bits=8),
    "meta-llama/Llama-4-Scout-17B-16E-Instruct": sparse(*SCOUT),
    "nvidia/NVIDIA-Nemotron-Nano-12B-v2": NEMOTRON_12B,
    "nvidia/NVIDIA-Nemotron-Nano-12B-v2-VL-BF16": NEMOTRON_12B,
    "nvidia/NVIDIA-Nemotron-Nano-9B-v2": dense(8.9e9, (4, 40, 8, 128), state=27 * MAMBA_STATE),
    "openai/gpt-oss-20b": sparse(20.9e9, 19.1e9, 3.6e9, 32, 4, (12, 64, 8, 64), weight_bytes=13.8e9),
}  # fmt: skip
