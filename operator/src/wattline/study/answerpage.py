"""The page of one answer: what was asked, what became of it over time, and how it is spread."""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from importlib.metadata import version

from matplotlib.axes import Axes

from wattline.pages import html, plots
from wattline.pages.plots import Draw, over_time, titled
from wattline.sim.series import Curves, Series
from wattline.study import asked
from wattline.study.answer import Answer
from wattline.study.meaning import sentences
from wattline.study.quantities import QUANTITIES
from wattline.study.shown import domain_cells, pool_cells

MOST_LINES = len(plots.COLOURS)
"""More domains than this are not told apart in one plot."""

Column = Sequence[float | int | None]


_LABEL = (
    "Simulated, not a hardware result: GPUs and engines are models fitted to public measurements, the policies are the "
    "product's own."
)


def page(answer: Answer) -> str:
    """Return the whole page."""
    report = answer.report
    name = asked.gpus(answer.question)
    said = [(f"{each.text}.", "alarm" if each.alarming else "") for each in sentences(answer)]
    body = [
        f"<h1>Simulated: {escape(name)}</h1>",
        html.note(_LABEL),
        html.facts([*asked.lines(answer), *(("trace", note) for note in answer.notes)]),
        "<h2>What it means</h2>",
        html.listed(said),
        "<h2>Pools</h2>",
        html.table(_POOL_HEADINGS, _pools(answer), kind="figures"),
    ]
    if report.domains:
        body += ["<h2>Power domains</h2>", html.table(_DOMAIN_HEADINGS, _domains(answer), kind="figures")]
    if report.series is not None and report.series.at_seconds:
        body += ["<h2>Over time</h2>", plots.drawn(_over_time(answer, report.series))]
    if report.curves is not None:
        body += ["<h2>How waits and rates are spread</h2>", plots.drawn(_spread(report.curves), columns=3)]
    body += ["<h2>All figures</h2>", html.table(("", "", "production's metric", ""), _figures(answer))]
    body += ["<h2>Where it is from</h2>", html.facts(_provenance(answer))]
    return html.page(f"Wattline, simulated: {name}", "\n".join(body))


_POOL_HEADINGS = (
    "pool", "replicas", "runs done", "run P50", "run P95", "first token P50", "P99", "agent rate P5",
    "recomputed", "energy/run", "rate asked",
)  # fmt: skip
_DOMAIN_HEADINGS = ("domain", "GPUs", "budget for GPUs", "mean draw", "highest second", "over budget")


def _pools(answer: Answer) -> Iterable[tuple[str, ...]]:
    for pool in answer.report.pools:
        yield (*pool_cells(pool), f"{pool.objective_tokens_per_second:g} tok/s")


def _domains(answer: Answer) -> Iterable[tuple[str, ...]]:
    for domain in answer.report.domains:
        yield domain_cells(domain, answer.report.seconds)


def _figures(answer: Answer) -> Iterable[tuple[str, ...]]:
    flat = answer.report.flat()
    for quantity in QUANTITIES:
        yield quantity.title, quantity.text(flat.get(quantity.key)), quantity.metric, quantity.means


def _provenance(answer: Answer) -> list[tuple[str, str]]:
    hashes = {"version": version("wattline"), **answer.hashes}
    rows = [(name.replace("_sha256", ", SHA-256"), text) for name, text in hashes.items() if text]
    options = {name.removeprefix("asked."): value for name, value in answer.question.asked().items()}
    return [
        *((name, str(value)) for name, value in options.items() if value is not None),
        *rows,
    ]


# Plots.


def _over_time(answer: Answer, series: Series) -> list[Draw]:
    unit, label = _clockwork(series.at_seconds[-1])
    at = [0.0, *(moment / unit for moment in series.at_seconds)]
    budgets = {domain.name: domain.budget_watts for domain in answer.report.domains}
    step = series.at_seconds[0]

    def draw_watts(axis: Axes) -> None:
        lines = _fullest(series.domain_watts, budgets) or {"all GPUs": series.watts}
        for index, (name, values) in enumerate(lines.items()):
            axis.plot(at[1:], _thousandth(values), color=plots.colour(index), linewidth=1.1, label=name)
            if name in budgets:
                axis.axhline(budgets[name] / 1000, color=plots.colour(index), linestyle="--", linewidth=1)
        axis.set_ylim(bottom=0)
        _legend(axis, lines)
        dashed = ", budget dashed" if budgets else ""
        dashed += f"; the {MOST_LINES} fullest of {len(budgets)}" if len(budgets) > MOST_LINES else ""
        over_time(axis, f"Draw of GPUs by domain, kW (mean of {step:g} s{dashed})", label)

    def draw_clock(axis: Axes) -> None:
        axis.plot(at[1:], _gaps(series.clock_mhz), color=plots.colour(2), linewidth=1.1)
        over_time(axis, "Mean clock of working GPUs, MHz", label)

    def draw_heat(axis: Axes) -> None:
        axis.plot(at[1:], series.celsius, color=plots.colour(0), linewidth=1.1)
        over_time(axis, "Hottest GPU, °C", label)

    def draw_memory(axis: Axes) -> None:
        for index, (name, tokens) in enumerate(series.resident_tokens.items()):
            shares = [
                100 * held / there if there else 0.0
                for held, there in zip(tokens, series.capacity_tokens[name], strict=True)
            ]
            axis.plot(at[1:], shares, color=plots.colour(index), linewidth=1.1, label=name)
        axis.axhline(100, color="black", linestyle=":", linewidth=1)
        axis.set_ylim(bottom=0)
        _legend(axis, series.resident_tokens)
        over_time(axis, "Resident tokens, % of KV memory", label)

    def draw_running(axis: Axes) -> None:
        _by_pool(axis, at, series.running_turns)
        over_time(axis, "Turns at engines", label)

    def draw_held(axis: Axes) -> None:
        _by_pool(axis, at, series.held_turns)
        over_time(axis, "Turns held at the gateway", label)

    return [draw_watts, draw_memory, draw_clock, draw_running, draw_heat, draw_held]


def _fullest(
    lines: Mapping[str, Sequence[float]], budgets: Mapping[str, float]
) -> Mapping[str, Sequence[float]]:
    """Return the domains that were nearest to their budgets, as many as can be told apart, in their order."""
    near = sorted(lines, key=lambda name: max(lines[name]) / budgets[name], reverse=True)[:MOST_LINES]
    return {name: values for name, values in lines.items() if name in near}


def _by_pool(axis: Axes, at: Sequence[float], values: Mapping[str, Sequence[int]]) -> None:
    for index, (name, column) in enumerate(values.items()):
        axis.plot(at[1:], column, color=plots.colour(index), linewidth=1.1, label=name)
    highest = max(max(column) for column in values.values())
    axis.set_ylim(0, 1.05 * max(1, highest))
    if not highest:
        axis.annotate("none at any moment", (0.5, 0.5), xycoords="axes fraction", ha="center")
    _legend(axis, values)


def _spread(curves: Curves) -> list[Draw]:
    return [
        _cdf("First token, s after a turn's arrival", curves.ttft_seconds, log=True),
        _cdf("Run time, s", curves.run_seconds),
        _cdf("Tokens/s per agent, windows of 30 s", curves.tokens_per_second_per_agent),
    ]


def _cdf(title: str, values: Sequence[float], *, log: bool = False) -> Draw:
    def draw(axis: Axes) -> None:
        titled(axis, title)
        if not values:
            axis.annotate("none", (0.5, 0.5), xycoords="axes fraction", ha="center")
            return
        share_below = [100 * index / (len(values) - 1) for index in range(len(values))]
        axis.plot(values, share_below, color=plots.colour(2), linewidth=1.3)
        axis.set_ylim(0, 100)
        axis.set_ylabel("% are no greater")
        if log and min(values) > 0:
            axis.set_xscale("log")
        else:
            axis.set_xlim(left=0)

    return draw


def _clockwork(seconds: float) -> tuple[float, str]:
    """Return what divides seconds into units that people read, and the units' name."""
    return (3600.0, "hours") if seconds >= 7200 else (60.0, "minutes") if seconds >= 300 else (1.0, "seconds")


def _thousandth(values: Sequence[float]) -> list[float]:
    return [value / 1000 for value in values]


def _gaps(values: Column) -> list[float]:
    return [float("nan") if value is None else float(value) for value in values]


def _legend(axis: Axes, lines: Mapping[str, object]) -> None:
    if len(lines) > 1:
        axis.legend(frameon=False, fontsize=8, ncols=min(4, len(lines)))
