"""What a paper's reproduction consists of: claims with accepted bands, what we find seed by seed, and what carries it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from statistics import fmean
from typing import Any, Protocol, TypeVar

from wattline.study.intervals import interval

T = TypeVar("T")
C = TypeVar("C")
Json = Any


def varied(case: C, changes: Mapping[str, object]) -> C:
    """Return a case, a dataclass, with fields changed by name; raise ``TypeError`` for a name it has not."""
    return replace(case, **changes)  # type: ignore[type-var, arg-type]  # which fields, only the table of changes says


class Form(StrEnum):
    """How much of a study is run; every result carries its form."""

    CI = "ci"
    """All papers in five minutes on two cores: does it run, and point the right way."""
    REDUCED = "reduced"
    """All papers in twenty minutes."""
    FULL = "full"
    """What the tables of the reference are from; hours, resumable."""


class Kind(StrEnum):
    """How a number comes about; only the first two count as reproduced."""

    EMERGENT = "E"
    """Emerges from parts that were calibrated independently of it."""
    CHECKED = "C"
    """Checked on measured data that no fit has seen."""
    ARITHMETIC = "A"
    """Follows by arithmetic from the paper's own inputs."""


@dataclass(frozen=True, slots=True)
class Claim:
    """One number of a paper beside which ours is put."""

    key: str
    says: str
    """What is measured, in one phrase, ours and the paper's alike."""
    paper: str
    """The paper's number with its source mark: [P] its text, [P abs] its abstract, [A] code, [S] a secondary source, [R] reconstruction, [C] computed from these."""
    kind: Kind
    least: float | None = None
    most: float | None = None
    """Band in which ours is accepted; it is not moved for a result. None is open."""
    unit: str = ""
    headline: bool = True
    """Whether it is one of the paper's main results."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Ours for a claim, one sample a seed."""

    claim: Claim
    samples: tuple[float, ...]
    reason: str = ""
    """Why it lies outside the band, where it does."""

    @property
    def mean(self) -> float:
        """Mean over the seeds."""
        return fmean(self.samples)

    @property
    def half_width(self) -> float | None:
        """Half of the 95 % interval of the mean (Student's t); none of one seed."""
        return interval(self.samples).half

    @property
    def accepted(self) -> bool:
        """Whether the mean lies in the band."""
        least, most = self.claim.least, self.claim.most
        return (least is None or least <= self.mean) and (most is None or self.mean <= most)


@dataclass(frozen=True, slots=True)
class Carrier:
    """What a finding does when one uncertain parameter is moved over its plausible range."""

    parameter: str
    range: str
    effect: str
    """The finding at both ends, in words and numbers."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table of a study."""

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Study:
    """A reproduction, ready to be printed."""

    setup: str
    trace: str
    baselines: str
    """Which, and how they were tuned: with as many trials as ours."""
    findings: tuple[Finding, ...]
    carried_by: tuple[Carrier, ...] = ()
    tables: tuple[Table, ...] = ()
    loses: str = ""
    """The regime in which the idea loses."""


class Bench(Protocol):
    """What a study may use of the machine."""

    @property
    def form(self) -> Form:
        """How much is asked for."""
        ...

    def pick(self, *, ci: T, reduced: T, full: T) -> T:
        """Return what the form needs."""
        ...

    def seeds(self) -> range:
        """Return the seeds of the form: two, three, five."""
        ...

    def data(self, relative: str) -> Path | None:
        """Return a file of the data folder, or none where it is absent; its hash becomes an input of the result."""
        ...

    def each(self, function: Callable[[C], Json], cases: Sequence[C]) -> list[Json]:
        """Return the function's result for every case, in order, computed on all cores.

        ``function`` is a top-level function, a case a frozen dataclass of JSON values (paths as text), a result
        JSON. Results are kept on disk by case and by the code they came from, so an interrupted study goes on.
        """
        ...


@dataclass(frozen=True, slots=True)
class Paper:
    """One paper and how it is reproduced."""

    key: str
    title: str
    citation: str
    policies: tuple[str, ...]
    """Modules of the product that decide, e.g. "wattline.policy.admit"."""
    wired: str
    """Where they are wired into the product, or that they are not yet."""
    study: Callable[[Bench], Study]
    unknown: tuple[str, ...] = ()
    """What the paper leaves open, and what stands in its place."""
