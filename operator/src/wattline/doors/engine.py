"""An engine's ``/metrics`` in vLLM's names: what it runs, what it computed, what it can hold."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import aiohttp

from wattline.model.errors import BackendError

HANG_SECONDS = 5.0
"""Wall time after which an engine that took the connection is given up."""

_LINE = re.compile(r"^(vllm:[a-z0-9_]+)(?:\{(.*)\})?\s+([^\s]+)")
_LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"')


@dataclass(frozen=True, slots=True)
class EngineMetrics:
    """One look at an engine; totals are since its start, over all models it serves."""

    running: int
    """Requests in the batch."""
    waiting: int
    """Requests the engine has not started."""
    prompt_tokens_total: float
    cached_tokens_total: float
    """Of the prompt tokens, those found in the prefix cache."""
    generation_tokens_total: float
    kv_used_ratio: float
    """Share of the KV blocks in use; says nothing of sessions whose tool is running."""
    capacity_tokens: int | None
    """Tokens its KV memory holds; absent while the engine does not say."""


def parse(text: str) -> EngineMetrics:
    """Return what a metrics page says; raise `BackendError` if it is not one of vLLM's."""
    sums: dict[str, float] = {}
    config: Mapping[str, str] = {}
    for line in text.splitlines():
        found = _LINE.match(line)
        if found is None:
            continue
        name, labels, value = found.groups()
        try:
            sums[name] = sums.get(name, 0.0) + float(value)
        except ValueError as error:
            raise BackendError(f"not a metrics page: {line[:80]}") from error
        if name == "vllm:cache_config_info":
            config = dict(_LABEL.findall(labels or ""))
    if "vllm:num_requests_running" not in sums:
        raise BackendError("no vllm:num_requests_running on its metrics page; is it an engine?")
    return EngineMetrics(
        running=int(sums["vllm:num_requests_running"]),
        waiting=int(sums.get("vllm:num_requests_waiting", 0.0)),
        prompt_tokens_total=sums.get("vllm:prompt_tokens_total", 0.0),
        cached_tokens_total=sums.get("vllm:prefix_cache_hits_total", 0.0),
        generation_tokens_total=sums.get("vllm:generation_tokens_total", 0.0),
        kv_used_ratio=sums.get("vllm:kv_cache_usage_perc", sums.get("vllm:gpu_cache_usage_perc", 0.0)),
        capacity_tokens=_capacity(config),
    )


async def read_metrics(http: aiohttp.ClientSession, url: str) -> EngineMetrics:
    """Ask one engine; raise `BackendError` if it does not answer as an engine does."""
    try:
        async with http.get(f"{url}/metrics", timeout=aiohttp.ClientTimeout(total=HANG_SECONDS)) as answer:
            if answer.status != 200:
                raise BackendError(f"{url}/metrics answers {answer.status}")
            return parse(await answer.text())
    except (aiohttp.ClientError, TimeoutError, UnicodeDecodeError) as error:
        raise BackendError(f"{url} does not answer: {error or type(error).__name__}") from error


def _capacity(config: Mapping[str, str]) -> int | None:
    try:
        return int(config["block_size"]) * int(config["num_gpu_blocks"])
    except (KeyError, ValueError):
        return None
