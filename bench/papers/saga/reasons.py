"""Why a finding lies outside its band: each reason is measured in the runs of the form, and says its number."""

from collections.abc import Mapping, Sequence
from math import exp, log, sqrt
from statistics import NormalDist, fmean

from bench.papers.study import Json

THRASHES = 0.3
"""Recomputed share above which a cluster did not come back from full memories."""
WILD = 3.0
"""Coefficient of variation at the end of the paper's sweep."""


def thrashing(named: Mapping[str, Sequence[Json]], key: str) -> str:
    """Return which of two rungs thrash in how many seeds, and the ratio of ``key`` where neither does."""
    (over_name, over), (under_name, under) = named.items()
    lost = [[one["again"] > THRASHES for one in results] for results in (over, under)]
    calm = [
        one[key] / other[key]
        for one, other, bad, worse in zip(over, under, *lost, strict=True)
        if not (bad or worse)
    ]
    left = f"; where neither does the ratio is {fmean(calm):.2f}" if calm else ""
    spent = (
        fmean(one["again_time"] for results in (over, under) for one in results if one["again"] <= THRASHES)
        if calm
        else 0.0
    )
    return (
        f"{over_name} thrashes in {sum(lost[0])} of {len(over)} seeds (more than {THRASHES:.0%} of its prefill computed again), "
        f"{under_name} in {sum(lost[1])}{left}"
        + (
            f", and {spent:.1%} of the time goes into computing again (paper: 38 %, and 8 % with SAGA)."
            if calm
            else "."
        )
    )


def means(results: Mapping[str, Sequence[Json]], names: Sequence[str]) -> str:
    """Return the rungs' completion times, seed by seed."""
    return "Seed by seed: " + "; ".join(f"{name} {_each(results[name])} s" for name in names) + "."


def batch(results: Sequence[Json]) -> str:
    """Return how much slower tasks are than alone where nothing is computed again."""
    return (
        f"{fmean(one['again'] for one in results):.1%} of the prefill is computed again; a task takes "
        f"{fmean(one['ratio'] for one in results):.2f} times as long as alone."
    )


def at_once(what: str, above: Mapping[int, Json], under: Mapping[int, Json], key: str) -> str:
    """Return a ratio by the number of tasks that are always open: how it comes with memory that is full."""
    said = ", ".join(f"{above[count][key] / under[count][key]:.2f} at {count}" for count in above)
    return f"With so many tasks always open, {what}: {said}."


def neighbours(ratios: Mapping[int, Sequence[float]]) -> str:
    """Return the ratio, seed by seed, at the numbers of tasks around the one where contexts fill memory on average."""
    said = "; ".join(
        f"{count}: {', '.join(f'{value:.2f}' for value in values)}" for count, values in ratios.items()
    )
    return f"The ratio by tasks at once, seed by seed: {said}."


def tools(steady: Sequence[Json], wild: Sequence[Json], share: float, high: float | None) -> str:
    """Return why longer tails of tools do not lengthen tasks."""
    more = (
        ""
        if high is None
        else f" At load 0.9 completion at CV 3 is {high:.2f} times that with the table's times."
    )
    return (
        f"The mean of a tool's time stays, and tools are {share:.0%} of a task's time alone; of the prefill "
        f"{fmean(one['again'] for one in steady):.1%} is computed again at CV 0.5 and {fmean(one['again'] for one in wild):.1%} "
        f"at CV 3, so nothing that a longer tool could lose is lost.{more}"
    )


def held(unlearnt: Sequence[Json] | None) -> str:
    """Return what holds do at a CV of three: as learnt, as the table has them, and cut by half."""
    spread = sqrt(log(1 + WILD * WILD))
    cut = NormalDist().cdf(1.6449 - log(2) / spread)
    needed = exp(NormalDist().inv_cdf(0.71) * spread - spread * spread / 2)
    known = (
        ""
        if unlearnt is None
        else f" With the table's curves, not learnt, {fmean(one['held_right'] for one in unlearnt):.0f} % end while held: the table's own spread is as wide."
    )
    return (
        f"A hold is the P95 of the tool's times, whatever their spread.{known} Even holds cut by half for pressure would last for "
        f"{cut:.0%} of the calls at CV 3; the paper's 71 % needs holds of {needed:.2f} mean tool times."
    )


def parts(slower: Mapping[str, Sequence[float]]) -> str:
    """Return what each missing part costs."""
    return (
        "Slower by: "
        + ", ".join(f"{name} {100 * (fmean(values) - 1):+.0f} %" for name, values in slower.items())
        + "."
    )


def _each(results: Sequence[Json]) -> str:
    return ", ".join(f"{one['mean']:.0f}" for one in results)
