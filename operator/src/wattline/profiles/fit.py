"""The fit: least squares of an engine's physical parameters to measured points, through the world's own formulas."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product as combinations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import OptimizeResult, least_squares

from wattline.api.modelprofile import Quantity
from wattline.profiles.points import Point, figure
from wattline.world.curve import PERSEUS, PowerShape, voltage_curve
from wattline.world.physics import EnginePhysics, Fit
from wattline.world.power import PowerModel
from wattline.world.steady import Steady, steady

Vector = NDArray[np.float64]

WEIGHTS = {Quantity.WATTS: 1.0, Quantity.ITL: 1.0, Quantity.RATE: 0.5, Quantity.TTFT: 0.25}
"""Watts and latency count the same; throughput half, for it follows from latency; the first token a quarter, for
measurements of it hold waits that the model does not know."""

SOFT = 0.05
"""Relative errors above this count less than by their square, so that a row bound by something else does not lead."""

BOUND_SHARE = 1e-3
"""A parameter so near to a bound of its range, as a share of it, lies at the bound."""


@dataclass(frozen=True, slots=True)
class Range:
    """Where a parameter is looked for, and in what steps it matters."""

    name: str
    low: float
    high: float
    start: tuple[float, ...]
    scale: float


ENGINE = (
    Range("bandwidth_share", 0.20, 0.93, (0.6, 0.9), 0.1),
    Range("compute_share", 0.03, 0.8, (0.1, 0.2, 0.35, 0.5, 0.75), 0.1),
    Range("step_seconds", 0.0005, 0.02, (0.002,), 0.001),
    Range("sequence_seconds", 0.0, 0.001, (0.00005,), 0.00002),
    Range("memory_watts", 50.0, 550.0, (280.0,), 100.0),
    Range("compute_watts", 100.0, 1000.0, (500.0,), 100.0),
)
"""Watts are those of a product of 700 W with 100 W of idle power; other products have them in proportion. Computing
may draw more at full clock than the limit allows: then the limit holds the clock down, as on the device."""

CLOCK = (
    Range("voltage_floor", 0.5, 1.0, (0.75,), 0.1),
    Range("voltage_slope", 0.0, 1.5, (0.3, 0.8), 0.3),
    Range("time_exponent", 0.0, 1.2, (0.8,), 0.3),
    Range("memory_clock_share", 0.0, 1.0, (0.4,), 0.2),
)
"""Of the clock response, where the points span clocks."""

REFERENCE_WATTS = 600.0


@dataclass(frozen=True, slots=True)
class Fitted:
    """What came of a fit."""

    physics: EnginePhysics
    shape: PowerShape
    ranges: tuple[Range, ...]
    values: tuple[float, ...]
    jacobian: Vector
    """Of the weighted relative errors, by parameter in units of its scale."""
    residuals: Vector
    cost: float

    def at_bound(self) -> frozenset[str]:
        """Return the parameters that lie at a bound of their range."""
        return frozenset(
            one.name
            for one, value in zip(self.ranges, self.values, strict=True)
            if min(value - one.low, one.high - value) <= BOUND_SHARE * (one.high - one.low)
        )


def spans_clocks(points: Sequence[Point]) -> bool:
    """Whether locked clocks of the points say what clocks do: three of them, the lowest 15 % below the highest."""
    clocks = {point.clock_mhz for point in points if point.clock_mhz is not None}
    return len(clocks) >= 3 and min(clocks) <= 0.85 * max(clocks)


def ranges_for(physics: EnginePhysics, *, clocks: bool, narrow: bool = False) -> tuple[Range, ...]:
    """Return where each parameter is looked for; ``narrow`` weights (8 bits and less) may compute twice as fast."""
    room = (physics.product.max_watts - physics.product.idle_watts) / REFERENCE_WATTS
    engine = []
    for one in ENGINE:
        if one.name.endswith("_watts"):
            engine.append(
                replace(
                    one,
                    low=one.low * room,
                    high=one.high * room,
                    start=tuple(value * room for value in one.start),
                    scale=one.scale * room,
                )
            )
        elif one.name == "compute_share" and narrow:
            engine.append(replace(one, high=2 * one.high))
        else:
            engine.append(one)
    return (*engine, *(CLOCK if clocks else ()))


def predicted(physics: EnginePhysics, power: PowerModel, point: Point) -> Steady:
    """Return what the engine does and draws at a point's service, clock and cap."""
    clock = physics.product.max_mhz if point.clock_mhz is None else point.clock_mhz
    return steady(physics, power, clock, point.service, limit_watts=point.cap_watts)


def relative_errors(
    physics: EnginePhysics, shape: PowerShape, points: Sequence[Point]
) -> list[dict[Quantity, float]]:
    """Return, point by point, predicted over measured less one of every quantity that was measured."""
    power = PowerModel(physics.product, shape)
    out = []
    for point in points:
        seen = predicted(physics, power, point)
        out.append(
            {
                quantity: figure(seen, quantity) / value - 1.0
                for quantity in Quantity
                if (value := figure(point, quantity)) is not None
            }
        )
    return out


def engine_at(
    base: EnginePhysics, ranges: Sequence[Range], values: Sequence[float]
) -> tuple[EnginePhysics, PowerShape]:
    """Return the engine and the clock response at a vector of parameters."""
    by_name = {one.name: float(value) for one, value in zip(ranges, values, strict=True)}
    clock = [by_name.pop(one.name) for one in CLOCK if one.name in by_name]
    shape = voltage_curve(*clock) if clock else PERSEUS
    return replace(base, fit=Fit(**by_name)), shape


def fit(
    base: EnginePhysics,
    points: Sequence[Point],
    ranges: Sequence[Range],
    *,
    starts: Sequence[Sequence[float]] | None = None,
) -> Fitted:
    """Return the parameters with the least weighted relative errors over ``points``.

    From every combination of the ranges' starts, or from those given. ``base`` says architecture, product, number of
    GPUs and KV memory; its own parameters do not matter.
    """

    def residuals(values: Vector) -> Vector:
        physics, shape = engine_at(base, ranges, values.tolist())
        errors = relative_errors(physics, shape, points)
        return np.array([WEIGHTS[quantity] * error for row in errors for quantity, error in row.items()])

    bounds = ([one.low for one in ranges], [one.high for one in ranges])
    scale = [one.scale for one in ranges]
    best: OptimizeResult | None = None
    for start in starts or list(combinations(*(one.start for one in ranges))):
        inside = np.clip(start, *(np.array(side) for side in bounds))
        found = least_squares(residuals, inside, bounds=bounds, x_scale=scale, loss="soft_l1", f_scale=SOFT)
        if best is None or found.cost < best.cost:
            best = found
    if best is None:
        raise AssertionError("there is always a start")
    values = tuple(float(f"{value:.4g}") for value in best.x)
    physics, shape = engine_at(base, ranges, values)
    return Fitted(
        physics=physics,
        shape=shape,
        ranges=tuple(ranges),
        values=values,
        jacobian=np.asarray(best.jac) * np.array(scale),
        residuals=residuals(np.array(values)),
        cost=float(best.cost),
    )
