"""Whether points identify an engine: before the fit by what was measured, after it by the Jacobian."""

from collections.abc import Mapping, Sequence

import numpy as np
from pydantic.alias_generators import to_camel

from wattline.api.modelprofile import Quantity
from wattline.profiles.fit import Fitted, Vector
from wattline.profiles.points import Point, figure

LEAST_BATCHES = 4
"""Three to fit by while one is left out."""
LEAST_SPAN = 4.0
"""Largest batch over smallest: less does not part what a step costs from what a sequence costs."""
UNKNOWN = 2.0
"""A standard error of so many times the value says nothing of a parameter."""
RANK = 1e-6
"""A direction of the parameters with so much less effect than the strongest has none."""
PART = 0.2
"""A parameter with a larger part in such a direction is not known."""

MISSING: Mapping[str, str] = {
    "bandwidth_share": "latency at small batches (1 to 8), where a step waits for the weights alone",
    "compute_share": "a batch or prompts so large that steps compute: double the batch until latency grows with it",
    "step_seconds": "latency at the smallest batch, 1 or 2",
    "sequence_seconds": "latency at batch sizes further apart, at least 8 times",
    "memory_watts": "watts at small batches (1 to 8), where the GPU waits for memory",
    "compute_watts": "watts at a batch or prompts so large that steps compute",
    "voltage_floor": "watts at a locked clock of half the highest, at a large batch",
    "voltage_slope": "watts at three locked clocks or more, the lowest 40 % below the highest, at a large batch",
    "time_exponent": "latency at three locked clocks or more, the lowest 40 % below the highest, at a large batch",
    "memory_clock_share": "watts at three locked clocks or more at a small batch",
}
"""What to measure for a parameter."""
SMALL, LARGE = 8.0, 128.0
"""Batches at which steps wait for memory, and at which most models' steps compute."""


def refusals(points: Sequence[Point], parameters: int) -> list[str]:
    """Return why these points cannot identify an engine with so many parameters, a sentence each; none if they may."""
    if not points:
        return ["there are no points; give a file with at least four batch sizes"]
    out = []
    counts = {quantity: sum(figure(point, quantity) is not None for point in points) for quantity in Quantity}
    batches = sorted({point.fold for point in points}, key=lambda fold: _mean_batch(points, fold))
    sizes = [_mean_batch(points, fold) for fold in batches]
    if counts[Quantity.WATTS] < 3:
        out.append(
            f"watts stand in {_of(counts[Quantity.WATTS], points)}; at least 3 are needed: read the GPUs' power or "
            "energy counter while each batch size runs"
        )
    if counts[Quantity.ITL] + counts[Quantity.RATE] < 3:
        out.append(
            f"inter-token latency or throughput stand in {_of(max(counts[Quantity.ITL], counts[Quantity.RATE]), points)}; "
            "at least 3 are needed: measure one of them at each batch size"
        )
    if len(sizes) < LEAST_BATCHES:
        out.append(
            f"{'one batch size' if len(sizes) == 1 else f'{len(sizes)} batch sizes'} ({_list(sizes)}); at least "
            f"{LEAST_BATCHES} are needed, so that one can be left out to judge by: measure e.g. {_more(sizes)} too"
        )
    elif sizes[-1] < LEAST_SPAN * sizes[0]:
        out.append(
            f"batch sizes from {sizes[0]:.3g} to {sizes[-1]:.3g}; the largest has to be {LEAST_SPAN:g} times the smallest, "
            "or what a step costs cannot be told from what a sequence costs: measure a batch of "
            f"{LEAST_SPAN * sizes[0]:.0f} or more"
        )
    values = sum(counts.values())
    if not out and values <= parameters:
        out.append(
            f"{values} measured values for {parameters} parameters; measure watts, latency and throughput at more points"
        )
    return out


def spreads(fitted: Fitted) -> dict[str, float | None]:
    """Return the standard error of each parameter over its value; none where the points do not say it: at a bound, or
    where it acts only together with others.
    """
    out: dict[str, float | None] = {one.name: None for one in fitted.ranges}
    free, strengths, directions = _directions(fitted)
    seen = strengths > RANK * strengths.max(initial=0.0)
    spare = max(len(fitted.residuals) - len(free), 1)
    variance = float(fitted.residuals @ fitted.residuals) / spare
    for place, index in enumerate(free):
        if np.any(np.abs(directions[~seen, place]) > PART):
            continue
        one, value = fitted.ranges[index], fitted.values[index]
        error = (
            float(np.sqrt(variance * np.sum((directions[seen, place] / strengths[seen]) ** 2))) * one.scale
        )
        out[one.name] = error / value if value else None
    return out


def twins(fitted: Fitted, points: Sequence[Point]) -> list[str]:
    """Return which parameters only act together, or not at all, a sentence each with the missing measurement.

    Fixed parts of a step are left out: whether a millisecond is the launch's or the memory's, watts and latency are the
    same within what was measured.
    """
    free, strengths, directions = _directions(fitted)
    out = []
    for strength, direction in zip(strengths, directions, strict=True):
        if strength > RANK * strengths[0]:
            continue
        parts = sorted(zip(np.abs(direction), free, strict=True), reverse=True)
        names = [fitted.ranges[index].name for weight, index in parts if weight > PART]
        if any(name.endswith("_seconds") for name in names):
            continue
        what = (
            f"{to_camel(names[0])} has no effect on these points"
            if len(names) == 1
            else f"{' and '.join(map(to_camel, names))} cannot be told apart by these points"
        )
        out.append(f"{what}; measure {_missing(names[0], points)}")
    return out


def doubts(fitted: Fitted, points: Sequence[Point]) -> list[str]:
    """Return which parameters the points leave open, a sentence each with the missing measurement.

    Not the fixed parts of a step: where they are nothing, nothing is what is to be found.
    """
    return [
        f"{to_camel(name)} is not identified (standard error {ratio:.0%} of its value); measure {_missing(name, points)}"
        for name, ratio in spreads(fitted).items()
        if ratio is not None and ratio > UNKNOWN and not name.endswith("_seconds")
    ]


def _missing(name: str, points: Sequence[Point]) -> str:
    """Return what to measure: where small batches are there already, it is a large one that parts memory from computing."""
    sizes = [point.sequences for point in points]
    waits = name in {"bandwidth_share", "memory_watts"}
    if waits and min(sizes) <= SMALL and max(sizes) < LARGE:
        return MISSING["compute_share"]
    return MISSING[name]


def _free(fitted: Fitted) -> list[int]:
    bound = fitted.at_bound()
    return [index for index, one in enumerate(fitted.ranges) if one.name not in bound]


def _directions(fitted: Fitted) -> tuple[list[int], Vector, Vector]:
    """Return the parameters that are free, and the singular values and directions of their effect, strongest first."""
    free = _free(fitted)
    if not free:
        return [], np.zeros(0), np.zeros((0, 0))
    strengths, directions = np.linalg.svd(fitted.jacobian[:, free], full_matrices=True)[1:]
    return free, np.pad(strengths, (0, len(free) - len(strengths))), directions


def _mean_batch(points: Sequence[Point], fold: str) -> float:
    mine = [point.sequences for point in points if point.fold == fold]
    return sum(mine) / len(mine)


def _of(count: int, points: Sequence[Point]) -> str:
    return f"{count or 'none'} of {len(points)} points"


def _list(sizes: Sequence[float]) -> str:
    return ", ".join(f"{size:.3g}" for size in sizes)


def _more(sizes: Sequence[float]) -> str:
    largest = sizes[-1]
    return ", ".join(f"{largest * factor:.0f}" for factor in (2, 4, 8)[: LEAST_BATCHES - len(sizes)])
