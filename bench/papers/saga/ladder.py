"""The ladder over load: order, completion, objective and memory."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from statistics import fmean

from bench.papers.saga import claims, reasons
from bench.papers.saga.rules import LADDER
from bench.papers.saga.sweep import BASE, SHARES, Runs
from bench.papers.study import Claim, Finding, Form, Json, Table

HIGH = 0.9
"""Load at which rungs are compared."""
LOW = 0.5
LIGHT = 0.25
WHOLE, HELD = "full", "full, admission"
CLIMBED = ("LRU", BASE, "WA-LRU", WHOLE)

Rows = dict[float, dict[str, list[Json]]]
"""Results by load and rung, seed by seed."""


def played(runs: Runs) -> Rows:
    """Return the rungs' results; short forms play all of them at the high load only."""
    form = runs.bench.form
    if form is Form.FULL:
        wanted = dict.fromkeys((LIGHT, LOW, 0.7, HIGH, 0.95), tuple(LADDER))
    elif form is Form.REDUCED:
        wanted = {LIGHT: (BASE, WHOLE), LOW: (BASE, WHOLE), HIGH: tuple(LADDER)}
    else:
        wanted = {LOW: (WHOLE,), HIGH: CLIMBED}
    return {load: runs.of({name: runs.at(name, load) for name in names}) for load, names in wanted.items()}


def findings(runs: Runs, rows: Rows) -> tuple[Finding, ...]:
    """Return what is found on the ladder; what hangs on whether a cluster thrashes is not said of the shortest form."""
    high, low = rows[HIGH], rows[LOW]
    out = [
        _order(high),
        over(claims.OBJECTIVE, [result["inside"] for result in low[WHOLE]], reasons.batch(low[WHOLE])),
    ]
    if runs.bench.form is Form.CI:
        return tuple(out)
    base, whole, held = (high[name] for name in (BASE, WHOLE, HELD))
    closed = {name: runs.closed(name) for name in (BASE, WHOLE)}
    thrash = reasons.thrashing({BASE: base, WHOLE: whole}, "mean")
    finished = reasons.at_once(
        "tasks that full finishes over prefix-LRU's", closed[WHOLE], closed[BASE], "per_second"
    )
    live = reasons.at_once("memory of live sessions", closed[WHOLE], closed[BASE], "live")
    at_load = reasons.thrashing({WHOLE: whole, BASE: base}, "live")
    return (
        *out,
        ratio(claims.FASTER, base, whole, "mean", f"{thrash} {finished}"),
        ratio(claims.MEMORY, whole, base, "live", f"{at_load} {live}"),
        ratio(claims.ADMITTED, whole, held, "mean", reasons.thrashing({WHOLE: whole, HELD: held}, "mean")),
    )


def tables(runs: Runs, rows: Rows) -> tuple[Table, ...]:
    """Return a table a load, and how far each rung goes with its tasks near their time alone."""
    out = [_table(load, results) for load, results in rows.items()]
    if runs.bench.form is not Form.CI:
        out.append(_inside(rows))
    return tuple(out)


def capacities(runs: Runs) -> tuple[Table, ...]:
    """Return what rungs finish at their best number at once, and in the full form what they do at shares of that."""
    if runs.bench.form is Form.CI:
        return ()
    full = runs.bench.form is Form.FULL
    loads = (LOW, 0.7, HIGH, 0.95) if full else ()
    rows = []
    for name in LADDER if full else (BASE, WHOLE):
        most, at_once = runs.capacity(name)
        own = {
            f"{load:g}": replace(runs.at(name, load), rate=load * most, under_way=round(load * at_once))
            for load in (loads if name in (BASE, WHOLE) else ())
        }
        cells = [
            f"{fmean(one['mean'] for one in found):.0f} s, {fmean(one['inside'] for one in found):.0f} %"
            for found in runs.of(own).values()
        ]
        rows.append((name, f"{3600 * most:.0f}", str(at_once), *(cells or ["–"] * len(loads))))
    title = "What each rung finishes at its best number of tasks at once" + (
        ", and completion and tasks within 1.5 × their time alone at shares of that" if full else ""
    )
    head = ("rung", "tasks/h and worker", "at once", *(f"{load:g}" for load in loads))
    return (Table(title, head, tuple(rows)),)


def over(claim: Claim, samples: Sequence[float], reason: str) -> Finding:
    """Return a finding, with its reason where it lies outside the band."""
    finding = Finding(claim, tuple(samples))
    return finding if finding.accepted else replace(finding, reason=reason)


def ratio(claim: Claim, above: list[Json], under: list[Json], key: str, reason: str) -> Finding:
    """Return a ratio, seed by seed."""
    return over(claim, [one[key] / other[key] for one, other in zip(above, under, strict=True)], reason)


def _order(results: dict[str, list[Json]]) -> Finding:
    means = [fmean(one["mean"] for one in results[name]) for name in CLIMBED]
    # Two rungs that recompute nothing are equal but for the order of events: half a percent.
    holds = sum(slower >= 0.995 * faster for slower, faster in pairwise(means))
    return over(claims.ORDER, [holds], reasons.means(results, CLIMBED))


def _inside(rows: Rows) -> Table:
    names = [name for name in LADDER if all(name in results for results in rows.values())]
    out = []
    for name in names:
        shares = {load: fmean(one["inside"] for one in results[name]) for load, results in rows.items()}
        kept = [load for load in shares if all(shares[below] >= 99 for below in shares if below <= load)]
        out.append(
            (name, *(f"{share:.1f} %" for share in shares.values()), f"{kept[-1]:g}" if kept else "none")
        )
    head = ("rung", *(f"{load:g}" for load in rows), "highest load with 99 %")
    return Table("Tasks within 1.5 × their time alone, by load", head, tuple(out))


def _table(load: float, results: dict[str, list[Json]]) -> Table:
    rows = []
    for name, found in results.items():

        def mean(key: str, found: list[Json] = found) -> float:
            return fmean(one[key] for one in found)

        quantiles = [fmean(one["quantiles"][index] for one in found) for index in range(len(SHARES))]
        rows.append((
            name, f"{mean('mean'):.0f}", " / ".join(f"{value:.0f}" for value in quantiles), f"{mean('inside'):.1f} %",
            f"{mean('again'):.3f}", f"{100 * mean('again_time'):.0f} %", f"{100 * mean('live'):.0f} %", f"{mean('unfinished'):.0f}/{mean('tasks'):.0f}",
        ))  # fmt: skip
    head = (
        "rung", "completion s", " / ".join(f"P{100 * share:g}" for share in SHARES), "within 1.5 ×", "recomputed",
        "time spent on it", "memory live", "unfinished",
    )  # fmt: skip
    return Table(f"Load {load:g}", head, tuple(rows))
