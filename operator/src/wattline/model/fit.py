"""Least squares that learn while a program runs: a few parameters, regularised, forgetting slowly."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from wattline.model.sums import of_products

Vector = tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Fit:
    """A linear model ``y = parameters · features`` and how sure it is of each parameter."""

    parameters: Vector
    covariance: tuple[Vector, ...]
    """Of the parameters, as squares of standard deviations."""
    seen: int = 0

    def predict(self, features: Sequence[float]) -> float:
        """Return the model's value."""
        return of_products(self.parameters, features)

    def deviation(self, features: Sequence[float]) -> float:
        """Return how far off the model's value may be, one standard deviation."""
        gain = [of_products(row, features) for row in self.covariance]
        return math.sqrt(max(0.0, of_products(features, gain)))


def prior(parameters: Sequence[float], deviations: Sequence[float]) -> Fit:
    """Return a model that knows nothing but what is assumed: parameters, and how far off each may be."""
    size = len(parameters)
    rows = tuple(tuple(deviations[i] ** 2 if i == j else 0.0 for j in range(size)) for i in range(size))
    return Fit(tuple(parameters), rows)


def learn(fit: Fit, features: Sequence[float], value: float, *, noise: float, memory: int) -> Fit:
    """Return the model after one more observation.

    ``noise`` is the standard deviation of a single observation; ``memory`` is for about how many observations
    a direction that is being excited is remembered. Directions that are not excited keep what is known of
    them (forgetting is along the features alone), so that a long quiet time does not blow anything up.
    """
    gain = [of_products(row, features) for row in fit.covariance]
    spread = of_products(features, gain)
    total = noise * noise + spread
    error = value - fit.predict(features)
    parameters = tuple(p + g * error / total for p, g in zip(fit.parameters, gain, strict=True))
    # Forgetting along the features alone: the information of this direction decays by 1/memory per step.
    shrink = 1.0 / total - (1.0 / (memory * spread) if spread > noise * noise / memory else 0.0)
    shrink = max(0.0, shrink)
    covariance = tuple(
        tuple(c - gi * gj * shrink for c, gj in zip(row, gain, strict=True))
        for row, gi in zip(fit.covariance, gain, strict=True)
    )
    return Fit(parameters, covariance, fit.seen + 1)
