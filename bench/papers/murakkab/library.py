"""The catalogue: ways to do two kinds of work on models, GPUs, clocks and batches, from the engines' physics.

Qualities are assumed [R]; they decide which ways are good enough, nothing else. Times and watts are not.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from wattline.model.catalogue import EngineKind, Option, Tier, at_tier
from wattline.world.curve import PERSEUS
from wattline.world.engines import ENGINES
from wattline.world.power import PowerModel
from wattline.world.steady import Service, steady

SMALL, LLAMA, OSS, CODER = (
    "Qwen/Qwen3-14B", "meta-llama/Llama-3.1-70B-Instruct", "openai/gpt-oss-20b", "Qwen/Qwen3-Coder-30B-A3B-Instruct",
)  # fmt: skip
QA, CODE = "video Q/A", "code generation"
QUALITIES: Mapping[str, Mapping[str, float]] = {
    QA: {SMALL: 0.64, LLAMA: 0.72, OSS: 0.60, CODER: 0.62},
    CODE: {SMALL: 0.66, LLAMA: 0.70, OSS: 0.68, CODER: 0.76},
}
"""Of one call; ours."""
STRUCTURES: Mapping[str, tuple[int, int, float]] = {
    "one call": (1, 1, 0.0),
    "reflection": (2, 2, 0.12),
    "vote of 3": (3, 1, 0.10),
    "vote of 5": (5, 1, 0.14),
    "debate 2×2": (4, 2, 0.16),
    "debate 3×2": (6, 2, 0.19),
    "debate 3×3": (9, 3, 0.21),
}
"""Calls, calls one after the other, and part of the missing quality that it gains; ours."""
PRODUCTS = ("h100", "a100")
COST_PER_GPU_HOUR = {"h100": 12.3, "a100": 4.1}
"""List prices of eight-GPU machines in one cloud, an eighth each [R]."""
HOST_WATTS = {"h100": 290.0, "a100": 200.0}
"""Of the rest of a machine for each GPU [R]."""
BATCHES = (8, 32, 128)
CLOCK_RATIOS = (1.0, 0.75)
WAITING_RATIO = 1.2
"""Time in an engine that is loaded to what it holds, against that without waiting [R]."""
TOOL_SECONDS = 4.0
"""Speech to text and detection for one video question on one GPU, of which it takes that long [R]."""
LATENCY_SLACK = 2.0
"""A low-latency request may take twice what the quickest way of the basic tier takes; ours for its good tier."""


@dataclass(frozen=True, slots=True)
class Lengths:
    """Of one call."""

    prompt_tokens: float
    output_tokens: float


QA_LENGTHS = Lengths(1155.0, 211.0)
"""Means of Azure's conversations of 2023."""
CODE_LENGTHS = Lengths(2048.0, 300.0)
"""Prompts as in Azure's code trace of 2023 [R]; answers are ours: its 28 tokens complete a line."""
LENGTHS = {QA: QA_LENGTHS, CODE: CODE_LENGTHS}


@dataclass(frozen=True, slots=True)
class Library:
    """All that can be chosen."""

    engines: tuple[EngineKind, ...]
    options: Mapping[str, tuple[Option, ...]]
    """By kind of work."""
    least_quality: Mapping[str, float]
    """Of a high-accuracy request, by kind of work: its tier."""
    basic_quality: Mapping[str, float]
    most_seconds: Mapping[str, float]
    """Of a low-latency request."""


@lru_cache(maxsize=8)
def library(
    tier: str = Tier.GOOD, products: tuple[str, ...] = PRODUCTS, tool_seconds: float = TOOL_SECONDS
) -> Library:
    """Return the catalogue; an engine's unit of work is a second of one replica.

    A replica that serves both kinds of work is taken to draw what the thirstier one draws.
    """
    engines: dict[str, EngineKind] = {}
    options: dict[str, list[Option]] = {QA: [], CODE: []}
    for (model, product, gpus), physics in ENGINES.items():
        if model not in QUALITIES[QA] or product not in products:
            continue
        power = PowerModel(physics.product, PERSEUS)
        for clock_ratio in CLOCK_RATIOS:
            clock = power.clocks_mhz[power.index_of(clock_ratio * power.clocks_mhz[-1])]
            for batch in BATCHES:
                if (
                    batch * (CODE_LENGTHS.prompt_tokens + CODE_LENGTHS.output_tokens)
                    > physics.capacity_tokens
                ):
                    continue
                served = {
                    work: steady(
                        physics, power, clock, Service(batch, lengths.prompt_tokens, lengths.output_tokens)
                    )
                    for work, lengths in LENGTHS.items()
                }
                name = f"{model.split('/')[1]} on {gpus} {product} at {clock} MHz, {batch} running"
                host = gpus * HOST_WATTS[product]
                watts = gpus * max(now.watts for now in served.values()) + host
                engines[name] = EngineKind(
                    name, product, gpus, 1.0, watts, gpus * physics.product.idle_watts + host
                )
                for work, now in served.items():
                    tokens = LENGTHS[work].output_tokens
                    seconds = WAITING_RATIO * (now.ttft_seconds + tokens * now.itl_seconds)
                    options[work] += _options(work, model, name, seconds, tokens / now.tokens_per_second)
    tools = {product: EngineKind(f"tools on 1 {product}", product, 1, 1.0, _tool_watts(product, 0.5), _tool_watts(product, 0.0)) for product in products}  # fmt: skip
    engines |= {tool.name: tool for tool in tools.values()}
    options[QA] = [_with_tools(option, engines, tools, tool_seconds) for option in options[QA]]
    qualities = {work: {round(option.quality, 9) for option in mine} for work, mine in options.items()}
    basic = {work: at_tier(mine, Tier.BASIC) for work, mine in qualities.items()}
    return Library(
        tuple(engines.values()),
        {work: tuple(mine) for work, mine in options.items()},
        {work: at_tier(mine, Tier(tier)) - 1e-9 for work, mine in qualities.items()},
        {work: quality - 1e-9 for work, quality in basic.items()},
        {
            work: LATENCY_SLACK * min(one.seconds for one in mine if one.quality >= basic[work] - 1e-9)
            for work, mine in options.items()
        },
    )


def _options(work: str, model: str, engine: str, seconds: float, busy: float) -> list[Option]:
    quality = QUALITIES[work][model]
    return [
        Option(
            f"{structure} by {engine}",
            quality + gain * (1 - quality),
            depth * seconds,
            {engine: calls * busy},
        )
        for structure, (calls, depth, gain) in STRUCTURES.items()
    ]


def _with_tools(
    option: Option, engines: Mapping[str, EngineKind], tools: Mapping[str, EngineKind], seconds: float
) -> Option:
    """Return a video question's option with its tools, on the same type of GPU."""
    (engine,) = option.work
    tool = tools[engines[engine].gpu]
    return Option(
        option.name,
        option.quality,
        option.seconds + WAITING_RATIO * seconds,
        {**option.work, tool.name: seconds},
    )


def _tool_watts(product: str, load: float) -> float:
    card = ENGINES[SMALL, product, 1].product
    return HOST_WATTS[product] + card.idle_watts + load * (card.max_watts - card.idle_watts)
