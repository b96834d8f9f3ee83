"""Clock–power curves: what a GPU's dynamic power and its compute time do when the clock goes down.

A curve is given over the clock ratio ``f / f_max`` and for a load that only computes. Three are known, because
every saving depends on the one that is true and none was measured on the products here:

* ``PERSEUS`` (default): forward pass of a transformer stage on an A100-SXM with locked clocks, mean of GPT-3 175B
  and BLOOM (Perseus, SOSP'24; ml-energy/zeus, branch kronos). Only the shape is used: the absolute watts of
  that data set lie above the product's limit.
* ``LINEAR``: dynamic power in proportion to the clock, time in inverse proportion: computing gains nothing.
* ``FLAT``: least energy per work is 19 % below that at full clock, at 840 of 1785 MHz (an H100 sweep,
  mertside/ai-inference-energy); a parabola between [assumption], time as in ``PERSEUS``.

Memory-bound work is held to one measurement for all three: an H200 at 1980 MHz draws 7–13 % more than at
1590 MHz for the same throughput (arXiv 2605.11999). ``memory_clock_share`` is set for that.
"""

from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

_RATIOS = (0.617, 0.681, 0.745, 0.809, 0.872, 0.936, 1.0)
_PERSEUS_POWER = (0.49, 0.53, 0.57, 0.64, 0.74, 0.90, 1.0)
_PERSEUS_TIME = (1.518, 1.378, 1.265, 1.172, 1.091, 1.026, 1.0)


@dataclass(frozen=True, slots=True)
class PowerShape:
    """How power and time of a compute-bound load follow the clock ratio."""

    name: str
    total_power_ratio: Callable[[float, float], float]
    """Power against that at full clock, for a clock ratio and the share of it that is idle power."""
    time_ratio: Callable[[float], float]
    """Seconds for the same work against those at full clock."""
    memory_clock_share: float
    """Part of the memory-bound dynamic power that follows the clock as computing does."""

    def dynamic_power_ratio(self, clock_ratio: float, idle_share: float) -> float:
        """Return dynamic power against that at full clock: what is left when idle power is taken off both."""
        total = self.total_power_ratio(clock_ratio, idle_share)
        return max(0.0, (total - idle_share) / (1.0 - idle_share))


def _between(ratio: float, values: tuple[float, ...]) -> float:
    at = min(max(bisect_right(_RATIOS, ratio), 1), len(_RATIOS) - 1)
    low, high = _RATIOS[at - 1], _RATIOS[at]
    return values[at - 1] + (values[at] - values[at - 1]) * (ratio - low) / (high - low)


def _perseus_power(ratio: float, idle_share: float) -> float:
    if ratio >= _RATIOS[0]:
        return _between(min(ratio, 1.0), _PERSEUS_POWER)
    # The voltage is at its floor below the data's range, so dynamic power goes with the clock [assumption].
    return idle_share + (_PERSEUS_POWER[0] - idle_share) * ratio / _RATIOS[0]


def _perseus_time(ratio: float) -> float:
    if ratio >= _RATIOS[0]:
        return _between(min(ratio, 1.0), _PERSEUS_TIME)
    return _PERSEUS_TIME[0] * _RATIOS[0] / ratio


def _linear_power(ratio: float, idle_share: float) -> float:
    return idle_share + (1.0 - idle_share) * ratio


def _inverse(ratio: float) -> float:
    return 1.0 / ratio


_FLAT_BEST = 840 / 1785


def _flat_power(ratio: float, idle_share: float) -> float:
    at = max(ratio, _FLAT_BEST)
    energy = 0.81 + 0.19 * ((at - _FLAT_BEST) / (1.0 - _FLAT_BEST)) ** 2
    power = energy / _perseus_time(at)
    if ratio >= _FLAT_BEST:
        return power
    return idle_share + (power - idle_share) * ratio / _FLAT_BEST


PERSEUS = PowerShape("perseus", _perseus_power, _perseus_time, memory_clock_share=0.30)
LINEAR = PowerShape("linear", _linear_power, _inverse, memory_clock_share=0.70)
FLAT = PowerShape("flat", _flat_power, _perseus_time, memory_clock_share=0.50)


def voltage_curve(
    voltage_floor: float, voltage_slope: float, time_exponent: float, memory_clock_share: float
) -> PowerShape:
    """Return the curve of a measured clock response.

    Dynamic power goes with the clock ratio x and the square of the voltage; that falls with the clock by
    ``voltage_slope`` for all of x, down to ``voltage_floor`` of what it is at full clock. Time goes with x to minus
    ``time_exponent``.
    """
    return PowerShape(
        "measured",
        partial(_by_voltage, voltage_floor, voltage_slope),
        partial(_by_power, time_exponent),
        memory_clock_share,
    )


def _by_voltage(floor: float, slope: float, ratio: float, idle_share: float) -> float:
    voltage = max(floor, 1.0 - slope * (1.0 - ratio))
    return idle_share + (1.0 - idle_share) * ratio * voltage * voltage


def _by_power(exponent: float, ratio: float) -> float:
    return float(ratio**-exponent)


SHAPES = {shape.name: shape for shape in (PERSEUS, LINEAR, FLAT)}
