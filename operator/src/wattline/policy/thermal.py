"""``thermal``: what telemetry says of inlets, GPUs, air and servers' watts; silent where it does not say enough.

Four models of one form, a sum of features each times its coefficient, fitted by least squares with a small ridge over
a sliding window. TAPAS (arXiv 2501.02600, by secondary accounts) fits temperatures in pieces by inlet and load. After
it, the shapes are ours: an inlet follows the place, the weather in pieces and the aisle's load; a GPU its inlet and its
watts; air and a server's watts their load. No coefficient is assumed. A model is judged on the newest fifth of its
window by a fit on the rest, so what it reports as its error was not learned from; above the error that is accepted it
says nothing, and who asks does not act.

The node agent has a dynamic form of its own for the next ten seconds; this one is for hours ahead.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from wattline.model.linear import solved

Vector = tuple[float, ...]

WEATHER_KNEES_CELSIUS = (15.0, 25.0)
"""Where pieces of the weather begin; ours: around where free cooling usually ends."""


class Why(StrEnum):
    """Whether a model speaks."""

    TRUSTED = "Trusted"
    TOO_FEW = "TooFewSamples"
    TOO_WRONG = "ErrorTooLarge"


@dataclass(frozen=True, slots=True)
class ThermalSpec:
    """How a model is fitted."""

    window_seconds: float = 7 * 86_400.0
    """Ours: every hour of the day and of the week is in it."""
    most_samples: int = 2_016
    """Ours: five minutes apart over the window."""
    least_samples: int = 24
    """Ours: fewer do not hold a day."""
    most_error: float = 2.0
    """Mean absolute error above which a model is silent, in the unit of what is modelled.

    Ours: twice the 1 °C below which TAPAS reports its own (arXiv 2501.02600, by secondary accounts).
    """
    ridge: float = 1e-3
    """Ours: against features that never moved; of their mean square."""


@dataclass(frozen=True, slots=True)
class Sample:
    """What was seen at one time."""

    at_seconds: float
    features: Vector
    value: float


@dataclass(frozen=True, slots=True)
class Model:
    """What was fitted."""

    coefficients: Vector
    error: float
    """Mean absolute error on samples that it was not fitted to, in the unit of what is modelled."""
    samples: int
    why: Why

    def predict(self, features: Vector) -> float | None:
        """Return what is to be expected, or none where the model is silent."""
        if self.why is not Why.TRUSTED:
            return None
        return math.fsum(a * b for a, b in zip(self.coefficients, features, strict=True))


def inlet_features(outside_celsius: float, aisle_load_ratio: float) -> Vector:
    """Return what an inlet's temperature follows: the place, the weather in pieces, the aisle's load."""
    return (
        1.0,
        *(max(0.0, outside_celsius - knee) for knee in WEATHER_KNEES_CELSIUS),
        aisle_load_ratio,
    )


def gpu_features(gpu_watts: float) -> Vector:
    """Return what a GPU's temperature above its inlet follows: itself and its watts."""
    return 1.0, gpu_watts


def load_features(load_ratio: float) -> Vector:
    """Return what a server's watts follow: itself and its load, bending."""
    return 1.0, load_ratio, load_ratio * load_ratio


def air_features(server_watts: float) -> Vector:
    """Return what a server's air follows: itself and its watts."""
    return 1.0, server_watts


def seen(spec: ThermalSpec, window: tuple[Sample, ...], sample: Sample) -> tuple[Sample, ...]:
    """Return the window with one more sample, without those that are too old or too many; what is not a number is dropped."""
    if not all(map(math.isfinite, (*sample.features, sample.value))):
        return window
    oldest = sample.at_seconds - spec.window_seconds
    kept = tuple(each for each in window if oldest <= each.at_seconds <= sample.at_seconds)
    return (*kept, sample)[-spec.most_samples :]


def decide(spec: ThermalSpec, window: Sequence[Sample]) -> Model:
    """Return the model that a window says."""
    count = len(window)
    if count < spec.least_samples:
        return Model((), math.inf, count, Why.TOO_FEW)
    held = max(1, count // 5)
    older = _fitted(spec, window[:-held])
    error = math.fsum(
        abs(each.value - math.fsum(a * b for a, b in zip(older, each.features, strict=True)))
        for each in window[-held:]
    )
    why = Why.TRUSTED if error / held <= spec.most_error else Why.TOO_WRONG
    return Model(_fitted(spec, window), error / held, count, why)


def _fitted(spec: ThermalSpec, window: Sequence[Sample]) -> Vector:
    """Return the coefficients of least squares, features scaled to a mean square of one; the first is not held back."""
    width = len(window[0].features)
    scales = [
        math.sqrt(math.fsum(each.features[i] ** 2 for each in window) / len(window)) or 1.0
        for i in range(width)
    ]
    moments = [
        [
            math.fsum(each.features[i] * each.features[j] for each in window)
            / (len(window) * scales[i] * scales[j])
            for j in range(width)
        ]
        for i in range(width)
    ]
    right = [
        math.fsum(each.features[i] * each.value for each in window) / (len(window) * scales[i])
        for i in range(width)
    ]
    for i in range(width):
        moments[i][i] += spec.ridge if i else 1e-9
    return tuple(found / scale for found, scale in zip(solved(moments, right), scales, strict=True))
