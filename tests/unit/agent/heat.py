"""One GPU of the world under the thermal loop alone, at full work unless heat says otherwise."""

from collections.abc import Callable
from dataclasses import dataclass, field

from wattline.fake.nvml import Twin
from wattline.model.gpu import EventReason
from wattline.world.gpu import PRODUCTS, Gpu, Product
from wattline.world.load import compute_bound
from wattline_agent import thermal
from wattline_agent.bands import Bands
from wattline_agent.safety import Band, Heat, margin_celsius, step

SLOWED = EventReason.SW_THERMAL | EventReason.HW_THERMAL | EventReason.HW_SLOWDOWN
LESSONS_SECONDS = 300
"""Time in which changing loads teach the fit, before what is measured begins."""
SECONDS = 300
IDLE_SECONDS = 120.0


def idle_then_full(product: Product = PRODUCTS["h100"]) -> Callable[[float], float]:
    """Return a load that begins all at once, two minutes after the lessons."""
    return lambda seconds: 20.0 if seconds < IDLE_SECONDS else product.max_watts


@dataclass
class Outcome:
    """What became of the GPU after the lessons."""

    peak_celsius: float = 0.0
    slowed_seconds: float = 0.0
    """Time in which the device slowed itself down for heat."""
    emergency_seconds: float = 0.0
    falls_seconds: list[float] = field(default_factory=list)
    """When the clock bound fell."""
    mean_mhz: float = 0.0
    trusted_ratio: float = 0.0
    error_celsius: float = 0.0
    """Of the fit, at the end."""
    trace: list[tuple[float, int]] = field(default_factory=list)
    """Degrees and MHz at every pass."""


def play(
    watts: Callable[[float], float],
    inlet_celsius: Callable[[float], float],
    *,
    predict: bool,
    product: Product = PRODUCTS["h100"],
    bands: Bands | None = None,
) -> Outcome:
    """Let the loop run for five minutes of lessons and five of ``watts`` and ``inlet_celsius`` over time."""
    bands = Bands() if bands is None else bands
    gpu = Gpu(product, "G0", inlet_celsius=inlet_celsius(0.0))
    now = 0.0
    device = Twin([gpu], lambda: now)
    device.open()
    fit, heat, out = thermal.Fit(), Heat(), Outcome()
    ticks = 5 * (LESSONS_SECONDS + SECONDS)
    for tick in range(ticks):
        now = tick / 5
        since = now - LESSONS_SECONDS
        gpu.set_inlet(inlet_celsius(max(0.0, since)))
        lesson = (0.2, 0.65, 0.4, 0.85)[tick // 75 % 4] * product.max_watts
        gpu.advance(now, compute_bound(lesson if since < 0 else watts(since)))
        reading = device.read("G0")
        fit = thermal.step(fit, reading)
        rise = fit.rise_celsius(reading.watts) if predict and fit.trusted else 0.0
        before = heat
        heat = step(bands, heat, now, margin_celsius(reading, product.slowdown_celsius), rise)
        if heat.clock_ratio != before.clock_ratio:
            device.lock_clock("G0", heat.clock_top_mhz(product.clocks_mhz))
        if heat.emergency != before.emergency:
            device.set_limit("G0", product.min_watts if heat.emergency else product.max_watts)
        if since >= 0:
            if heat.clock_ratio < before.clock_ratio:
                out.falls_seconds.append(since)
            out.trace.append((gpu.celsius, gpu.clock_mhz))
            out.peak_celsius = max(out.peak_celsius, gpu.celsius)
            out.slowed_seconds += 0.2 * bool(gpu.reasons & SLOWED)
            out.emergency_seconds += 0.2 * (heat.band is Band.EMERGENCY)
            out.mean_mhz += gpu.clock_mhz / (5 * SECONDS)
            out.trusted_ratio += fit.trusted / (5 * SECONDS)
    out.error_celsius = fit.error_celsius
    return out
