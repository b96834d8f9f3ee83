"""An answer of the simulator on a terminal: what was asked, what became of pools and domains, what it means."""

from collections.abc import Sequence

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table

from wattline.study import asked
from wattline.study.answer import Answer
from wattline.study.meaning import sentences
from wattline.study.shown import counted, domain_cells, figure, kilojoules, pool_cells, span, watts

_WIDEST = 10_000
"""Columns at which no table is cut."""


def show(answer: Answer, out: Console) -> None:
    """Print an answer."""
    out.print("Simulated, not a hardware result", style="bold", highlight=False)
    for name, text in asked.lines(answer):
        out.print(f"{name:<10}{text}", highlight=False, markup=False, soft_wrap=True)
    for note in answer.notes:
        out.print(f"{'trace':<10}{note}", highlight=False, markup=False, soft_wrap=True)
    for rows in (_pools(answer), _domains(answer), _whole(answer)):
        if len(rows) > 1:
            out.print()
            out.print(_fitting(rows, out), highlight=False)
    out.print()
    for sentence in sentences(answer):
        mark, style = ("!", "yellow") if sentence.alarming else (" ", "")
        out.print(f"{mark} {sentence.text}.", style=style, highlight=False, markup=False, soft_wrap=True)


def _pools(answer: Answer) -> list[tuple[str, ...]]:
    header = (
        "POOL", "REPLICAS", "RUNS DONE", "RUN P50", "RUN P95", "FIRST TOKEN P50", "P99", "SLOW AGENTS (P5)",
        "RECOMPUTED", "ENERGY/RUN",
    )  # fmt: skip
    return [header, *(tuple(pool_cells(pool)) for pool in answer.report.pools)]


def _domains(answer: Answer) -> list[tuple[str, ...]]:
    header = ("DOMAIN", "GPUS", "BUDGET FOR GPUS", "MEAN DRAW", "PEAK (1 s)", "OVER BUDGET")
    seconds = answer.report.seconds
    return [header, *(tuple(domain_cells(domain, seconds)) for domain in answer.report.domains)]


def _whole(answer: Answer) -> list[tuple[str, ...]]:
    report = answer.report
    return [
        ("FLEET", "LENGTH", "ENERGY", "ENERGY/RUN", "MEAN DRAW", "MEAN CLOCK", "HOTTEST GPU", "THROTTLED"),
        (
            counted(len(answer.question.fleet.pools), "pool"),
            span(report.seconds),
            f"{report.joules / 3.6e6:.2f} kWh",
            kilojoules(report.headline_joules_per_run),
            watts(report.mean_watts),
            figure(report.mean_clock_mhz, "MHz", 0),
            f"{report.max_celsius:.0f} °C",
            span(report.throttle_seconds) if report.throttle_seconds else "never",
        ),
    ]


def _fitting(rows: Sequence[Sequence[str]], out: Console) -> Table:
    """Return the table; on its side where the terminal is too narrow for it, so that no figure is cut off."""
    table = _table(rows)
    if Measurement.get(out, out.options.update(width=_WIDEST), table).maximum <= out.width:
        return table
    return _table(list(zip(*rows, strict=True)))


def _table(rows: Sequence[Sequence[str]]) -> Table:
    header, *body = rows
    table = Table(box=None, pad_edge=False, header_style="bold")
    for index, column in enumerate(header):
        table.add_column(column, justify="right" if index else "left", no_wrap=True)
    for row in body:
        table.add_row(*row)
    return table
