"""The page of a comparison: what differs, by how much, and what is chance."""

from importlib.metadata import version

from matplotlib.axes import Axes

from wattline.pages import html, plots
from wattline.study.compare import Comparison, Row, Verdict
from wattline.study.tabled import HEADINGS, cells, seeds

_COLOURS = {Verdict.BETTER: plots.COLOURS[2], Verdict.WORSE: plots.COLOURS[0]}
_GREY = "#6b6b6b"


_LABEL = (
    "Simulated, not a hardware result. Both had the same runs at the same moments under every seed; an interval is 95 %, "
    "by Student's t over the seeds' differences. Of twenty quantities that do not differ, one is expected to look as if "
    "it did."
)


def page(found: Comparison, before: str, after: str) -> str:
    """Return the whole page."""
    shown = [row for row in found.rows if row.verdict is not Verdict.EQUAL]
    asked = [(name, f"{one} → {other}") for name, one, other in found.asked]
    body = [
        "<h1>Two variants, seed by seed</h1>",
        html.note(_LABEL),
        html.facts([("A", before), ("B", after), ("seeds", seeds(found)), *asked]),
        "<h2>In percent of A</h2>" if _plotted(shown) else "",
        _plot(shown),
        "<h2>All figures</h2>",
        html.table(HEADINGS, [cells(row) for row in found.rows]),
        html.note(f"wattline {version('wattline')}"),
    ]
    return html.page("Wattline, simulated: two variants", "\n".join(body))


def _plotted(rows: list[Row]) -> list[Row]:
    return [row for row in rows if row.percent is not None]


def _plot(rows: list[Row]) -> str:
    """Return differences in percent with their intervals, one line each."""
    lines = list(reversed(_plotted(rows)))
    if not lines:
        return ""

    def draw(axis: Axes) -> None:
        for height, row in enumerate(lines):
            if row.percent is not None:
                axis.errorbar(
                    [row.percent.mean],
                    [height],
                    xerr=[row.percent.half or 0.0],
                    fmt="o",
                    color=_COLOURS.get(row.verdict, _GREY),
                    capsize=3,
                    markersize=5,
                )
        axis.axvline(0, color="black", linewidth=1)
        axis.set_yticks(range(len(lines)), [row.quantity.title for row in lines])
        axis.set_xlabel("B against A, %: green is better, red is worse, grey is not told apart or neither")

    return plots.drawn([draw], columns=1, row_inches=1.0 + 0.28 * len(lines))
