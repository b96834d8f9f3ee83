"""The page of a sweep: its main figures by variant, with intervals over seeds."""

from collections.abc import Sequence
from html import escape
from importlib.metadata import version

from matplotlib.axes import Axes

from wattline.pages import html, plots
from wattline.pages.plots import Draw, titled
from wattline.study.intervals import Interval
from wattline.study.quantities import BY_KEY, QUANTITIES, Quantity
from wattline.study.sweep import Variant

PLOTTED = (
    "joules_per_finished_run", "mean_watts", "tokens_per_second_per_agent_p5", "run_seconds_p95",
    "ttft_seconds_p99", "over_budget_seconds",
)  # fmt: skip


_LABEL = (
    "Simulated, not a hardware result. Means over seeds with their 95 % intervals, by Student's t. Whether two variants "
    "differ is told by wattline compare, which pairs them seed by seed."
)


def page(made: Sequence[Variant], origin: str) -> str:
    """Return the whole page."""
    counts = sorted({len(variant.results) for variant in made})
    body = [
        "<h1>A sweep over variants</h1>",
        html.note(_LABEL),
        html.facts(
            [
                ("fleet", origin),
                ("asked", _common(made)),
                ("variants", str(len(made))),
                ("seeds of each", " or ".join(str(count) for count in counts)),
                ("wattline", version("wattline")),
            ]
        ),
        "<h2>By variant</h2>",
        plots.drawn([_panel(BY_KEY[key], made) for key in PLOTTED], row_inches=1.4 + 0.22 * len(made)),
        "<h2>Figures</h2>",
        html.table(_headings(), [_row(variant) for variant in made], kind="figures"),
        "<h2>What they mean</h2>",
        html.facts([(quantity.title, quantity.means) for quantity in QUANTITIES]),
    ]
    return html.page(f"Wattline, simulated: a sweep over {escape(origin)}", "\n".join(body))


def _common(made: Sequence[Variant]) -> str:
    """Return what was asked the same of every variant."""
    results = [result for variant in made for result in variant.results]
    named = [name for name in (results[0] if results else ()) if name.startswith("asked.")]
    same = {
        name.removeprefix("asked.").replace("_", " "): results[0][name]
        for name in named
        if name not in {"asked.fleet", "asked.seed"} and len({each.get(name) for each in results}) == 1
    }
    return " · ".join(f"{name} {value}" for name, value in same.items() if value is not None)


def _headings() -> list[str]:
    return [
        "variant",
        "seeds",
        *(f"{each.title}{f', {each.unit}' if each.unit else ''}" for each in QUANTITIES),
    ]


def _row(variant: Variant) -> list[str]:
    figures = [_figure(quantity, variant.of(quantity.key)) for quantity in QUANTITIES]
    return [variant.name, str(len(variant.results)), *figures]


def _figure(quantity: Quantity, value: Interval | None) -> str:
    if value is None:
        return "-"
    return quantity.figure(value.mean) + (f" ± {quantity.figure(value.half)}" if value.half else "")


def _panel(quantity: Quantity, made: Sequence[Variant]) -> Draw:
    def draw(axis: Axes) -> None:
        titled(axis, f"{quantity.title}{f', {quantity.unit}' if quantity.unit else ''}")
        for height, variant in enumerate(reversed(made)):
            value = variant.of(quantity.key)
            if value is not None:
                half = (value.half or 0.0) * quantity.scale
                axis.errorbar(
                    [value.mean * quantity.scale],
                    [height],
                    xerr=[half],
                    fmt="o",
                    color=plots.colour(2),
                    capsize=3,
                    markersize=5,
                )
        axis.set_yticks(range(len(made)), [variant.name for variant in reversed(made)])
        axis.set_ylim(-0.6, len(made) - 0.4)
        axis.set_xlim(left=0, right=None if axis.get_xlim()[1] > 0.1 else 1.0)

    return draw
