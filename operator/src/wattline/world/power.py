"""What a GPU draws: from load, clock and temperature."""

# ruff: noqa: FURB136 - min() and max() cost three comparisons, and this runs for every simulated second

from bisect import bisect_right
from functools import lru_cache
from typing import NamedTuple

from wattline.model.sums import in_order
from wattline.world.curve import PowerShape
from wattline.world.load import Load
from wattline.world.products import Product


class Draw(NamedTuple):
    """A load at the clock it gets."""

    clock_index: int
    """Which supported clock."""
    duty: float
    """Share of the time it may run: below one only where the slowest clock draws more than the limit."""
    watts: float
    limited: bool
    """Whether the power limit took it below the clock it could have had."""


class PowerModel:
    """A product with a clock–power curve, tabled at its supported clocks."""

    def __init__(self, product: Product, shape: PowerShape) -> None:
        self.product = product
        self.shape = shape
        self.clocks_mhz, self.power_ratios, self.time_ratios, self._memory_ratios = _tables(product, shape)
        self._idle_watts = product.idle_watts
        self._idle_celsius = product.idle_celsius
        self._leakage = product.leakage_watts_per_celsius
        self._busy_watts = product.busy_watts
        self._floor_watts = product.floor_watts
        self._context_watts = product.context_watts

    def index_of(self, mhz: float) -> int:
        """Return which supported clock is the fastest not above ``mhz``; the slowest if all are."""
        index = bisect_right(self.clocks_mhz, mhz + 1e-6) - 1
        return index if index > 0 else 0

    def step_seconds(self, load: Load, draw: Draw) -> float:
        """Return how long a step of ``load`` takes when drawn so."""
        return load.step_seconds(self.time_ratios[draw.clock_index]) / draw.duty

    def idle_watts(self, celsius: float) -> float:
        """Return what an idle GPU draws."""
        return self._idle_watts + self._leakage * (celsius - self._idle_celsius)

    def watts(self, load: Load, index: int, celsius: float) -> float:
        """Return what ``load`` draws at a supported clock.

        Parts draw for the share of the time they are busy: the cores ``compute_watts`` as the curve says, memory
        ``memory_watts`` of which the curve's share follows the clock, and while the cores do not compute, being
        awake draws ``busy_watts`` at any clock.
        """
        idle = self._idle_watts + self._leakage * (celsius - self._idle_celsius)
        if not load.busy:
            return idle - self._context_watts if load.off else idle
        time = self.time_ratios[index]
        seconds = load.step_seconds(time)
        computing = load.compute_seconds * time / seconds
        return (
            idle
            + self._busy_watts * (1.0 - computing)
            + load.memory_watts * load.memory_seconds / seconds * self._memory_ratios[index]
            + load.compute_watts * computing * self.power_ratios[index]
        )

    def under(self, load: Load, index: int, limit_watts: float, celsius: float) -> Draw:
        """Return what comes of ``load`` at a supported clock or, where that draws more than the limit, below it.

        Where even the slowest clock draws too much, the GPU stops for part of the time, as far as the product's
        floor: a limit below that is not honoured.
        """
        watts = self.watts(load, index, celsius)
        limit = limit_watts if limit_watts >= self._floor_watts else self._floor_watts
        if watts <= limit or not load.busy:
            return Draw(index, 1.0, watts, False)
        low, high = (
            0,
            index,
        )  # the fastest clock within the limit lies in [low, high); low is taken if none does
        while high - low > 1:
            middle = (low + high) // 2
            if self.watts(load, middle, celsius) <= limit:
                low = middle
            else:
                high = middle
        watts = self.watts(load, low, celsius)
        if watts <= limit:
            return Draw(low, 1.0, watts, limited=True)
        idle = self.idle_watts(celsius)
        return Draw(low, max(limit - idle, 0.0) / (watts - idle), max(limit, idle), limited=True)

    def settled(
        self, load: Load, index: int, *, limit_watts: float | None = None, inlet_celsius: float = 25.0
    ) -> Draw:
        """Return what comes of ``load`` after a long time, when heat and leakage have found each other."""
        product = self.product
        limit = product.max_watts if limit_watts is None else limit_watts
        resistance = in_order([stage.celsius_per_watt for stage in product.stages])
        unlimited = self.watts(load, index, inlet_celsius) / (
            1.0 - product.leakage_watts_per_celsius * resistance
        )
        return self.under(load, index, limit, inlet_celsius + resistance * min(unlimited, limit))


@lru_cache(maxsize=64)
def _tables(
    product: Product, shape: PowerShape
) -> tuple[tuple[int, ...], tuple[float, ...], tuple[float, ...], tuple[float, ...]]:
    """Return clocks, and by clock the ratios of dynamic power, of computing time and of memory's dynamic power."""
    clocks_mhz = product.clocks_mhz
    idle_share = product.idle_watts / product.max_watts
    ratios = [mhz / product.max_mhz for mhz in clocks_mhz]
    powers = tuple(shape.dynamic_power_ratio(ratio, idle_share) for ratio in ratios)
    follows = shape.memory_clock_share
    return (
        clocks_mhz,
        powers,
        tuple(shape.time_ratio(ratio) for ratio in ratios),
        tuple(1.0 - follows + follows * power for power in powers),
    )
