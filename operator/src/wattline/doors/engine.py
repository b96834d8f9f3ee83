"""What an engine says of itself: its ``/metrics``, by vLLM's names."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import aiohttp

from wattline.model.errors import BackendError

ANSWER_SECONDS = 2.0
"""Guards against an engine that accepts a connection and hangs, in wall seconds."""

_SAMPLE = re.compile(r"^vllm:([a-z_]+)(?:\{([^}]*)\})? ([^ \n]+)", re.MULTILINE)
_LABEL = re.compile(r'([a-z_]+)="([^"]*)"')
_NEEDED = {
    "num_requests_running", "num_requests_waiting", "prompt_tokens_total", "generation_tokens_total",
    "prefix_cache_hits_total", "prefix_cache_queries_total", "num_preemptions_total", "cache_config_info",
}  # fmt: skip


class EngineAwayError(BackendError):
    """Nobody listens at the engine's address: it is gone, and its memory with it."""


@dataclass(frozen=True, slots=True)
class EngineSample:
    """One reading; counters are totals since the engine's start, summed over its ranks."""

    running: int
    waiting: int
    prompt_tokens: float
    cached_tokens: float
    """Prompt tokens found in the prefix cache."""
    generation_tokens: float
    preemptions: float
    capacity_tokens: int | None
    """Tokens that the KV memory holds; absent where the engine does not say."""


def parse(text: str) -> EngineSample:
    """Return what the text of ``/metrics`` says; raise `BackendError` if it is no vLLM's."""
    sums = dict.fromkeys(_NEEDED, 0.0)
    found: set[str] = set()
    capacity: int | None = None
    for name, labels, value in _SAMPLE.findall(text):
        if name not in _NEEDED:
            continue
        found.add(name)
        if name == "cache_config_info":
            tokens = _capacity_tokens(dict(_LABEL.findall(labels)))
            capacity = tokens if capacity is None or tokens is None else capacity + tokens
            continue
        try:
            sums[name] += float(value)
        except ValueError as error:
            raise BackendError(f"vllm:{name} is {value!r}, not a number") from error
    if "num_requests_running" not in found:
        raise BackendError("/metrics has no vllm:num_requests_running")
    return EngineSample(
        running=int(sums["num_requests_running"]),
        waiting=int(sums["num_requests_waiting"]),
        prompt_tokens=sums["prompt_tokens_total"],
        cached_tokens=sums["prefix_cache_hits_total"],
        generation_tokens=sums["generation_tokens_total"],
        preemptions=sums["num_preemptions_total"],
        capacity_tokens=capacity,
    )


def _capacity_tokens(labels: Mapping[str, str]) -> int | None:
    try:
        return int(labels["num_gpu_blocks"]) * int(labels["block_size"])
    except (KeyError, ValueError):  # vLLM says "None" until it has sized its cache
        return None


async def read(session: aiohttp.ClientSession, url: str) -> EngineSample:
    """Return an engine's present reading; raise `EngineAwayError` if nobody listens, else `BackendError`."""
    limit = aiohttp.ClientTimeout(total=ANSWER_SECONDS)
    try:
        async with session.get(f"{url.rstrip('/')}/metrics", timeout=limit) as response:
            response.raise_for_status()
            return parse(await response.text())
    except aiohttp.ClientConnectorError as error:
        raise EngineAwayError(f"{url}: {error.strerror or error}") from error
    except (TimeoutError, aiohttp.ClientError, UnicodeDecodeError) as error:
        raise BackendError(f"{url}: {type(error).__name__}: {error}") from error
