"""What each lever saves of a query's energy at the node, alone and together."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import log

from bench.papers.energy_per_query.montecarlo import LONG_TOKENS, SHORT_TOKENS
from bench.papers.energy_per_query.node import Choice, idle_watts, served
from bench.papers.study import varied

MEAN_TOKENS = SHORT_TOKENS / log(2.0)
BASE = Choice()
PACKED_SHARE = 0.9
MODEL, SERVING, HARDWARE, CLOCK = "model", "serving", "hardware", "clock"


@dataclass(frozen=True, slots=True)
class Lever:
    """One change of the base."""

    kind: str
    says: str
    change: Mapping[str, object]
    idle_rest: bool = False
    """Whether the nodes that are freed stay on and idle; else they are used for something else."""


LEVERS: Mapping[str, Lever] = {
    "batch": Lever(SERVING, "replicas filled to what memory and 20 tok/s allow, the others given away", {"share": 1.0}),
    "placement": Lever(
        SERVING, "the same load on as few nodes as hold it at 0.9, the others on and idle", {"share": PACKED_SHARE}, idle_rest=True
    ),
    "caching": Lever(SERVING, "0.6 of each prompt found in the cache", {"cached_ratio": 0.6}),
    "clock": Lever(CLOCK, "the clock at which a token costs the node least and 20 tok/s are kept", {"clock": "knee"}),
    "quantised": Lever(MODEL, "weights of 4 bits", {"weight_bits": 4.0}),
    "smaller": Lever(MODEL, "70B in 16 bits instead of 405B", {"small": True}),
    "product": Lever(HARDWARE, "H200 instead of H100", {"product": "h200"}),
}  # fmt: skip
TOGETHER = {
    "share": 1.0, "cached_ratio": 0.6, "clock": "knee", "weight_bits": 4.0, "small": True, "product": "h200"
}  # fmt: skip


def watt_hours(choice: Choice, tokens: float = MEAN_TOKENS) -> float:
    """Return what a query costs at the node, without the building."""
    now = served(choice, tokens)
    return now.watts / now.tokens_per_second * tokens / 3600


def saved(lever: Lever, base: Choice = BASE) -> float:
    """Return how many times less a query costs with a lever."""
    choice = varied(base, lever.change)
    if not lever.idle_rest:
        return watt_hours(base) / watt_hours(choice)
    spread, packed = served(base, MEAN_TOKENS), served(choice, MEAN_TOKENS)
    nodes = min(1.0, spread.tokens_per_second / packed.tokens_per_second)
    return spread.watts / (nodes * packed.watts + (1 - nodes) * idle_watts(base))


def best(kind: str, base: Choice = BASE) -> float:
    """Return the largest saving of a kind of lever."""
    return max(saved(lever, base) for lever in LEVERS.values() if lever.kind == kind)


def together(base: Choice = BASE) -> float:
    """Return how many times less a query costs with all levers."""
    return watt_hours(base) / watt_hours(varied(base, TOGETHER))


def without_smaller(base: Choice = BASE) -> float:
    """Return the same with the large model kept."""
    kept = {name: value for name, value in TOGETHER.items() if name != "small"}
    return watt_hours(base) / watt_hours(varied(base, kept))


def growth(base: Choice = BASE, long_ratio: float = 0.1) -> float:
    """Return how many times more a mean query costs where some are long and share nodes with the others."""
    tokens = (1 - long_ratio) * MEAN_TOKENS + long_ratio * LONG_TOKENS / log(2.0)
    return watt_hours(base, tokens) / watt_hours(base)
