"""What a group would draw if its limit let it.

A prediction learned under a limit cannot see past it: the draw that was measured is the limit. A group that stands at
its limit therefore wants all it can use, and goes on wanting it for a while after, so that its watts do not swing with
every burst; its neighbours' unused watts pay for it.
"""

from math import inf
from typing import NamedTuple

HOLD_SECONDS = 10.0
"""Ours: longer than the pauses between the prompts of a busy replica; 5 s and 20 s do the same within noise."""


class WantState(NamedTuple):
    """When the group last stood at its limit."""

    limited_at_seconds: float = -inf


def step(
    state: WantState, at_seconds: float, predicted_watts: float, *, limited: bool
) -> tuple[WantState, float]:
    """Return the state and the watts wanted; infinite for all the group can use."""
    if limited:
        return WantState(at_seconds), inf
    if at_seconds - state.limited_at_seconds <= HOLD_SECONDS:
        return state, inf
    return state, predicted_watts
