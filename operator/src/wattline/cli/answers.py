"""An answer of the simulator on a terminal: what was asked, what became of pools and domains, what it means."""

from rich.console import Console
from rich.table import Table

from wattline.study import asked
from wattline.study.answer import Answer
from wattline.study.meaning import sentences
from wattline.study.shown import counted, domain_cells, figure, kilojoules, pool_cells, span, watts


def show(answer: Answer, out: Console) -> None:
    """Print an answer."""
    out.print("Simulated, not a hardware result", style="bold", highlight=False)
    for name, text in asked.lines(answer):
        out.print(f"{name:<10}{text}", highlight=False, markup=False, soft_wrap=True)
    for note in answer.notes:
        out.print(f"{'trace':<10}{note}", highlight=False, markup=False, soft_wrap=True)
    for table in (_pools(answer), _domains(answer), _whole(answer)):
        if table.row_count:
            out.print()
            out.print(table, highlight=False)
    out.print()
    for sentence in sentences(answer):
        mark, style = ("!", "yellow") if sentence.alarming else (" ", "")
        out.print(f"{mark} {sentence.text}.", style=style, highlight=False, markup=False, soft_wrap=True)


def _pools(answer: Answer) -> Table:
    table = _table(
        "POOL", "REPLICAS", "RUNS DONE", "RUN P50", "RUN P95", "FIRST TOKEN P50", "P99", "SLOW AGENTS (P5)",
        "RECOMPUTED", "ENERGY/RUN",
    )  # fmt: skip
    for pool in answer.report.pools:
        table.add_row(*pool_cells(pool))
    return table


def _domains(answer: Answer) -> Table:
    table = _table("DOMAIN", "GPUS", "BUDGET FOR GPUS", "MEAN DRAW", "PEAK (1 s)", "OVER BUDGET")
    for domain in answer.report.domains:
        table.add_row(*domain_cells(domain, answer.report.seconds))
    return table


def _whole(answer: Answer) -> Table:
    report = answer.report
    table = _table(
        "FLEET", "LENGTH", "ENERGY", "ENERGY/RUN", "MEAN DRAW", "MEAN CLOCK", "HOTTEST GPU", "THROTTLED"
    )
    table.add_row(
        counted(len(answer.question.fleet.pools), "pool"),
        span(report.seconds),
        f"{report.joules / 3.6e6:.2f} kWh",
        kilojoules(report.headline_joules_per_run),
        watts(report.mean_watts),
        figure(report.mean_clock_mhz, "MHz", 0),
        f"{report.max_celsius:.0f} °C",
        span(report.throttle_seconds) if report.throttle_seconds else "never",
    )
    return table


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for index, column in enumerate(columns):
        table.add_column(column, justify="right" if index else "left", no_wrap=True)
    return table
