"""The 200 ms thermal loop of one GPU: four bands on the margin to the device's own slowdown. Pure, tightens fast.

Where a device offers no margin, degrees are counted from 87 °C, the reference of H100 and H200 (captures of their
T.Limit values). Hardware events (power brake, hardware slowdown) mean a fault of facility or cooling: they are
reported and not tuned against.
"""

from dataclasses import dataclass
from enum import StrEnum

from wattline.model.gpu import GpuReading
from wattline_agent.bands import Bands

REFERENCE_CELSIUS = 87.0


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


def margin_celsius(reading: GpuReading) -> float:
    """Return the degrees left before the device slows itself down."""
    return REFERENCE_CELSIUS - reading.celsius if reading.margin_celsius is None else reading.margin_celsius


def step(bands: Bands, heat: Heat, reading: GpuReading) -> Heat:
    """Return what is allowed after one reading."""
    now, margin = reading.at_seconds, margin_celsius(reading)
    since = now - heat.moved_at_seconds
    if margin < bands.emergency_celsius:
        moved = now if heat.clock_ratio > 0 or not heat.emergency else heat.moved_at_seconds
        return Heat(0.0, emergency=True, band=Band.EMERGENCY, moved_at_seconds=moved)
    if margin < bands.tighten_celsius:
        if since < bands.fall_seconds or heat.clock_ratio <= 0:
            return Heat(heat.clock_ratio, heat.emergency, Band.TIGHTEN, heat.moved_at_seconds)
        return Heat(max(0.0, heat.clock_ratio - bands.fall_ratio), heat.emergency, Band.TIGHTEN, now)
    if margin < bands.hold_celsius:
        return Heat(heat.clock_ratio, heat.emergency, Band.HOLD, heat.moved_at_seconds)
    if heat.clock_ratio >= 1 or since < bands.rise_seconds:
        return Heat(heat.clock_ratio, heat.emergency, Band.RELEASE, heat.moved_at_seconds)
    base = heat.clock_ratio if heat.clock_ratio > 0 else 0.5
    return Heat(min(1.0, base + bands.rise_ratio), emergency=False, band=Band.RELEASE, moved_at_seconds=now)
