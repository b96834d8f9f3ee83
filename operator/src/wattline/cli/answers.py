"""An answer of the simulator on a terminal: what was asked, what became of pools and domains, what it means."""

from rich.console import Console
from rich.table import Table

from wattline.study import asked
from wattline.study.meaning import sentences, share, span, watts
from wattline.study.question import Answer


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
        table.add_row(
            pool.name,
            str(pool.replicas),
            f"{pool.runs_finished}/{pool.runs_offered}",
            _text(pool.run_seconds_p50, "s", 0),
            _text(pool.run_seconds_p95, "s", 0),
            _text(pool.ttft_seconds_p50, "s", 2),
            _text(pool.ttft_seconds_p99, "s", 2),
            _text(pool.tokens_per_second_per_agent_p5, "tok/s", 1),
            share(pool.recomputed_ratio, 1),
            _kilojoules(pool.headline_joules_per_run),
        )
    return table


def _domains(answer: Answer) -> Table:
    table = _table("DOMAIN", "GPUS", "BUDGET FOR GPUS", "MEAN DRAW", "PEAK (1 s)", "OVER BUDGET")
    seconds = answer.report.seconds
    for domain in answer.report.domains:
        over = domain.over_budget_seconds
        table.add_row(
            domain.name,
            str(domain.gpus),
            watts(domain.budget_watts),
            watts(domain.mean_watts),
            watts(domain.peak_watts),
            f"{span(over)}, {share(over, seconds)}" if over else "never",
        )
    return table


def _whole(answer: Answer) -> Table:
    report = answer.report
    table = _table(
        "FLEET", "LENGTH", "ENERGY", "ENERGY/RUN", "MEAN DRAW", "MEAN CLOCK", "HOTTEST GPU", "THROTTLED"
    )
    table.add_row(
        f"{len(answer.question.fleet.pools)} pools" if len(answer.question.fleet.pools) > 1 else "1 pool",
        span(report.seconds),
        f"{report.joules / 3.6e6:.2f} kWh",
        _kilojoules(report.headline_joules_per_run),
        watts(report.mean_watts),
        _text(report.mean_clock_mhz, "MHz", 0),
        f"{report.max_celsius:.0f} °C",
        span(report.throttle_seconds) if report.throttle_seconds else "never",
    )
    return table


def _kilojoules(joules: float | None) -> str:
    return "-" if joules is None else f"{joules / 1000:.2f} kJ"


def _text(value: float | None, unit: str, digits: int) -> str:
    return "-" if value is None else f"{value:,.{digits}f} {unit}"


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for index, column in enumerate(columns):
        table.add_column(column, justify="right" if index else "left", no_wrap=True)
    return table
