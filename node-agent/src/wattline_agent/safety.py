"""The 200 ms thermal loop of one GPU: four bands on the margin to the device's own slowdown. Pure, tightens fast.

Judged is the smaller of two margins: that of now, and that of ten seconds ahead where the device's own thermal response
is known well enough to say (``thermal``). So a prediction tightens earlier and never loosens. An emergency is declared
by the margin of now alone: it costs the GPU nearly all its work, and ten seconds are enough to step down.

Hardware events (power brake, hardware slowdown) mean a fault of facility or cooling: they are reported and not tuned
against.
"""

from dataclasses import dataclass, replace
from enum import StrEnum

from wattline.model.gpu import GpuReading
from wattline_agent.bands import Bands

UNKNOWN_SLOWDOWN_CELSIUS = 85.0
"""Ours: taken where a device tells neither a margin nor a threshold, two degrees below the 87 °C that captures of H100
and H200 have at margin zero."""


class Band(StrEnum):
    """Where a GPU's temperature stands."""

    RELEASE = "release"
    HOLD = "hold"
    TIGHTEN = "tighten"
    EMERGENCY = "emergency"


@dataclass(frozen=True, slots=True)
class Heat:
    """What the thermal loop allows one GPU."""

    clock_ratio: float = 1.0
    """Share of the fastest clock that is allowed."""
    emergency: bool = False
    """Whether the limit goes to the device's least."""
    band: Band = Band.RELEASE
    moved_at_seconds: float = float("-inf")

    def clock_top_mhz(self, clocks_mhz: tuple[int, ...]) -> int | None:
        """Return the fastest clock allowed; none while heat binds nothing."""
        if not clocks_mhz or self.clock_ratio >= 1:
            return None
        allowed = [mhz for mhz in clocks_mhz if mhz <= self.clock_ratio * clocks_mhz[-1]]
        return allowed[-1] if allowed else clocks_mhz[0]


def margin_celsius(reading: GpuReading, slowdown_celsius: float | None) -> float:
    """Return the degrees left before the device slows itself down: as it says, else up to its threshold."""
    if reading.margin_celsius is not None:
        return reading.margin_celsius
    return (UNKNOWN_SLOWDOWN_CELSIUS if slowdown_celsius is None else slowdown_celsius) - reading.celsius


def step(bands: Bands, heat: Heat, at_seconds: float, margin: float, rise_celsius: float = 0.0) -> Heat:
    """Return what is allowed after one reading: the margin it shows, and how far it will fall in ten seconds.

    A negative rise counts as none, so that what is foreseen loosens nothing.
    """
    since = at_seconds - heat.moved_at_seconds
    if margin < bands.emergency_celsius:
        moved = heat.moved_at_seconds if heat.emergency and heat.clock_ratio <= 0 else at_seconds
        return Heat(0.0, emergency=True, band=Band.EMERGENCY, moved_at_seconds=moved)
    least = margin - max(0.0, rise_celsius)
    if least < bands.tighten_celsius:
        if since < bands.fall_seconds or heat.clock_ratio <= 0:
            return replace(heat, band=Band.TIGHTEN)
        fall = bands.fall_ratio * (2 if least < bands.emergency_celsius else 1)
        return Heat(max(0.0, heat.clock_ratio - fall), heat.emergency, Band.TIGHTEN, at_seconds)
    if least < bands.hold_celsius:
        return replace(heat, band=Band.HOLD)
    if heat.clock_ratio >= 1 or since < bands.rise_seconds:
        return replace(heat, band=Band.RELEASE)
    base = heat.clock_ratio if heat.clock_ratio > 0 else 0.5
    return Heat(
        min(1.0, base + bands.rise_ratio), emergency=False, band=Band.RELEASE, moved_at_seconds=at_seconds
    )
