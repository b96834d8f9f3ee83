"""The report's plots, as SVG text that stands inside the page."""

from collections.abc import Callable, Sequence
from statistics import fmean

from matplotlib.axes import Axes

from wattline.demo.result import FleetSecond, PassResult
from wattline.pages import plots
from wattline.pages.plots import COLOURS, over_time


def figure(results: Sequence[PassResult], budget_watts: float) -> str:
    """Return six plots over the world time of the passes, which have the first three colours."""
    return plots.drawn(
        [
            lambda axis: _draw(axis, results, budget_watts),
            lambda axis: _runs(axis, results),
            lambda axis: _resident(axis, results),
            lambda axis: _series(
                axis, results, "Mean clock of working GPUs, MHz (10 s)", _mean_clock, over=10
            ),
            lambda axis: _series(
                axis, results, "Hottest GPU, °C", lambda second: max(gpu.celsius for gpu in second.gpus)
            ),
            lambda axis: _energy(axis, results),
        ]
    )


def _draw(axis: Axes, results: Sequence[PassResult], budget_watts: float) -> None:
    _series(axis, results, "Draw of all GPUs, kW (1 s)", lambda second: second.watts / 1000)
    axis.axhline(budget_watts / 1000, color="black", linestyle="--", linewidth=1)
    axis.annotate("budget", (0, budget_watts / 1000), xytext=(3, 3), textcoords="offset points")
    axis.set_ylim(bottom=0)
    axis.legend(frameon=False, loc="lower center", ncols=3)


def _series(
    axis: Axes,
    results: Sequence[PassResult],
    title: str,
    value: Callable[[FleetSecond], float | None],
    *,
    over: int = 1,
) -> None:
    """Plot a value of each second, averaged over as many as are asked for."""
    for result, colour in zip(results, COLOURS, strict=False):
        points = [(second.at_seconds, value(second)) for second in result.seconds]
        seen = _averaged([(at, height) for at, height in points if height is not None], over)
        axis.plot(
            [at for at, _ in seen],
            [height for _, height in seen],
            color=colour,
            linewidth=1.1,
            label=result.name,
        )
    over_time(axis, title, "world seconds")


def _averaged(points: list[tuple[float, float]], over: int) -> list[tuple[float, float]]:
    groups = [points[start : start + over] for start in range(0, len(points), over)]
    return [(group[-1][0], fmean(height for _, height in group)) for group in groups]


def _runs(axis: Axes, results: Sequence[PassResult]) -> None:
    for result, colour in zip(results, COLOURS, strict=False):
        ends = sorted(
            outcome.finished_seconds for outcome in result.outcomes if outcome.finished_seconds is not None
        )
        last = result.seconds[-1].at_seconds if result.seconds else 0.0
        axis.step(
            [0.0, *ends, last],
            [*range(len(ends) + 1), len(ends)],
            where="post",
            color=colour,
            label=result.name,
        )
    axis.set_ylim(0, max((result.runs_offered for result in results), default=1))
    over_time(axis, "Runs done", "world seconds")


def _resident(axis: Axes, results: Sequence[PassResult]) -> None:
    for result, colour in zip(results, COLOURS, strict=False):
        at = [seen.at_seconds for seen in result.resident]
        axis.plot(at, [100 * max(seen.shares) for seen in result.resident], color=colour, linewidth=1.1)
        axis.plot(
            at, [100 * seen.fleet_share for seen in result.resident], color=colour, linewidth=0.8, alpha=0.5
        )
    axis.axhline(100, color="black", linestyle=":", linewidth=1)
    axis.set_ylim(bottom=0)
    over_time(axis, "Resident tokens, % of KV memory: fullest replica, and mean (pale)", "world seconds")


def _energy(axis: Axes, results: Sequence[PassResult]) -> None:
    names = [result.name for result in results]
    heights = [(result.joules_per_run or 0.0) / 1000 for result in results]
    bars = axis.bar(names, heights, color=COLOURS[: len(results)], width=0.55)
    axis.bar_label(bars, [f"{height:.1f} kJ" if height else "none done" for height in heights], padding=2)
    axis.set_ylim(top=1.12 * max([*heights, 1.0]))
    axis.set_title("Energy of all GPUs for each run done, kJ", loc="left", fontsize=10)


def _mean_clock(second: FleetSecond) -> float | None:
    clocks = second.busy_clocks()
    return sum(clocks) / len(clocks) if clocks else None
