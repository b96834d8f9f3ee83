"""``quantile``: how many watts to set aside for replicas whose draw depends on what they compute, not only on how much.

*Input-Dependent Power Usage in GPUs* (arXiv 2409.18324): the values that a GPU multiplies move its power by tens of per
cent at one clock and load. They are the users', so nobody can plan them; a power model of clock and load has a band that
no better fit closes. What is left is to learn it: the ratio of measured to predicted watts per model, weights' format
and tenant, and to plan with a high quantile of it. Planning with the mean is right on average and over the budget half
of the time.

The paper measures; all of this is ours. The ratios fade, so that tenants may change. Until a key has enough of its own
it has the most that is thought possible. Quantiles of several replicas add up as if their contents rose together,
unless a correlation is given: then what lies above the means adds up like deviations do. Below one it is exact for
normal ratios, and for one it is exact for any.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from math import fsum, sqrt

CELL_RATIO = 0.005
"""Width of a cell of the histogram."""


class Why(StrEnum):
    """Where the ratios of a plan come from."""

    LEARNT = "Learnt"
    UNKNOWN = "SomeUnknown"
    NOTHING = "NothingClaimed"


@dataclass(frozen=True, slots=True)
class QuantileSpec:
    """What the user asks for, and constants of the method."""

    exceed_ratio: float = 0.05
    """Share of the time in which the draw may be above what is set aside."""
    most_ratio: float = 0.2
    """A residual is believed up to plus and minus this."""
    memory_samples: float = 2000.0
    """After so many an observation has lost its weight."""
    least_samples: float = 60.0
    """Before so many the most is assumed."""
    correlation: float = 1.0
    """Of the contents of two replicas; 1, the safe end, where nobody has measured it."""


@dataclass(frozen=True, slots=True)
class Key:
    """Whose content is thought to be alike."""

    model: str
    weights: str = ""
    """Format of the weights, e.g. fp8."""
    tenant: str = ""


@dataclass(frozen=True, slots=True)
class Ratios:
    """Residuals seen of one key: measured over predicted watts, less one."""

    samples: float = 0.0
    mean: float = 0.0
    cells: Mapping[int, float] = field(default_factory=dict)
    """Weight by cell of the ratio."""

    def after(self, spec: QuantileSpec, predicted_watts: float, measured_watts: float) -> "Ratios":
        """Return what is known after one more observation; one without a prediction says nothing."""
        if predicted_watts <= 0:
            return self
        ratio = min(spec.most_ratio, max(-spec.most_ratio, measured_watts / predicted_watts - 1.0))
        fade = 1.0 - 1.0 / spec.memory_samples if self.samples >= spec.memory_samples else 1.0
        samples = self.samples * fade + 1.0
        cells = {cell: weight * fade for cell, weight in self.cells.items() if weight * fade > 1e-6}
        cell = round(ratio / CELL_RATIO)
        cells[cell] = cells.get(cell, 0.0) + 1.0
        return Ratios(samples, self.mean + (ratio - self.mean) / samples, cells)

    def upper(self, spec: QuantileSpec) -> float:
        """Return the ratio that is passed no oftener than asked, to the upper edge of its cell."""
        if self.samples < spec.least_samples:
            return spec.most_ratio
        above = spec.exceed_ratio * fsum(self.cells.values())
        for cell in sorted(self.cells, reverse=True):
            above -= self.cells[cell]
            if above < 0:
                return min(spec.most_ratio, (cell + 0.5) * CELL_RATIO)
        return spec.most_ratio

    def known(self, spec: QuantileSpec) -> bool:
        """Return whether enough was seen."""
        return self.samples >= spec.least_samples


@dataclass(frozen=True, slots=True)
class Claim:
    """A replica in a plan."""

    key: Key
    predicted_watts: float
    """By its clock and load."""


@dataclass(frozen=True, slots=True)
class QuantileDecision:
    """What to set aside for all claims together."""

    watts: float
    mean_watts: float
    """What they will draw on average."""
    why: Why


def decide(spec: QuantileSpec, seen: Mapping[Key, Ratios], claims: Sequence[Claim]) -> QuantileDecision:
    """Return the watts that the claims together pass no oftener than asked."""
    if not claims:
        return QuantileDecision(0.0, 0.0, Why.NOTHING)
    means: list[float] = []
    above: list[float] = []
    unknown = 0.0
    for claim in claims:
        ratios = seen.get(claim.key, NONE_SEEN)
        upper = claim.predicted_watts * ratios.upper(spec)
        if ratios.known(spec):
            mean = claim.predicted_watts * ratios.mean
            means.append(claim.predicted_watts + mean)
            above.append(max(0.0, upper - mean))
        else:
            means.append(claim.predicted_watts)
            unknown += upper
    share = min(1.0, max(0.0, spec.correlation))
    together = fsum(above)
    apart = fsum(one * one for one in above)
    spread = sqrt(share * together * together + (1.0 - share) * apart)
    mean_watts = fsum(means)
    return QuantileDecision(mean_watts + spread + unknown, mean_watts, Why.UNKNOWN if unknown else Why.LEARNT)


NONE_SEEN = Ratios()
"""Before anything was seen."""
