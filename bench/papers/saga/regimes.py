"""Parts left out, tools that vary, and what carries the findings."""

from dataclasses import replace
from statistics import fmean

from bench.papers.saga import claims, reasons
from bench.papers.saga.cluster import alone
from bench.papers.saga.ladder import HELD, HIGH, LOW, WHOLE, Rows, over, ratio
from bench.papers.saga.rules import ABLATIONS, UNLEARNT
from bench.papers.saga.sweep import BASE, Runs, frozen, in_memory
from bench.papers.saga.workload import stream, tools_share
from bench.papers.study import Carrier, Finding, Form, Json, Table

STRAY = "no affinity"


def ablations(runs: Runs, rows: Rows) -> tuple[Finding, Table]:
    """Return what each missing part costs at the high load."""
    names = runs.bench.pick(
        ci=(STRAY, "LRU for next use"),
        reduced=(STRAY, "LRU for next use", "no holds"),
        full=tuple(ABLATIONS),
    )
    found = runs.of({name: runs.at(name, HIGH) for name in names})
    whole = rows[HIGH][WHOLE]
    slower = {
        name: [one["mean"] / other["mean"] for one, other in zip(results, whole, strict=True)]
        for name, results in found.items()
    }
    others = [values for name, values in slower.items() if name != STRAY]
    samples = [mine / max(rest) for mine, *rest in zip(slower[STRAY], *others, strict=True)]
    told = tuple(
        (
            name,
            f"{100 * (fmean(values) - 1):+.0f} %",
            f"{fmean(one['again'] for one in found[name]):.3f}",
            f"{sum(one['again'] > reasons.THRASHES for one in found[name])} of {len(values)}",
        )
        for name, values in slower.items()
    )
    head = ("less", "completion time", "recomputed", "seeds that thrash")
    return over(claims.AFFINITY, samples, reasons.parts(slower)), Table(
        f"Full less one part, load {HIGH:g}", head, told
    )


def variation(runs: Runs, rows: Rows) -> tuple[list[Finding], Table]:
    """Return what tools of another spread and the same mean do to full."""
    values = runs.bench.pick(ci=(0.5, 3.0), reduced=(0.5, 3.0), full=(0.5, 1.0, 1.5, 2.0, 3.0))
    wanted = {f"{value:g}": runs.at(WHOLE, LOW, variation=value) for value in values}
    ends = {name: wanted.pop(name) for name in ("0.5", "3")}
    found = runs.of(ends) | runs.of(wanted, runs.few)
    unlearnt = high = None
    if runs.bench.form is not Form.CI:
        probed = {
            UNLEARNT: runs.at(UNLEARNT, LOW, variation=reasons.WILD),
            WHOLE: runs.at(WHOLE, HIGH, variation=reasons.WILD),
        }
        unlearnt, high = runs.of(probed, runs.few).values()
    told = tuple(
        (
            name,
            f"{fmean(one['mean'] for one in results):.0f} s",
            f"{fmean(one['held_right'] for one in results):.1f} %",
            f"{fmean(one['again'] for one in results):.3f}",
        )
        for name, results in sorted(found.items(), key=lambda item: float(item[0]))
    )
    steady, wild = found["0.5"], found["3"]
    tasks = stream(0, 200, None)
    share = tools_share(tasks, [alone(task) for task in tasks])
    loaded = None if high is None else _mean(high) / _mean(rows[HIGH][WHOLE][: len(high)])
    return (
        [
            ratio(claims.VARIATION, wild, steady, "mean", reasons.tools(steady, wild, share, loaded)),
            over(claims.HELD_STEADY, [one["held_right"] for one in steady], reasons.held(unlearnt)),
            over(claims.HELD_WILD, [one["held_right"] for one in wild], reasons.held(unlearnt)),
        ],
        Table(
            f"Tool times by coefficient of variation, load {LOW:g}",
            ("CV", "completion", "ended while held", "recomputed"),
            told,
        ),
    )


def carriers(runs: Runs, rows: Rows) -> tuple[Carrier, ...]:
    """Return what the least certain parameters do to the findings."""
    if runs.bench.form is Form.CI:
        return ()
    said = "; ".join(f"{load:g}: {_ratio(results)}" for load, results in rows.items())
    out = [
        Carrier(
            "load, in shares of prefix-LRU's capacity",
            " to ".join(f"{load:g}" for load in (min(rows), max(rows))),
            f"prefix-LRU over full {said}",
        )
    ]
    compared = {name: rows[HIGH][name][: len(runs.few)] for name in (BASE, WHOLE, HELD)}
    for value in runs.bench.pick(ci=(), reduced=(3.0,), full=(0.5, 3.0)):
        found = runs.of({name: runs.at(name, HIGH, variation=value) for name in (BASE, WHOLE)}, runs.few)
        out.append(
            Carrier(
                f"spread of tool times, load {HIGH:g}",
                f"the table's → CV {value:g}",
                f"prefix-LRU over full {_ratio(compared)} → {_ratio(found)}",
            )
        )
    if runs.bench.form is Form.FULL:
        half = runs.hours / 2
        short = runs.of({name: runs.at(name, HIGH, hours=half) for name in (BASE, WHOLE, HELD)}, runs.few)
        out.append(
            Carrier(
                f"hours of arrivals, load {HIGH:g}: a cluster that thrashes does not come back",
                f"{runs.hours:g} → {half:g}",
                f"{_horizon(compared)} → {_horizon(short)}",
            )
        )
    for value in (0.7, 1.3):
        at_once = round(value * in_memory(None))
        seeds = runs.bench.pick(ci=runs.seeds[:1], reduced=runs.seeds[:1], full=runs.few)
        cases = [
            replace(runs.case(BASE, seed, at_once=at_once), workers=1, hours=1.0, memory=value)
            for seed in seeds
        ]
        tokens = runs.bench.each(frozen, cases)
        told = ", ".join(
            f"{name} {fmean(one[name] / max(1, one['Bélády']) for one in tokens):.2f}"
            for name in ("prefix-LRU", "WA-LRU", "next use")
        )
        out.append(Carrier("KV memory, as many tasks as it holds", f"1 → {value:g}", f"over Bélády: {told}"))
    return tuple(out)


def _ratio(results: dict[str, list[Json]]) -> str:
    each = [a["mean"] / b["mean"] for a, b in zip(results[BASE], results[WHOLE], strict=True)]
    return f"{fmean(each):.2f}× ({', '.join(f'{value:.2f}' for value in each)})"


def _horizon(results: dict[str, list[Json]]) -> str:
    lost = sum(one["again"] > reasons.THRASHES for one in results[BASE])
    held = _mean(results[WHOLE]) / _mean(results[HELD])
    return f"prefix-LRU over full {_ratio(results)}, {lost} of {len(results[BASE])} thrash, full over full with admission {held:.2f}×"


def _mean(results: list[Json]) -> float:
    return fmean(one["mean"] for one in results)
