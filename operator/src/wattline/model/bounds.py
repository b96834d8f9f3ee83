"""What a power limit promises: the most a GPU may draw under it.

A device overshoots its limit a little and does not honour one below its floor, so a limit L bounds the draw by
``max(L × (1 + ε), floor)``. Loops hand out bounds, devices take limits; this is the only place that converts.
"""

from dataclasses import dataclass
from functools import cache


@dataclass(frozen=True, slots=True)
class Honour:
    """How well a product honours its power limit."""

    overshoot_ratio: float
    """ε: how far the 1 s average may stand above the limit."""

    floor_watts: float
    """Draw that no limit takes the product below."""

    source: str
    """Where the numbers are from."""


UNKNOWN = Honour(0.05, 0.0, "ours: no measurement; a wide margin for a product we do not know")
"""Used for products that are not in the table."""

PRODUCTS: tuple[tuple[str, Honour], ...] = (
    ("H100 NVL", Honour(0.02, 100.0, "ours: idles at ~50 W (KAIROS, arXiv 2604.16682), light load + ~50 W")),
    ("H100", Honour(0.02, 150.0, "ours: captures idle at 101 W, least limit 200 W; light load + ~50 W")),
    (
        "H200",
        Honour(0.02, 150.0, "ours: captures idle at 76 to 122 W, least limit 200 W; light load + ~30 W"),
    ),
    ("A100", Honour(0.02, 100.0, "ours: idles at 56 to 63 W (three captures), light load + ~40 W")),
)
"""Part of the product's name as NVML spells it, first match wins."""


@cache
def honour(product: str) -> Honour:
    """Return how well a product honours its limit, with wide margins for one that is not known."""
    return next((known for part, known in PRODUCTS if _words(part) in _words(product)), UNKNOWN)


def bound_watts(product: str, limit_watts: float | None, max_watts: float) -> float:
    """Return the most a GPU may draw under a limit; under its greatest limit when the limit is not known."""
    known = honour(product)
    limit = max_watts if limit_watts is None else limit_watts
    return max(limit * (1 + known.overshoot_ratio), known.floor_watts)


def limit_for(product: str, bound: float) -> float:
    """Return the greatest limit whose bound is at most ``bound`` watts.

    Below the product's floor no limit can promise that; the limit returned is then still the right one to ask
    for, and its bound is the floor.
    """
    return bound / (1 + honour(product).overshoot_ratio)


def _words(name: str) -> str:
    return f" {name.upper().replace('-', ' ').replace('_', ' ')} "
