"""One GPU: its clock under lock, limit and heat, its power, its energy and its readings. No I/O, no clock of its own."""

from wattline.model.gpu import EventReason
from wattline.world.curve import PERSEUS, PowerShape
from wattline.world.load import Load
from wattline.world.meter import GRID_SECONDS, Meter
from wattline.world.power import Draw, PowerModel
from wattline.world.products import PRODUCTS, Product
from wattline.world.thermal import Thermal

__all__ = ["PRODUCTS", "Gpu", "Product"]

SETTLE_SECONDS = 1.0
"""A change over the whole range of clocks or limits takes this long, a smaller one less in proportion."""
_SETTLE_STEP_SECONDS = 0.1
_STEP_SECONDS = 1.0
_LONGEST_STEP_SECONDS = 60.0
_THERMAL_MHZ_PER_SECOND = 120.0
_THERMAL_RELEASE_CELSIUS = 2.0
_IDLE, _FREE, _CAPPED = EventReason.IDLE, EventReason(0), EventReason.SW_POWER_CAP


class Gpu:
    """One GPU as its driver and its board make it behave.

    Settings are requests that take effect within a second; readings are on the driver's grid; ``advance`` is the
    only way time passes.
    """

    def __init__(
        self,
        product: Product,
        uuid: str,
        *,
        shape: PowerShape = PERSEUS,
        inlet_celsius: float = 25.0,
        at_seconds: float = 0.0,
        sampled_seconds: float = GRID_SECONDS,
    ) -> None:
        self.product = product
        self.uuid = uuid
        self.shape = shape
        self.now_seconds = at_seconds
        self.locked_mhz: tuple[int, int] | None = None
        """Lowest and highest clock of the lock as asked for; none where reset."""
        self.limit_watts = product.max_watts
        self.reasons = EventReason.IDLE
        self.clock_mhz = product.min_mhz
        self.settling = False
        """Whether a setting has not fully taken effect yet."""
        self.throttled_seconds = 0.0
        """Time spent with the clock lowered by heat."""
        self.changes = 0
        """How often a setting was changed."""
        self._power = PowerModel(product, shape)
        self._thermal = Thermal(product.stages, inlet_celsius, product.idle_watts)
        self._meter = Meter(at_seconds, product.idle_watts, sampled_seconds=sampled_seconds)
        self._ceiling_mhz = float(product.max_mhz)
        self._limit_in_force = product.max_watts
        self._heat_mhz = float(product.max_mhz)
        self._hardware_slowdown = False
        self._release_celsius = product.slowdown_celsius - _THERMAL_RELEASE_CELSIUS
        """Below, heat lets the clock rise again."""
        self._warm = False
        """Whether heat still lowers the clock."""
        self._index = -1
        """Fastest supported clock now; below zero where it is to be found anew."""
        self._draw: Draw | None = None
        self._draw_of: Load | None = None
        self.celsius = self._thermal.celsius
        """Temperature of the die."""

    # Settings, as a driver keeps them.

    def lock_clocks(self, min_mhz: int, max_mhz: int) -> None:
        """Hold the clock between two values; what the product cannot hold is clamped in silence, as the device does."""
        self.locked_mhz = (min_mhz, max_mhz)
        self._changed()

    def reset_clocks(self) -> None:
        """Let the clock go as high as it can."""
        self.locked_mhz = None
        self._changed()

    def set_limit(self, watts: float) -> None:
        """Set the power limit, within the product's range."""
        self.limit_watts = min(max(watts, self.product.min_watts), self.product.max_watts)
        self._changed()

    def set_inlet(self, celsius: float) -> None:
        """Change the temperature of the air that comes in."""
        self._thermal.inlet_celsius = celsius
        self.celsius = self._thermal.celsius
        self.changes += 1

    # Physics.

    def step_seconds_for(self, load: Load) -> float:
        """Return how long a step of ``load`` takes now."""
        return self._power.step_seconds(load, self._state_for(load))

    def watts_for(self, load: Load, clock_mhz: int | None = None) -> float:
        """Return the power that ``load`` draws at a clock (by default as it runs now) at the present temperature."""
        if clock_mhz is None:
            return self._state_for(load).watts
        return self._power.watts(load, self._power.index_of(clock_mhz), self.celsius)

    def advance(self, until_seconds: float, load: Load) -> None:
        """Let time pass until ``until_seconds`` under a constant ``load``."""
        longest = _STEP_SECONDS
        while self.now_seconds < until_seconds:
            step = until_seconds - self.now_seconds
            if self.settling:
                step = min(step, _SETTLE_STEP_SECONDS)
                self._settle(step)
            elif step > longest:
                step = longest
                longest = min(longest * 1.5, _LONGEST_STEP_SECONDS) if not load.busy else _STEP_SECONDS
            self._pass(step, load, until_seconds)

    def _pass(self, step: float, load: Load, until_seconds: float) -> None:
        draw = self._draw
        if draw is None or self._draw_of is not load:
            draw = self._state_for(load)
        end = self.now_seconds + step
        self.now_seconds = until_seconds if end > until_seconds - 1e-9 else end
        busy = load.busy
        if busy and (self._hardware_slowdown or self._heat_mhz < self._ceiling_mhz):
            self.reasons = self._reasons_in_heat(draw)
            self.throttled_seconds += step
        else:
            self.reasons = (_CAPPED if draw.limited else _FREE) if busy else _IDLE
        self.clock_mhz = self._power.clocks_mhz[draw.clock_index]
        self._meter.add(self.now_seconds, draw.watts)
        self._thermal.advance(step, draw.watts)
        self.celsius = self._thermal.celsius
        if self._warm or self.celsius >= self._release_celsius:
            self._heat(step)
        self._draw = None

    def _state_for(self, load: Load) -> Draw:
        draw = self._draw
        if draw is None or self._draw_of is not load:
            self._draw_of = load
            power, index = self._power, 0
            if load.busy:
                if self._index < 0:
                    self._index = self._fastest_index()
                index = self._index
            draw = self._draw = power.under(load, index, self._limit_in_force, self.celsius)
        return draw

    def _fastest_index(self) -> int:
        ceiling = min(self._ceiling_mhz, self._heat_mhz)
        if self._hardware_slowdown:
            ceiling = min(ceiling, self.product.max_mhz / 2)
        return self._power.index_of(ceiling)

    def _reasons_in_heat(self, draw: Draw) -> EventReason:
        reasons = _CAPPED if draw.limited else _FREE
        if self._heat_mhz < self._ceiling_mhz:
            reasons |= EventReason.SW_THERMAL
        if self._hardware_slowdown:
            reasons |= EventReason.HW_SLOWDOWN | EventReason.HW_THERMAL
        return reasons

    def _ceiling_target(self) -> float:
        product = self.product
        if self.locked_mhz is None:
            return float(product.max_mhz)
        return float(min(max(self.locked_mhz[1], product.min_mhz), product.lock_ceiling_mhz))

    def _changed(self) -> None:
        self.settling = (
            self._ceiling_mhz != self._ceiling_target() or self._limit_in_force != self.limit_watts
        )
        self.changes += 1
        self._draw = None
        self._index = -1

    def _settle(self, step: float) -> None:
        product = self.product
        share = step / SETTLE_SECONDS
        self._ceiling_mhz = _toward(
            self._ceiling_mhz, self._ceiling_target(), share * (product.max_mhz - product.min_mhz)
        )
        self._limit_in_force = _toward(
            self._limit_in_force, self.limit_watts, share * (product.max_watts - product.min_watts)
        )
        self._changed()

    def _heat(self, step: float) -> None:
        product = self.product
        celsius = self.celsius
        if celsius >= product.slowdown_celsius:
            self._heat_mhz = max(self._heat_mhz - _THERMAL_MHZ_PER_SECOND * step, float(product.min_mhz))
        elif celsius < self._release_celsius and self._heat_mhz < product.max_mhz:
            self._heat_mhz = min(self._heat_mhz + _THERMAL_MHZ_PER_SECOND * step, float(product.max_mhz))
        self._hardware_slowdown = celsius >= product.hardware_slowdown_celsius or (
            self._hardware_slowdown and celsius >= product.slowdown_celsius
        )
        self._warm = self._hardware_slowdown or self._heat_mhz < product.max_mhz
        self._index = -1

    # Readings.

    @property
    def watts(self) -> float:
        """Average power of one second, on the driver's 100 ms grid."""
        return self._meter.watts

    @property
    def instant_watts(self) -> float:
        """Power of the last 100 ms interval."""
        return self._meter.instant_watts

    @property
    def energy_joules(self) -> float:
        """Exact integral of the power since the start."""
        return self._meter.energy_joules

    @property
    def margin_celsius(self) -> float:
        """Degrees left before the device slows itself down."""
        return self.product.slowdown_celsius - self.celsius


def _toward(value: float, target: float, most: float) -> float:
    return target if abs(target - value) <= most else value + (most if target > value else -most)
