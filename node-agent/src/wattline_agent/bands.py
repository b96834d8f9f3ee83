"""The margins and rates of the thermal loop, as settings. Standard library only."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Bands:
    """Margins in degrees and rates; the numbers are ours: no public figure gives a control law on margins."""

    hold_celsius: float = 10.0
    """Below this margin nothing is loosened."""
    tighten_celsius: float = 6.0
    """Below this the clock bound falls step by step."""
    emergency_celsius: float = 2.0
    """Below this the clock goes to the slowest, the limit to the least, at once; slowdown itself is at 0 to -2."""
    fall_ratio: float = 0.05
    """Step downwards, as a share of the fastest clock."""
    fall_seconds: float = 1.0
    """Dwell between steps downwards: a clock takes up to a second to settle."""
    rise_ratio: float = 0.025
    """Step upwards."""
    rise_seconds: float = 5.0
    """Dwell before a step upwards: slower than the heat sink's answer."""
    predict: bool = True
    """Whether the margin ten seconds ahead counts too, where it can be told."""

    def problems(self) -> tuple[str, ...]:
        """Return what contradicts itself, a sentence each."""
        found: list[str] = []
        if self.tighten_celsius > self.hold_celsius:
            found.append(
                f"heat.hold_celsius ({self.hold_celsius:g}) is below heat.tighten_celsius "
                f"({self.tighten_celsius:g}): what is tightened would be loosened at once"
            )
        if self.emergency_celsius > self.tighten_celsius:
            found.append(
                f"heat.tighten_celsius ({self.tighten_celsius:g}) is below heat.emergency_celsius "
                f"({self.emergency_celsius:g}): nothing would be tightened before the emergency"
            )
        if not 0 < self.fall_ratio <= 1 or not 0 < self.rise_ratio <= 1:
            found.append("heat.fall_ratio and heat.rise_ratio are shares: above 0, at most 1")
        elif self.rise_ratio / self.rise_seconds > self.fall_ratio / self.fall_seconds:
            found.append(
                "heat: rises faster than it falls (rise_ratio / rise_seconds above fall_ratio / fall_seconds)"
            )
        return tuple(found)
