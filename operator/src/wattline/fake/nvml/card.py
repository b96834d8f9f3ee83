"""What stands about one fake GPU while the machine is up."""

from dataclasses import dataclass

from wattline.world.products import Product

MEMORY_MHZ = {"h100": 2619, "h100-nvl": 2619, "h200": 3201, "a100": 1593}
"""The one memory clock of each product; H200 from a capture, the others from data sheets' bandwidth."""

HAS_MARGIN = frozenset({"h100", "h100-nvl", "h200"})
"""Products whose driver tells thermal margins; older ones have absolute thresholds only."""

INFERENCE_PROFILE = 6
B200_PROFILES = frozenset({0, 1, 4, 5, INFERENCE_PROFILE, 7, 13})
"""Workload power profiles that a B200 offers: MAX_P, MAX_Q, NETWORK, BALANCED, LLM_INFERENCE, LLM_TRAINING, HPC [R: one
public note on one chassis, driver 595]."""

SHUTDOWN_OFFSET_CELSIUS = -8  # as captures of H100 and H200 have it, from the reference temperature


@dataclass(frozen=True, slots=True)
class Card:
    """One GPU's identity."""

    uuid: str
    name: str
    product: str
    min_watts: float
    max_watts: float
    default_watts: float
    clocks_mhz: tuple[int, ...]
    """Supported graphics clocks, slowest first."""
    memory_mhz: int
    lock_clamp_mhz: int | None
    """Locks above it silently become it."""
    reference_celsius: int
    slowdown_offset_celsius: int
    shutdown_offset_celsius: int
    has_margin: bool
    profiles: frozenset[int] = frozenset()
    """Workload power profiles it offers; none of the world's products has any, as none is modelled."""
    smooths: bool = False
    """Whether it has power smoothing; as above."""

    @classmethod
    def of(cls, product: Product, uuid: str) -> "Card":
        """Return the identity of a GPU of the world."""
        reference = round(product.slowdown_celsius)
        return cls(
            uuid=uuid,
            name=product.device_name,
            product=product.name,
            min_watts=product.min_watts,
            max_watts=product.max_watts,
            default_watts=product.max_watts,
            clocks_mhz=product.clocks_mhz,
            memory_mhz=MEMORY_MHZ[product.name],
            lock_clamp_mhz=product.lock_ceiling_mhz if product.lock_ceiling_mhz < product.max_mhz else None,
            reference_celsius=reference,
            slowdown_offset_celsius=reference - round(product.hardware_slowdown_celsius),
            shutdown_offset_celsius=SHUTDOWN_OFFSET_CELSIUS,
            has_margin=product.name in HAS_MARGIN,
        )


@dataclass(frozen=True, slots=True)
class Sensors:
    """What the world says of one GPU at one moment; by default a GPU that was just switched on."""

    watts: float = 0.0
    instant_watts: float = 0.0
    energy_joules: float = 0.0
    clock_mhz: int = 0
    busy_ratio: float = 0.0
    celsius: float = 30.0
    memory_celsius: float | None = None
    margin_celsius: float | None = None
    reasons: int = 1
    power_cap_seconds: float = 0.0
    sw_thermal_seconds: float = 0.0
    hw_thermal_seconds: float = 0.0
    power_brake_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class DriverSettings:
    """What the driver holds of one GPU."""

    asked_watts: float
    limit_watts: float
    """In force: what was asked for, or what out-of-band management allows."""
    locked_mhz: tuple[int, int] | None
    persistence: bool
    profiles: frozenset[int] = frozenset()
    """Workload power profiles that are asked for."""
    smoothing: bool = False
    preset: int = 0
    """The active preset of power smoothing."""
    up_watts_per_second: float = 0.0
    """The active preset's ramp."""
    floor_percent: float = 0.0
    """The active preset's floor."""
