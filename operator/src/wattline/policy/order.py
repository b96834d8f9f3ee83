"""Whose turn starts first where turns wait for memory: class, then weight, and nobody for ever.

A turn waits as if it had come a little later or earlier than it did, by its workflow's class and weight. So greater
weights go first inside a class and higher classes before lower ones, and yet every turn that came two minutes after
another starts behind it: no class, weight or crowd can hold a turn back for longer. The seconds are ours: their sum
stays below the 120 s after which a first turn is refused, so that lower classes wait, yet start.
"""

from dataclasses import dataclass

from wattline.api.base import PowerClass

CLASS_SECONDS = {PowerClass.PROTECTED: -30.0, PowerClass.STANDARD: 0.0, PowerClass.BEST_EFFORT: 30.0}
"""How much later than a Standard turn one of a class seems to come."""

WEIGHT_SECONDS = 10.0
"""How much later one of weight 1 seems to come than one of very great weight; less weight doubles it at most."""

SLOWED_SECONDS = 30.0
"""How much later the turn of a run that used up its budget seems to come, behind all classes."""


@dataclass(frozen=True, slots=True)
class OrderSeen:
    """What a turn's order follows from."""

    power_class: PowerClass = PowerClass.STANDARD
    weight: float = 1.0
    slowed: bool = False
    """Its run used up its budget and is to let others go first."""


def behind_seconds(seen: OrderSeen) -> float:
    """Return by how much a turn seems to come later than one of class Standard and weight 1; negative: earlier."""
    weight = min(WEIGHT_SECONDS / seen.weight, 2 * WEIGHT_SECONDS) - WEIGHT_SECONDS
    slowed = CLASS_SECONDS[PowerClass.BEST_EFFORT] + SLOWED_SECONDS
    return (slowed if seen.slowed else CLASS_SECONDS[seen.power_class]) + weight
