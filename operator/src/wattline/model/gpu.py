"""What a GPU says of itself, in our units."""

from dataclasses import dataclass
from enum import IntFlag, StrEnum
from functools import lru_cache
from typing import NamedTuple


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
        return _words(int(self))


@lru_cache(maxsize=256)
def _words(bits: int) -> tuple[str, ...]:
    """Return the names of the reasons set in ``bits``; kept, as every reading of every GPU asks for them."""
    return tuple(reason.name for reason in EventReason if reason & bits and reason.name is not None)


class Tuned(StrEnum):
    """What became of asking a device to tune itself to LLM inference."""

    OFF = "off"
    """Nobody asks for it."""
    ON = "on"
    """Asked for and in force."""
    OVERRULED = "overruled"
    """Asked for, but the device follows something else that was asked of it."""
    EXCLUDED = "excluded"
    """Not asked for, and something that others asked for cannot go with it."""


@dataclass(frozen=True, slots=True)
class Ramp:
    """How fast a device lets its own power rise, and the floor it holds."""

    on: bool
    preset: int
    """Which of the device's presets is active; the rates are its."""
    up_watts_per_second: float
    floor_percent: float
    """Least power, as a share of the device's greatest, that it burns on purpose so as not to fall too fast."""


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
    tunes: bool = False
    """Whether it can tune itself to LLM inference (NVIDIA: workload power profiles, B200 and later)."""
    ramps: bool = False
    """Whether it can smooth its own power (NVIDIA: power smoothing, Blackwell and later)."""


class GpuReading(NamedTuple):
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
    event_seconds: tuple[tuple[EventReason, float], ...] = ()
    """How long each reason held since the driver was loaded, for those that the device itself counts."""
    tuned: Tuned | None = None
    """Absent where the device cannot tune itself."""
    ramp: Ramp | None = None
    """Absent where the device does not smooth its own power, or does not tell."""
    parts: tuple[str, ...] = ()
    """UUIDs of the parts it is divided into now (MIG); clock and power are the whole's."""
