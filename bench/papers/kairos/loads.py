"""Saving, rates and regret over load, and what each mode can bear."""

from collections.abc import Sequence
from dataclasses import replace
from statistics import fmean

from bench.papers.figures import number
from bench.papers.kairos import claims, reasons
from bench.papers.kairos.sweep import (
    CONSTANT,
    LOADS,
    MIDDLE,
    MODES,
    P5,
    UNHELD,
    Report,
    Runs,
    column,
    found,
    saved,
)
from bench.papers.study import Claim, Finding, Form, Table

At = dict[float, dict[str, list[Report]]]
"""Reports by load and mode, seed by seed."""
LIGHTER = (0.1, 0.25)
"""Loads at which nobody waits for long: played only to see how far runs are from their time alone."""


def played(runs: Runs) -> At:
    """Return the reports of all modes of the form."""
    names = runs.bench.pick(
        ci=(UNHELD, "full", "900", "wattline"),
        reduced=(UNHELD, "full", "900", "wattline"),
        full=tuple(MODES),
    )
    runs.prepare(runs.at(MODES[name], load) for load in runs.loads for name in names)
    return {load: {name: runs.of(runs.at(MODES[name], load)) for name in names} for load in runs.loads}


def findings(at: At, form: Form) -> tuple[Finding, ...]:
    """Return what is found over the loads; of the shortest form's single load no mean over loads is said."""
    against = {load: saved(modes["wattline"], modes[UNHELD]) for load, modes in at.items()}
    alone = [saved(modes["wattline"], modes["full"]) for load, modes in at.items() if load <= 0.9]
    slowest = min((load for load in at if load <= MIDDLE), key=lambda load: fmean(_column(at[load], P5)))
    fullest = max(at, key=lambda load: fmean(_column(at[load], "recomputed_ratio")))
    regrets = {load: regret for load, modes in at.items() for regret in [_regret(modes)[1]] if regret}
    out = [
        found(claims.ALONE, _means(alone), reasons.clocked()),
        found(claims.RATE, _column(at[slowest], P5), reasons.held_windows(at[slowest])),
        found(claims.RECOMPUTED, _column(at[fullest], "recomputed_ratio"), reasons.recomputed(at[fullest])),
    ]
    if regrets:
        dearest = max(regrets, key=lambda load: fmean(regrets[load]))
        best = _regret(at[dearest])[0] or "full"
        out.append(found(claims.REGRET, regrets[dearest], reasons.hindsight(at[dearest], best)))
    if form is not Form.CI:
        reason = reasons.thrashing(at)
        most = max(against.values(), key=fmean)
        out[:0] = [
            found(claims.MEAN, _means(list(against.values())), reason),
            found(claims.BEST, most, reason),
        ]
    return tuple(out)


def tables(at: At) -> tuple[Table, ...]:
    """Return a table a load, and the one of hindsight."""
    head = ("load", "cheapest constant clock that meets 20 tok/s in every seed", "ours above it")
    rows = []
    for load, modes in at.items():
        clock, regret = _regret(modes)
        shown = told(claims.REGRET, regret) if regret else "–"
        rows.append((f"{load:g}", clock or "none, full clocks included", shown))
    return (
        *(_table(load, modes) for load, modes in at.items()),
        Table("Against the best constant clock in hindsight", head, tuple(rows)),
    )


def own_capacities(runs: Runs) -> Table:
    """Return what each mode can bear and, in the full form, what it does at shares of that."""
    names = runs.bench.pick(ci=("full",), reduced=("full", "900"), full=(UNHELD, "full", "900", "wattline"))
    loads = LOADS if runs.bench.form is Form.FULL else ()
    rows = []
    for name in names:
        own = runs.capacity(replace(MODES[name], routing="affinity"))
        cells = []
        for load in loads:
            reports = runs.of(runs.at(MODES[name], load), own)
            joules = fmean(report["joules_per_finished_run"] for report in reports)
            rate = fmean(report["tokens_per_second_per_agent_p5"] or 0.0 for report in reports)
            cells.append(f"{joules / 1e3:.2f} kJ, P5 {rate:.0f}")
        rows.append((name, f"{3600 * own:.1f}", *cells))
    title = "One replica while a run is always waiting, and each mode at shares of its own capacity"
    return Table(title, ("mode", "runs/h", *(f"{load:g}" for load in loads)), tuple(rows))


def inside(runs: Runs) -> Table | None:
    """Return how many runs stay within 1.5 times what they take alone, by mode and load; too long for the shortest form."""
    if runs.bench.form is Form.CI:
        return None
    names = (UNHELD, "full", "wattline")
    loads = sorted({*runs.bench.pick(ci=(), reduced=LIGHTER[1:], full=LIGHTER), *runs.loads})
    runs.prepare(runs.at(MODES[name], load) for load in loads for name in names)
    rows = []
    for name in names:
        shares = {
            load: fmean(report["inside_ratio"] for report in runs.of(runs.at(MODES[name], load)))
            for load in loads
        }
        kept = [load for load in loads if all(shares[below] >= 0.99 for below in loads if below <= load)]
        rows.append(
            (
                name,
                *(f"{100 * share:.1f} %" for share in shares.values()),
                f"{kept[-1]:g}" if kept else "none",
            )
        )
    head = ("mode", *(f"{load:g}" for load in loads), "highest load with 99 %")
    return Table("Runs within 1.5 × their time alone at full clocks, by load", head, tuple(rows))


def told(claim: Claim, samples: Sequence[float]) -> str:
    """Return a mean with its interval."""
    finding = Finding(claim, tuple(samples))
    half = finding.half_width
    return f"{number(finding.mean)}{'' if half is None else f' ± {number(half)}'} {claim.unit}".rstrip()


def _column(modes: dict[str, list[Report]], key: str) -> list[float]:
    return column(modes["wattline"], key)


def _means(series: Sequence[Sequence[float]]) -> list[float]:
    """Return the mean over loads of each seed."""
    return [fmean(samples) for samples in zip(*series, strict=True)]


def _regret(modes: dict[str, list[Report]]) -> tuple[str | None, list[float]]:
    """Return the cheapest constant clock that meets the rate in every seed, and what ours costs above it in percent."""
    meets = [
        name for name in CONSTANT if name in modes and all(rate >= 20.0 for rate in column(modes[name], P5))
    ]
    if not meets:
        return None, []
    best = min(meets, key=lambda name: fmean(report["joules_per_finished_run"] for report in modes[name]))
    return best, [-value for value in saved(modes["wattline"], modes[best])]


def _table(load: float, modes: dict[str, list[Report]]) -> Table:
    rows = []
    for name, reports in modes.items():

        def mean(key: str, reports: list[Report] = reports) -> float:
            return fmean(report[key] or 0.0 for report in reports)

        rows.append(
            (
                name,
                f"{mean('joules_per_finished_run') / 1e3:.2f}",
                "–" if name == UNHELD else told(claims.MEAN, saved(reports, modes[UNHELD])),
                f"{mean('mean_watts'):.0f}",
                f"{mean('tokens_per_second_per_agent_p5'):.1f}",
                f"{mean('run_seconds_mean'):.0f}",
                f"{mean('recomputed_ratio'):.3f}",
                f"{100 * mean('inside_ratio'):.0f} %",
                f"{mean('runs_finished'):.0f}/{mean('runs_offered') - mean('runs_outgrown'):.0f}",
            )
        )
    head = ("mode", "kJ per run", "saved", "W", "P5 tok/s", "run s", "recomputed", "within 1.5 ×", "finished")
    return Table(f"Load {load:g}", head, tuple(rows))
