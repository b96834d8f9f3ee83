"""How well an engine predicts what it was not fitted to: batch sizes are left out in turn."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from wattline.api.modelprofile import Quantity, QuantityError
from wattline.profiles.fit import Fitted, Range, fit, relative_errors
from wattline.profiles.points import Point
from wattline.world.physics import EnginePhysics

MOST_FOLDS = 12
"""With more batch sizes than these, several are left out together, as far apart as may be."""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """One point's errors by a fit that never saw its batch size."""

    point: Point
    errors: Mapping[Quantity, float]
    """Predicted over measured less one."""


def folds(points: Sequence[Point]) -> list[frozenset[str]]:
    """Return which batch sizes are left out together."""
    sizes: dict[str, float] = {}
    for point in points:
        sizes[point.fold] = min(sizes.get(point.fold, point.sequences), point.sequences)
    names = sorted(sizes, key=lambda name: (sizes[name], name))
    count = min(len(names), MOST_FOLDS)
    return [frozenset(names[at::count]) for at in range(count)]


def leave_out(
    base: EnginePhysics, points: Sequence[Point], ranges: Sequence[Range], whole: Fitted
) -> list[LeftOut]:
    """Return the errors of every point by a fit without its fold, begun where the whole fit ended and at its starts' middle."""
    middle = [one.start[len(one.start) // 2] for one in ranges]
    out: list[LeftOut] = []
    for fold in folds(points):
        kept = [point for point in points if point.fold not in fold]
        held = [point for point in points if point.fold in fold]
        found = fit(base, kept, ranges, starts=[whole.values, middle])
        errors = relative_errors(found.physics, found.shape, held)
        out.extend(LeftOut(point, each) for point, each in zip(held, errors, strict=True))
    return out


def summary(left_out: Sequence[LeftOut]) -> tuple[QuantityError, ...]:
    """Return median and worst error of every quantity that was measured."""
    out = []
    for quantity in Quantity:
        sizes = [abs(one.errors[quantity]) for one in left_out if quantity in one.errors]
        if sizes:
            out.append(
                QuantityError(
                    quantity=quantity,
                    median_ratio=round(median(sizes), 4),
                    worst_ratio=round(max(sizes), 4),
                    points=len(sizes),
                )
            )
    return tuple(out)
