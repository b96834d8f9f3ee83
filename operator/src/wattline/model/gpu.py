"""What a GPU says of itself, in our units."""

from dataclasses import dataclass
from enum import IntFlag


class EventReason(IntFlag):
    """Why the clock is not the fastest; bits of ``nvmlDeviceGetCurrentClocksEventReasons`` (nvml.h)."""

    IDLE = 0x1
    APPLICATION_CLOCKS = 0x2
    SW_POWER_CAP = 0x4
    HW_SLOWDOWN = 0x8
    SYNC_BOOST = 0x10
    SW_THERMAL = 0x20
    HW_THERMAL = 0x40
    HW_POWER_BRAKE = 0x80
    DISPLAY_CLOCK = 0x100

    def words(self) -> tuple[str, ...]:
        """Return the names of the reasons that are set."""
        return tuple(reason.name for reason in EventReason if reason in self and reason.name is not None)


@dataclass(frozen=True, slots=True)
class GpuIdentity:
    """What does not change while a driver is loaded."""

    uuid: str
    product: str
    min_watts: float
    max_watts: float
    default_watts: float
    clocks_mhz: tuple[int, ...]
    """Supported graphics clocks, slowest first."""
    index: int = 0
    """Its place in the driver's list; may be another one after a reset."""
    slowdown_celsius: float | None = None
    """Temperature above which the device slows itself down, by its own threshold; none where it does not say."""


@dataclass(frozen=True, slots=True)
class GpuReading:
    """One reading of one GPU."""

    at_seconds: float
    watts: float
    """Average of the last second."""
    instant_watts: float
    energy_joules: float
    limit_watts: float
    """Enforced power limit; out-of-band management may hold it below what was asked for."""
    clock_mhz: int
    celsius: float
    margin_celsius: float | None
    reasons: EventReason
    persistence: bool
    asked_watts: float | None = None
    """Power limit as anybody last set it in the driver; absent where a device knows only what it enforces."""
