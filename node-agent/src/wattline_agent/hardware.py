"""What slows a GPU down without us: how long each reason held, and when the hardware itself last stepped in. Pure.

A power brake or a hardware slowdown is a fault of power supply or cooling. It is told to people and changes nothing
that the loops do: the hardware protects itself already, and tuning against it would hide the fault.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from wattline.model.gpu import EventReason, GpuReading
from wattline_agent.settings import DEFAULTS

WORDS = {
    EventReason.HW_POWER_BRAKE: "HwPowerBrake",
    EventReason.HW_THERMAL: "HwThermal",
    EventReason.HW_SLOWDOWN: "HwSlowdown",
}
"""What the hardware does by itself; the first that holds names it, as slowdown is set with either cause."""


@dataclass(frozen=True, slots=True)
class Events:
    """When each of them last held."""

    held_at: Mapping[EventReason, float] = field(default_factory=dict)

    def after(self, reading: GpuReading, held_seconds: Mapping[str, float]) -> "Events":
        """Return the same after a reading, and after what was counted between it and the one before."""
        now = {
            reason: reading.at_seconds
            for reason in WORDS
            if reason in reading.reasons or held_seconds.get(reason.name or "", 0.0) > 0
        }
        return Events({**self.held_at, **now}) if now else self

    def word(self, now: float, told_seconds: float = DEFAULTS.hardware_told_seconds) -> str:
        """Return what the hardware does now or did in the last ``told_seconds``; empty if nothing."""
        return next(
            (
                word
                for reason, word in WORDS.items()
                if now - self.held_at.get(reason, -told_seconds) < told_seconds
            ),
            "",
        )


def held_seconds(before: GpuReading | None, now: GpuReading, most_seconds: float) -> dict[str, float]:
    """Return how long each reason held between two readings, by its word.

    Where the device counts it the counter says it, also what came and went in between; else a reason that the first
    reading showed held all the time, but not for longer than ``most_seconds``.
    """
    if before is None:
        return {}
    passed = min(now.at_seconds - before.at_seconds, most_seconds)
    held = dict.fromkeys(before.reasons.words(), passed)
    were = dict(before.event_seconds)
    for reason, counted in now.event_seconds:
        was = were.get(reason)
        if was is not None:
            held[reason.name or ""] = max(0.0, counted - was)  # less: the driver was loaded again
    return {word: seconds for word, seconds in held.items() if seconds > 0}
