"""What an engine counts and how it says it: the metrics of vLLM, by vLLM's names."""

from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, field

from wattline.world.engine import Engine

_SECONDS = (0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 20.0, 40.0, 80.0, 160.0, 640.0)  # fmt: skip
_BETWEEN_SECONDS = (0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5)
_WHOLE_SECONDS = (0.3, 0.5, 0.8, 1.0, 1.5, 2.0, 2.5, 5.0, 10.0, 15.0, 20.0, 30.0, 40.0, 50.0, 60.0, 120.0, 240.0, 480.0, 960.0)  # fmt: skip


class Histogram:
    """A Prometheus histogram without the registry."""

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def observe(self, value: float, *, times: int = 1) -> None:
        """Count a value."""
        self.counts[bisect_left(self.bounds, value)] += times
        self.sum += value * times

    def lines(self, name: str, labels: str) -> list[str]:
        """Return the sample lines."""
        out, total = [], 0
        for bound, counted in zip((*map(str, self.bounds), "+Inf"), self.counts, strict=True):
            total += counted
            out.append(f'{name}_bucket{{{labels},le="{bound}"}} {total}')
        return [*out, f"{name}_sum{{{labels}}} {self.sum:.9g}", f"{name}_count{{{labels}}} {total}"]


@dataclass(slots=True)
class Tally:
    """What the engine model does not count itself."""

    finished: Counter[str] = field(default_factory=Counter)
    aborted: int = 0
    first_token_seconds: Histogram = field(default_factory=lambda: Histogram(_SECONDS))
    between_tokens_seconds: Histogram = field(default_factory=lambda: Histogram(_BETWEEN_SECONDS))
    whole_seconds: Histogram = field(default_factory=lambda: Histogram(_WHOLE_SECONDS))


def exposition(model: str, engine: Engine, tally: Tally, *, block_tokens: int) -> str:
    """Return the text of ``/metrics``; times are world seconds."""
    labels = f'model_name="{model}",engine="0"'
    blocks = engine.capacity_tokens // block_tokens
    gauges = {
        "num_requests_running": engine.running,
        "num_requests_waiting": engine.waiting,
        "kv_cache_usage_perc": round(engine.kv_used_tokens / engine.capacity_tokens, 6),
    }
    counters = {
        "prompt_tokens": engine.prompt_tokens,
        "generation_tokens": engine.generation_tokens,
        "prefix_cache_queries": engine.prompt_tokens,
        "prefix_cache_hits": engine.cached_tokens,
        "num_preemptions": engine.preemptions,
    }
    histograms = {
        "time_to_first_token_seconds": tally.first_token_seconds,
        "inter_token_latency_seconds": tally.between_tokens_seconds,
        "e2e_request_latency_seconds": tally.whole_seconds,
    }
    lines: list[str] = []
    for name, value in gauges.items():
        lines += [f"# TYPE vllm:{name} gauge", f"vllm:{name}{{{labels}}} {value}"]
    for name, value in counters.items():
        lines += [f"# TYPE vllm:{name} counter", f"vllm:{name}_total{{{labels}}} {value}"]
    lines.append("# TYPE vllm:request_success counter")
    for reason, times in sorted((tally.finished | Counter(abort=tally.aborted)).items()):
        lines.append(f'vllm:request_success_total{{{labels},finished_reason="{reason}"}} {times}')
    for name, histogram in histograms.items():
        lines += [f"# TYPE vllm:{name} histogram", *histogram.lines(f"vllm:{name}", labels)]
    info = {
        "block_size": block_tokens,
        "enable_prefix_caching": True,
        "engine": 0,
        "num_gpu_blocks": blocks,
    }
    said = ",".join(f'{name}="{value}"' for name, value in info.items())
    lines += ["# TYPE vllm:cache_config_info gauge", f"vllm:cache_config_info{{{said}}} 1"]
    return "\n".join(lines) + "\n"
