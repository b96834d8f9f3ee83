"""The clock bound that follows from a group's watts: the limit is a fence, the clock the regulator.

A GPU that stands at its power limit most of the time has a clock that wanders as the driver likes. The clock the
driver settled at there is the fastest that fits the watts, so it becomes the group's bound; nothing has to be
predicted. The bound rises again as far as the draw, by the steepest curve there is, would fit.
"""

from collections.abc import Sequence
from typing import NamedTuple

from wattline.model.gpu import EventReason, GpuReading

MEMORY_SECONDS = 10.0
"""Ours: the time constant over which standing at the limit is judged; longer than a prefill burst."""

MOSTLY_RATIO = 0.8
"""Ours: above this share of time at the limit the clock takes over."""

SEEN_RATIO = 0.5
"""Ours: what is remembered when the bound was set, so that its effect is seen before it is set again."""

STEEPNESS = 2.6
"""Exponent of watts over clock: the steepest part of the Perseus A100 forward sweep, its idle draw taken off."""

FIT_RATIO = 0.97
"""Ours: the draw predicted at a faster clock must stay this far below the limit."""

NEAR_LIMIT_RATIO = 0.9
"""Ours: the power-cap event counts only this near to the limit; alone it also means peak current (B200 note)."""


class CeilingState(NamedTuple):
    """The bound, and how much of the recent time the group stood at its limit."""

    top_mhz: int | None = None
    limited_ratio: float = 0.0
    at_seconds: float | None = None


def limited(reading: GpuReading) -> bool:
    """Whether the power limit holds a GPU back."""
    near = NEAR_LIMIT_RATIO * reading.limit_watts
    if reading.watts < near and reading.instant_watts < near:
        return False
    return EventReason.SW_POWER_CAP in reading.reasons


def step(
    state: CeilingState,
    clocks_mhz: tuple[int, ...],
    at_seconds: float,
    members: Sequence[tuple[int, float, bool]],
) -> CeilingState:
    """Return the bound after one look at the members: clock, draw as a share of the limit, and if it binds."""
    if not clocks_mhz or not members:
        return CeilingState(at_seconds=at_seconds)
    elapsed = 0.0 if state.at_seconds is None else max(0.0, at_seconds - state.at_seconds)
    weight = min(1.0, elapsed / MEMORY_SECONDS)
    now = 0.0
    for _, _, bound in members:
        if bound:
            now = 1.0
    ratio = state.limited_ratio + weight * (now - state.limited_ratio)
    if ratio > MOSTLY_RATIO and now:
        settled = min(mhz for mhz, _, bound in members if bound)
        top = next((mhz for mhz in clocks_mhz if mhz >= settled), clocks_mhz[-1])
        return CeilingState(min(top, state.top_mhz or top), SEEN_RATIO, at_seconds)
    if state.top_mhz is None or now:
        return CeilingState(state.top_mhz, ratio, at_seconds)
    draw = max(share for _, share, _ in members)
    fits = [mhz for mhz in clocks_mhz if mhz > state.top_mhz and _draw(draw, state.top_mhz, mhz) <= FIT_RATIO]
    top = max(fits, default=state.top_mhz)
    return CeilingState(None if top >= clocks_mhz[-1] else top, ratio, at_seconds)


def _draw(share: float, from_mhz: int, to_mhz: int) -> float:
    """Return the greatest share of the limit that another clock may take."""
    return float(share * (to_mhz / from_mhz) ** STEEPNESS)
