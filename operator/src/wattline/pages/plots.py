"""Plots as SVG text that stands inside a page; the same figures give the same bytes."""

import io
from collections.abc import Callable, Sequence

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

COLOURS = ("#c8553d", "#e0a43a", "#12766f", "#4a6fa5", "#8a5a83", "#6b6b6b", "#9bb03f", "#d98cb3")
"""Told apart in grey too, as far as the first three go."""

Draw = Callable[[Axes], None]


def drawn(draws: Sequence[Draw], *, columns: int = 2, row_inches: float = 3.2) -> str:
    """Return plots side by side, one for each of ``draws``, as one SVG."""
    rows = -(-len(draws) // columns)
    with mpl.rc_context(
        {"svg.fonttype": "none", "svg.hashsalt": "wattline", "font.size": 9, "font.family": "sans-serif"}
    ):
        canvas = Figure(figsize=(11, row_inches * rows), layout="constrained")
        axes = list(canvas.subplots(rows, columns, squeeze=False).flat)
        for axis, draw in zip(axes, draws, strict=False):
            draw(axis)
            axis.spines[["top", "right"]].set_visible(False)
            axis.grid(axis="y", alpha=0.25)
        for axis in axes[len(draws) :]:
            axis.set_visible(False)
        text = io.StringIO()
        canvas.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
    whole = text.getvalue()
    return whole[whole.index("<svg") :]


def titled(axis: Axes, title: str) -> None:
    """Give a plot its title."""
    axis.set_title(title, loc="left", fontsize=10)


def over_time(axis: Axes, title: str, label: str) -> None:
    """Give a plot over time its title and its lower edge."""
    titled(axis, title)
    axis.set_xlabel(label)
    axis.set_xlim(left=0)


def colour(index: int) -> str:
    """Return the colour of the so many-th line."""
    return COLOURS[index % len(COLOURS)]
