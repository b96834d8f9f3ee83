"""What of SAGA's method is on: the paper's ladder, and the whole less one part."""

from dataclasses import dataclass, replace

from wattline.policy.retain import Mode, RetainSpec


@dataclass(frozen=True)
class Rules:
    """What of the method is on."""

    retain: RetainSpec
    shares_openings: bool = True
    knows_ends: bool = True
    holds: bool = False
    affinity: bool = True
    leaves_above: float | None = None
    """Load of its home above which a session goes elsewhere (theta); none: it never does."""
    steals: bool = False
    fair: bool = False
    admits: bool = False
    """New tasks wait while memory has no room for what the present ones will grow to (KAIROS, ours)."""
    learns: bool = True
    """Whether the curves of tool times follow what is seen; else they stay the table's."""


LADDER = {
    "LRU": Rules(RetainSpec(mode=Mode.LRU, whole=True), shares_openings=False, knows_ends=False),
    "prefix-LRU": Rules(RetainSpec(mode=Mode.LRU), knows_ends=False),
    "WA-LRU": Rules(RetainSpec(mode=Mode.WORKFLOW)),
    "TTL": Rules(RetainSpec(mode=Mode.WORKFLOW), holds=True),
    "full": Rules(RetainSpec(mode=Mode.NEXT_USE), holds=True, leaves_above=0.8, steals=True, fair=True),
    "full, admission": Rules(
        RetainSpec(mode=Mode.NEXT_USE), holds=True, leaves_above=0.8, steals=True, fair=True, admits=True
    ),
}
ABLATIONS = {
    "no affinity": Rules(RetainSpec(mode=Mode.NEXT_USE), holds=True, affinity=False, steals=True, fair=True),
    "LRU for next use": Rules(RetainSpec(mode=Mode.LRU), holds=True, leaves_above=0.8, steals=True, fair=True),
    "paper's WA-LRU for next use": Rules(RetainSpec(mode=Mode.WORKFLOW), holds=True, leaves_above=0.8, steals=True, fair=True),
    "no holds": Rules(RetainSpec(mode=Mode.NEXT_USE), leaves_above=0.8, steals=True, fair=True),
    "no stealing": Rules(RetainSpec(mode=Mode.NEXT_USE), holds=True, leaves_above=0.8, fair=True),
    "no fair turns": Rules(RetainSpec(mode=Mode.NEXT_USE), holds=True, leaves_above=0.8, steals=True),
}  # fmt: skip
UNLEARNT = "full, curves of the table"
PROBES = {UNLEARNT: replace(LADDER["full"], learns=False)}
"""What a reason is tested with."""
