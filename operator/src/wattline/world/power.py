"""What a GPU draws: from load, clock and temperature."""

from bisect import bisect_right

from wattline.world.curve import PowerShape
from wattline.world.load import Load
from wattline.world.products import Product


class PowerModel:
    """A product with a clock–power curve, tabled at its supported clocks."""

    def __init__(self, product: Product, shape: PowerShape) -> None:
        self.product = product
        self.shape = shape
        self.clocks_mhz = product.clocks_mhz
        idle_share = product.idle_watts / product.max_watts
        ratios = [mhz / product.max_mhz for mhz in self.clocks_mhz]
        self.power_ratios = tuple(shape.dynamic_power_ratio(ratio, idle_share) for ratio in ratios)
        self.time_ratios = tuple(shape.time_ratio(ratio) for ratio in ratios)

    def index_of(self, mhz: float) -> int:
        """Return which supported clock is the fastest not above ``mhz``; the slowest if all are."""
        return max(bisect_right(self.clocks_mhz, mhz + 1e-6) - 1, 0)

    def idle_watts(self, celsius: float) -> float:
        """Return what an idle GPU draws."""
        product = self.product
        return product.idle_watts + product.leakage_watts_per_celsius * (celsius - product.idle_celsius)

    def watts(self, load: Load, index: int, celsius: float) -> float:
        """Return what ``load`` draws at a supported clock.

        Parts draw for the share of the time they are busy: the cores ``compute_watts`` as the curve says, memory
        ``memory_watts`` of which the curve's share follows the clock, and while the cores do not compute, being
        awake draws ``busy_watts`` at any clock.
        """
        idle = self.idle_watts(celsius)
        if not load.busy:
            return idle
        power, time = self.power_ratios[index], self.time_ratios[index]
        seconds = load.step_seconds(time)
        computing = load.compute_seconds * time / seconds
        follows = self.shape.memory_clock_share
        return (
            idle
            + self.product.busy_watts * (1.0 - computing)
            + load.memory_watts * load.memory_seconds / seconds * (1.0 - follows + follows * power)
            + load.compute_watts * computing * power
        )

    def settled_watts(self, load: Load, index: int, inlet_celsius: float = 25.0) -> float:
        """Return what ``load`` draws after a long time, when heat and leakage have found each other."""
        resistance = sum(stage.celsius_per_watt for stage in self.product.stages)
        at_inlet = self.watts(load, index, inlet_celsius)
        return at_inlet / (1.0 - self.product.leakage_watts_per_celsius * resistance)
