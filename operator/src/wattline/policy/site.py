"""``site``: of the places where a workload fits, which one is the coolest, and which are closed by what is foreseen.

`place` says where a pod may go by watts that are granted; this says where it should, by what will be drawn and how warm
it will be. A place is closed where the workload would take its GPUs, its row or its aisle's air beyond a bound at the
peak that is foreseen. The others are ranked by what is left of each afterwards. A row whose servers peak together with
the workload is worth less than one that peaks at another time, because day and night, steady and bursty fill one row
together. Cool places are kept for hot workloads: degrees count for a workload by how hot it is among its like, and
against it where it is cooler than most; one whose load can be moved away counts half as hot. Where all are closed the one that is exceeded least is said, with why:
who asks may wait or take it.

After TAPAS (arXiv 2501.02600, abstract: what is new is placed within cooling and power limits). Ours: what closes a
place, peaks by hour of the day, and the score with its weights.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class Why(StrEnum):
    """What a place is worth."""

    FITS = "Fits"
    TOO_HOT = "TooHot"
    ROW_FULL = "RowFull"
    AIR_SHORT = "AirShort"


@dataclass(frozen=True, slots=True)
class SiteSpec:
    """How much each headroom counts."""

    heat: float = 1.0
    row: float = 2.0
    air: float = 1.0
    whole_celsius: float = 20.0
    """Degrees to the bound that count as all one could want; ours."""
    least_left_ratio: float = 0.0
    """Share of a row's watts and an aisle's air that stays free."""


@dataclass(frozen=True, slots=True)
class Workload:
    """What is to be placed, as foreseen by its owner's or its endpoint's past."""

    watts: tuple[float, ...]
    """Server watts by part of the day, at the high quantile that is to be kept."""
    gpu_watts: float
    """Of each GPU, at its peak."""
    hotter_than_ratio: float = 0.5
    """Share of all workloads that are cooler; the half where nothing is known."""
    movable: bool = False
    """Whether its load can be routed elsewhere when it gets warm."""


@dataclass(frozen=True, slots=True)
class SiteSeen:
    """One free server."""

    name: str
    row_watts: tuple[float, ...]
    """What the row is foreseen to draw without the workload, by part of the day."""
    row_most_watts: float
    air_ratio: float
    """Air the aisle wants at its peak, as a share of its supply, without the workload."""
    air_for_workload: float
    """What the workload adds to that."""
    celsius: float | None
    """Hottest GPU as foreseen with the workload at its peak; none: no model speaks, and heat is not judged."""
    most_celsius: float


@dataclass(frozen=True, slots=True)
class Ranked:
    """One place and what it is worth."""

    name: str
    score: float
    why: Why


def decide(spec: SiteSpec, workload: Workload, sites: Sequence[SiteSeen]) -> tuple[Ranked, ...]:
    """Return all places, the best first; those that are closed come last, the least exceeded first."""
    ranked = [_judged(spec, workload, each) for each in sites]
    return tuple(sorted(ranked, key=lambda each: (each.why is not Why.FITS, -each.score, each.name)))


def _judged(spec: SiteSpec, workload: Workload, site: SiteSeen) -> Ranked:
    peak = max(a + b for a, b in zip(site.row_watts, workload.watts, strict=True))
    row = 1.0 - peak / site.row_most_watts
    air = 1.0 - site.air_ratio - site.air_for_workload
    heat = 1.0 if site.celsius is None else (site.most_celsius - site.celsius) / spec.whole_celsius
    exceeded = [
        (left, why)
        for left, why in (
            (heat, Why.TOO_HOT),
            (row - spec.least_left_ratio, Why.ROW_FULL),
            (air - spec.least_left_ratio, Why.AIR_SHORT),
        )
        if left < 0
    ]
    if exceeded:
        worst, why = min(exceeded)
        return Ranked(site.name, worst, why)
    rank = workload.hotter_than_ratio * (0.5 if workload.movable else 1.0)
    score = spec.heat * min(1.0, heat) * (2.0 * rank - 1.0) + spec.row * row + spec.air * air
    return Ranked(site.name, score, Why.FITS)
