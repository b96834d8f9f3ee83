"""The node's budget: the tightest of all sources that are valid, each with an expiry of its own. Pure.

Only the least counts, so a source that says too much, or nothing that makes sense, cannot loosen another. The GPUs'
own bounds (heat, devices' ranges) lie below this one and tighten it further.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from math import isnan


class Kind(StrEnum):
    """Who says what the node may draw."""

    ORDER = "Order"
    """Policy: the share that the operator gave the node. It bounds after its lease too; it only permits no raise then."""
    FAILSAFE = "Failsafe"
    """What holds once the lease has ended."""
    EMERGENCY = "Emergency"
    """A level that was armed in the order and that a signal has begun."""


@dataclass(frozen=True, slots=True)
class Source:
    """One bound on what the node's GPUs may draw together."""

    kind: Kind
    watts: float
    name: str = ""
    """Which of its kind; empty where there is one only."""
    until_seconds: float | None = None
    """World time at which it ends; none while nothing ends it."""

    def valid(self, now_seconds: float) -> bool:
        """Whether it counts now; one whose watts are no number says nothing."""
        return not isnan(self.watts) and (self.until_seconds is None or now_seconds < self.until_seconds)


NOTHING = Source(Kind.FAILSAFE, 0.0, "no source is valid")
"""What counts when nothing does: silence permits nothing."""


def tightest(sources: Iterable[Source], now_seconds: float) -> Source:
    """Return the valid source with the least watts, the first of equals; negative watts count as none at all."""
    valid = [source for source in sources if source.valid(now_seconds)]
    return min(valid, key=lambda source: max(0.0, source.watts), default=NOTHING)
