"""What a plan chooses from: engines, ways to do a kind of work, places; and the plan."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from math import ceil, inf


class Tier(StrEnum):
    """How good of what the catalogue can do; the paper's."""

    BEST = "Best"
    GOOD = "Good"
    FAIR = "Fair"
    BASIC = "Basic"


_PERCENTILES = {Tier.BEST: 1.0, Tier.GOOD: 0.95, Tier.FAIR: 0.80, Tier.BASIC: 0.50}


@dataclass(frozen=True, slots=True)
class EngineKind:
    """A model on GPUs of a type at a clock; or a tool, on whatever it runs on."""

    name: str
    gpu: str
    gpus: int
    """Of one replica."""
    per_second: float
    """Units of work that a replica does within its latency."""
    watts: float
    """Of a replica at full load."""
    idle_watts: float


@dataclass(frozen=True, slots=True)
class Option:
    """One way to do a kind of work."""

    name: str
    quality: float
    seconds: float
    """Until it is done, waiting and tools included."""
    work: Mapping[str, float]
    """Units of each engine that one request takes, by name."""


@dataclass(frozen=True, slots=True)
class WorkClass:
    """A kind of work, with what it asks for."""

    name: str
    per_second: tuple[float, ...]
    """Requests that come, by epoch."""
    options: tuple[Option, ...]
    least_quality: float = 0.0
    most_seconds: float = inf

    @property
    def good_enough(self) -> tuple[Option, ...]:
        """Options that keep both objectives."""
        return tuple(
            one
            for one in self.options
            if one.quality >= self.least_quality and one.seconds <= self.most_seconds
        )


@dataclass(frozen=True, slots=True)
class PowerRow:
    """Places that share a budget."""

    name: str
    gpus: Mapping[str, int]
    """By type."""
    watts: float = inf


@dataclass(frozen=True, slots=True)
class Plan:
    """Replicas, and who uses them."""

    replicas: Mapping[tuple[str, str], int]
    """By engine and row, where there are any."""
    shares: Mapping[str, Mapping[str, float]]
    """Part of each class's requests that each option serves, over all epochs."""


def at_tier(qualities: Iterable[float], tier: Tier) -> float:
    """Return the quality that a tier asks for: that percentile of what there is, by the next one above."""
    ordered = sorted(qualities)
    return ordered[ceil(_PERCENTILES[tier] * (len(ordered) - 1))]
