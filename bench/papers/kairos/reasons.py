"""Why a finding lies outside its band: each reason is measured in the runs of the form, and says its number."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import fmean

from bench.papers.kairos import knees
from bench.papers.kairos.sweep import P5, UNHELD, Report, column, saved

from wattline.policy.clock import KEEN_RATIO
from wattline.world.curve import PERSEUS
from wattline.world.power import PowerModel
from wattline.world.steady import steady

Modes = Mapping[str, Sequence[Report]]
THRASHES = 0.3
"""Recomputed share above which a run of the simulator did not come back from a full memory."""
AWAKE_WATTS = 100.0
"""What any light load adds to an idle GPU of the paper [S, one source]."""


def clocked() -> str:
    """Return how much of the draw follows the clock."""
    product = knees.PAPERS.product
    bare = PowerModel(replace(product, busy_watts=0.0), PERSEUS)
    whole = knees.at_clock(knees.PAPERS, PERSEUS, 16, knees.CLOCK_MHZ)
    full, slow = (
        steady(knees.PAPERS, bare, clock, knees.service(16)) for clock in (product.max_mhz, knees.CLOCK_MHZ)
    )
    moved = (slow.watts - product.idle_watts) / (full.watts - product.idle_watts) / whole.rate_ratio
    return (
        f"Of a card that serves 16 turns, {product.idle_watts:.0f} W idle and up to {product.busy_watts:.0f} W merely awake "
        f"follow no clock: at {knees.CLOCK_MHZ} MHz they leave {1 - whole.joules_ratio:.0%} per token, and without them it "
        f"would be {1 - moved:.0%}. A lone turn saves {1 - knees.at_clock(knees.PAPERS, PERSEUS, 1, knees.CLOCK_MHZ).joules_ratio:.0%}."
    )


def thrashing(at: Mapping[float, Modes]) -> str:
    """Return in how many runs the baseline thrashes, and what is saved in the others."""
    calm = []
    lost = 0
    for modes in at.values():
        each = saved(modes["wattline"], modes[UNHELD])
        thrash = [share > THRASHES for share in column(modes[UNHELD], "recomputed_ratio")]
        lost += sum(thrash)
        calm += [value for value, bad in zip(each, thrash, strict=True) if not bad]
    whole = lost + len(calm)
    left = f"; in the others {fmean(calm):.0f} % is saved" if calm else ""
    return (
        f"The baseline thrashes in {lost} of {whole} runs (more than {THRASHES:.0%} of its prefill computed again), from which "
        f"no run came back before arrivals ended{left}. {clocked()}"
    )


def held_windows(modes: Modes) -> str:
    """Return the same runs' P5 at full clocks, with agents held and without."""
    return (
        f"At full clocks the same runs have {fmean(column(modes['full'], P5)):.1f} tok/s with our admission, where a window "
        f"of a held first turn counts as 0, and {fmean(column(modes[UNHELD], P5)):.1f} without it; seed by seed ours has "
        f"{_each(column(modes['wattline'], P5), '.0f')}."
    )


def recomputed(modes: Modes) -> str:
    """Return the same share at full clocks, with agents held and without."""
    ours, full, unheld = (column(modes[name], "recomputed_ratio") for name in ("wattline", "full", UNHELD))
    return f"Seed by seed {_each(ours, '.2f')}; at full clocks with our admission {_each(full, '.2f')}, without it {_each(unheld, '.2f')}."


def hindsight(modes: Modes, best: str) -> str:
    """Return what ours has for the joules above the best clock."""
    ours, other = modes["wattline"], modes[best]
    seconds = [fmean(column(reports, "run_seconds_mean")) for reports in (ours, other)]
    return (
        f"Against {best} MHz ours has a P5 of {fmean(column(ours, P5)):.0f} instead of {fmean(column(other, P5)):.0f} tok/s, and "
        f"runs of {seconds[0]:.0f} instead of {seconds[1]:.0f} s."
    )


def objective(
    rates: Mapping[str, Sequence[Report]],
    loose: Sequence[Report],
    tight: Sequence[Report],
    full: Sequence[Report],
) -> str:
    """Return what constant clocks reach, and what the law reaches and leaves where no baseline thrashes."""
    said = ", ".join(f"{fmean(column(reports, P5)):.0f} at {name}" for name, reports in rates.items())
    left = [fmean(saved(reports, full)) for reports in (loose, tight)]
    return (
        f"P5 at constant clocks with the same admission: {said}. Asked for 45, the law reaches {fmean(column(tight, P5)):.0f} at a "
        f"mean of {fmean(column(tight, 'mean_clock_mhz')):.0f} MHz; past {KEEN_RATIO:.0%} of the speed of full clocks it goes faster "
        f"only where that alone meets the objective. Against full clocks with the same admission, its "
        f"saving goes from {left[0]:.1f} to {left[1]:.1f} %: a share of {left[1] / left[0]:.2f} is left."
    )


def again_share(named: Mapping[str, Sequence[Report]]) -> str:
    """Return what was computed again, by name and seed."""
    said = "; ".join(
        f"{name}: {_each(column(reports, 'recomputed_ratio'), '.2f')}" for name, reports in named.items()
    )
    return f"Share of prefill computed again, seed by seed: {said}."


def awake(ours: Sequence[Report], base: Sequence[Report]) -> str:
    """Return what routing would save where a replica whose agents are all at their tools stayed awake."""
    waiting = [fmean(column(reports, "replicas_waiting")) for reports in (ours, base)]
    joules = [
        fmean(
            (one["joules"] + AWAKE_WATTS * one["replicas_waiting"] * one["seconds"]) / one["runs_finished"]
            for one in reports
        )
        for reports in (ours, base)
    ]
    return (
        f"Here a replica whose agents are all at their tools draws as little as an empty one. On average {waiting[1]:.1f} replicas "
        f"stand so, {waiting[0]:.1f} with ours: with the paper's {AWAKE_WATTS:.0f} W for each, ours would save "
        f"{1 - joules[0] / joules[1]:.0%} of the joules per run."
    )


def _each(values: Sequence[float], form: str) -> str:
    return ", ".join(format(value, form) for value in values)
