"""The simulator's runs of the study, by mode, load and seed."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from bench.papers.kairos.runs import Case, run
from bench.papers.study import Bench, Claim, Finding, Json, varied

DATA = "agentic/agentcgroup_llm_calls.csv.gz"
LOADS = (0.5, 0.7, 0.9, 0.95)
MIDDLE = 0.7
"""Load at which objectives and uncertain parameters are moved."""
SATURATED_RATE = 0.05
"""Runs per second and replica that always leave one waiting."""

BASELINE = Case(1, 0.0, 0.0, 0, routing="affinity", admission=False)
"""The paper's: full clocks, everybody is let in."""
FULL = Case(1, 0.0, 0.0, 0)
OURS = replace(FULL, clock="wattline")
UNHELD = "full, no admission"
CONSTANT = ("full", "1200", "1050", "900", "750")
MODES = {UNHELD: BASELINE, **{clock: replace(FULL, clock=clock) for clock in CONSTANT}, "wattline": OURS}

Report = dict[str, float]
P5 = "tokens_per_second_per_agent_p5"


@dataclass(frozen=True)
class Asked:
    """A case, the capacity its load is a share of, and the trace."""

    case: Case
    rate: float
    data: str | None


def played(asked: Asked) -> Json:
    """Return the report of a case."""
    return run(asked.case, asked.rate, None if asked.data is None else Path(asked.data))


class Runs:
    """Plays cases, each once."""

    def __init__(self, bench: Bench) -> None:
        found = bench.data(DATA)
        self.bench = bench
        self.data = None if found is None else str(found)
        self.seeds = [seed + 1 for seed in bench.seeds()]
        self.hours = bench.pick(ci=1.0, reduced=1.75, full=12.0)
        self.warm_up_hours = bench.pick(ci=0.1, reduced=0.25, full=1.0)
        self.loads: tuple[float, ...] = bench.pick(ci=(MIDDLE,), reduced=(0.5, MIDDLE, 0.95), full=LOADS)
        self._reports: dict[tuple[Case, float], Report] = {}
        self.rate = self.capacity(replace(FULL, routing="affinity"))
        """Capacity that loads are shares of, in runs per second and replica."""

    def at(self, case: Case, load: float, **changed: object) -> Case:
        """Return a case at a load, for the hours of the form."""
        timed = {"hours": self.hours, "warm_up_hours": self.warm_up_hours, **changed}
        return varied(replace(case, load=load), timed)

    def prepare(self, cases: Iterable[Case], rate: float | None = None) -> None:
        """Play all of these at once, on all cores."""
        self._get([(replace(case, seed=seed), rate or self.rate) for case in cases for seed in self.seeds])

    def of(self, case: Case, rate: float | None = None) -> list[Report]:
        """Return the reports of a case, seed by seed."""
        keys = [(replace(case, seed=seed), rate or self.rate) for seed in self.seeds]
        self._get(keys)
        return [self._reports[key] for key in keys]

    def capacity(self, case: Case) -> float:
        """Return the runs per second that a mode finishes on one replica while one is always waiting."""
        hours = self.bench.pick(ci=0.6, reduced=1.0, full=4.0)
        key = replace(case, load=1.0, hours=hours, warm_up_hours=0.0, seed=1), SATURATED_RATE
        self._get([key])
        return self._reports[key]["runs_finished"] / self._reports[key]["seconds"]

    def _get(self, keys: Iterable[tuple[Case, float]]) -> None:
        missing = [key for key in dict.fromkeys(keys) if key not in self._reports]
        results = self.bench.each(played, [Asked(case, rate, self.data) for case, rate in missing])
        self._reports.update(zip(missing, results, strict=True))


def saved(
    ours: Sequence[Report], base: Sequence[Report], key: str = "joules_per_finished_run"
) -> list[float]:
    """Return the saving in percent, seed by seed."""
    return [100 * (1 - mine[key] / theirs[key]) for mine, theirs in zip(ours, base, strict=True)]


def column(reports: Sequence[Report], key: str) -> list[float]:
    """Return a figure, seed by seed; zero where there is nothing to say it of."""
    return [report[key] or 0.0 for report in reports]


def found(claim: Claim, samples: Sequence[float], reason: str) -> Finding:
    """Return a finding, with its reason where it lies outside the band."""
    finding = Finding(claim, tuple(samples))
    return finding if finding.accepted else replace(finding, reason=reason)
