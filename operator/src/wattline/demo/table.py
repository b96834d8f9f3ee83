"""The demo's table: one row a pass, the same for real processes and for the simulator."""

from collections.abc import Sequence
from dataclasses import dataclass

from wattline.demo.result import PassResult
from wattline.sim.report import Report

FULL_MEMORY = 0.95
"""From this resident share on a replica is marked: it evicts what its agents come back for."""


@dataclass(frozen=True, slots=True)
class Row:
    """One pass in figures."""

    name: str
    peak_watts: float
    mean_watts: float
    budget_watts: float
    clock: str
    max_celsius: float
    resident_share: float | None
    """Of the fullest replica at its fullest; none where it was not watched."""
    runs_done: int
    runs_offered: int
    joules_per_run: float | None
    over_budget_seconds: float
    recomputed_ratio: float

    def cells(self) -> tuple[str, ...]:
        """Return the row as text."""
        return (
            self.name,
            kilowatts(self.peak_watts),
            kilowatts(self.mean_watts),
            kilowatts(self.budget_watts),
            self.clock,
            f"{self.max_celsius:.0f} °C",
            _share(self.resident_share),
            f"{self.runs_done}/{self.runs_offered} done",
            "-" if self.joules_per_run is None else f"{self.joules_per_run / 1000:.1f} kJ",
            f"{_over(self.over_budget_seconds)}, {self.recomputed_ratio:.0%} recomputed",
        )


HEADINGS = (
    "",
    "peak",
    "mean",
    "budget",
    "clock",
    "GPU max",
    "resident",
    "runs",
    "joules/run",
    "",
)


def measured(result: PassResult, budget_watts: float) -> Row:
    """Return the row of a pass that was played."""
    return Row(
        result.name,
        result.peak_watts,
        result.mean_watts,
        budget_watts,
        _clocks(result),
        result.max_celsius,
        result.highest_resident,
        result.runs_done,
        result.runs_offered,
        result.joules_per_run,
        result.over_budget_seconds(budget_watts),
        result.recomputed_ratio,
    )


def simulated(name: str, report: Report, budget_watts: float, clock: str) -> Row:
    """Return the row of a pass that was simulated."""
    moved = None if report.mean_clock_mhz is None else f"mean {report.mean_clock_mhz:.0f}"
    return Row(
        name,
        report.peak_watts or 0.0,
        report.mean_watts,
        budget_watts,
        moved or clock,
        report.max_celsius,
        None,
        report.runs_finished,
        report.runs_offered,
        report.joules_per_finished_run,
        report.over_budget_seconds,
        report.recomputed_ratio,
    )


def text(rows: Sequence[Row]) -> str:
    """Return the table as plain text."""
    lines = [HEADINGS, *(row.cells() for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEADINGS))]
    left = {0, len(HEADINGS) - 1}
    return "\n".join(
        "  ".join(
            cell.ljust(width) if column in left else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def kilowatts(watts: float) -> str:
    """Return watts as people say them of a rack."""
    return f"{watts / 1000:.2f} kW"


def _clocks(result: PassResult) -> str:
    if result.uniform_watts is not None:
        return f"{result.uniform_watts:.0f} W each"
    clocks = result.busy_clocks()
    if not clocks:
        return "-"
    low, high = clocks[len(clocks) // 20], clocks[-1 - len(clocks) // 20]
    return f"{low}" if low == high else f"{low}-{high}"


def _share(share: float | None) -> str:
    if share is None:
        return "-"
    return f"{share:.0%}{' !' if share >= FULL_MEMORY else ''}"


def _over(seconds: float) -> str:
    return f"over budget for {seconds:.0f} s" if seconds else "never over"
