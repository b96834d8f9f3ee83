"""SAGA beside ours: the ladder over load, Bélády on a frozen sequence, ablations, and tools that vary."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from statistics import fmean

from bench.papers.page import number
from bench.papers.saga import claims
from bench.papers.saga.cluster import ABLATIONS, LADDER, PHYSICS, mean_steps
from bench.papers.saga.frozen import RULES
from bench.papers.saga.sweep import SHARES, Runs, frozen, in_memory
from bench.papers.saga.workload import stream
from bench.papers.study import Bench, Carrier, Claim, Finding, Form, Json, Study, Table

BASE = "prefix-LRU"
HIGH = 0.9
"""Load at which rungs are compared."""
LOW = 0.5

_LATE = (
    "At this load memory holds all live contexts most of the time and the rungs differ little; above it every rung without "
    "admission thrashes, and the ratio follows the horizon."
)
_SHORT = "Memory held all contexts for so short a stretch: there was nothing to hold back."
_BATCH = "Decoding in a batch is slower than alone: at half load a step takes a good third longer, whoever schedules."
_ENDED = "On one sequence the rest is what nobody without foresight can know: which tool takes how long."
_TIMES = "Tools are a small part of a task's time here, the batch the larger."


def study(bench: Bench) -> Study:
    """Return what is found."""
    runs = Runs(bench)
    capacity, at_best = runs.capacity(BASE)
    loads = bench.pick(ci=(LOW, HIGH), reduced=(LOW, HIGH), full=(LOW, 0.7, HIGH, 0.95))
    rungs = tuple(LADDER)
    rows = {
        load: runs.of(
            {name: runs.case(name, 0, rate=load * capacity) for name in rungs if _asked(bench, name, load)}
        )
        for load in loads
    }
    high, low = rows[HIGH], rows[LOW]
    belady, sequences = _belady(runs)
    ablated, ablations = _ablations(runs, high["full"], capacity)
    varied, variations = _variation(runs, capacity)
    tasks = stream(0, 200, None)
    return Study(
        setup=(
            f"{runs.workers} workers, each Llama-3.1-70B on four A100 ({PHYSICS.capacity_tokens:,} tokens of KV memory), in a small "
            "world of the study's own: batched decoding, chunked prefill at the house's step times, KV memory by session in blocks. "
            f"{runs.hours:g} h, of which {runs.warm_up_hours:g} h do not count, and half an hour to drain; loads are shares of the "
            f"{3600 * capacity:.0f} tasks/h and worker that {BASE} finishes at its best number at once ({at_best}). No speculative "
            "preload and no DRAM tier."
        ),
        trace=(
            f"Generated tasks of {mean_steps(tasks):.0f} steps on average, tools after the paper's table with a Pareto tail through "
            "its P99, contexts to 32,768 tokens; the same tasks and tool times for every rung."
            + (" The frozen sequence also on recorded runs (agentcgroup)." if runs.recorded else "")
        ),
        baselines=(
            "LRU of whole contexts without shared openings, and LRU of blocks with them; both with affinity. Their best number of tasks "
            "at once is searched for; they have no other parameter. Weights of WA-LRU and all constants of full are the paper's."
        ),
        findings=(
            _order(high),
            _ratio(claims.FASTER, high[BASE], high["full"], "mean", _LATE),
            _over(claims.OBJECTIVE, [result["inside"] for result in low["full"]], _BATCH),
            _ratio(claims.MEMORY, high["full"], high[BASE], "live", _LATE),
            *belady,
            ablated,
            *varied,
            _ratio(claims.ADMITTED, high["full"], high["full, admission"], "mean", _SHORT),
        ),
        carried_by=_carriers(runs, rows),
        tables=(
            *(_ladder(load, results) for load, results in rows.items()),
            *sequences,
            ablations,
            variations,
            _capacities(runs),
        ),
        loses=(
            "Above what memory holds, affinity, retention and order do not keep a cluster from thrashing: sessions that wait lose their "
            "context to those that run. Holding new tasks back does (last rung)."
        ),
    )


def _asked(bench: Bench, name: str, load: float) -> bool:
    """Return whether a rung is played at a load; the shortest form leaves most out at the low one."""
    return bench.form is not Form.CI or load == HIGH or name in (BASE, "full")


def _over(claim: Claim, samples: Sequence[float], reason: str) -> Finding:
    finding = Finding(claim, tuple(samples))
    return finding if finding.accepted else Finding(claim, tuple(samples), reason)


def _ratio(claim: Claim, over: list[Json], under: list[Json], key: str, reason: str) -> Finding:
    return _over(claim, [one[key] / other[key] for one, other in zip(over, under, strict=True)], reason)


def _order(results: dict[str, list[Json]]) -> Finding:
    means = [fmean(one["mean"] for one in results[name]) for name in ("LRU", BASE, "WA-LRU", "full")]
    # Two rungs that recompute nothing are equal but for the order of events: half a percent.
    holds = sum(slower >= 0.995 * faster for slower, faster in pairwise(means))
    return _over(claims.ORDER, [holds], _LATE)


def _belady(runs: Runs) -> tuple[list[Finding], list[Table]]:
    """Return what each rule computes again on one frozen sequence, over Bélády, and the same over contention."""
    tables, findings = [], []
    names = [name for name in RULES if name != "Bélády"]
    for data in (None, runs.recorded) if runs.recorded and runs.bench.form is not Form.CI else (None,):
        middle = in_memory(data)
        numbers = runs.bench.pick(
            ci=(middle,), reduced=(middle,), full=(middle - 2, middle - 1, middle, middle + 1, middle + 2)
        )
        hours = runs.bench.pick(ci=0.75, reduced=1.0, full=3.0)
        cases = [
            runs.case(BASE, seed, at_once=at_once, data=data) for at_once in numbers for seed in runs.seeds
        ]
        cases = [replace(case, workers=1, hours=hours) for case in cases]
        results = iter(runs.bench.each(frozen, cases))
        rows = []
        for at_once in numbers:
            found = [next(results) for _ in runs.seeds]
            ratios = {name: [one[name] / max(1, one["Bélády"]) for one in found] for name in names}
            rows.append(
                (
                    str(at_once),
                    f"{fmean(one['Bélády'] for one in found):,.0f}",
                    *(number(fmean(ratios[name])) for name in names),
                )
            )
            if at_once == middle and data is None:
                each = (claims.BELADY_LRU, claims.BELADY_PREFIX, claims.BELADY_WORKFLOW, claims.BELADY_OURS)
                findings = [
                    _over(claim, ratios[name], _ENDED) for claim, name in zip(each, names, strict=True)
                ]
                findings.append(_over(claims.ORDER_TOKENS, [_steps(one) for one in found], _ENDED))
                findings.append(
                    _over(
                        claims.BELADY_LEAST,
                        [min(values) for values in zip(*ratios.values(), strict=True)],
                        "",
                    )
                )
        title = f"Recomputed tokens over Bélády's on one frozen sequence, {'recorded' if data else 'generated'} tasks, so many at once"
        tables.append(Table(title, ("at once", "Bélády, tokens", *names), tuple(rows)))
    return findings, tables


def _steps(tokens: dict[str, int]) -> int:
    """Return how many steps of the ladder hold, from Bélády up."""
    ladder = [tokens[name] for name in ("Bélády", "next use", "WA-LRU", "prefix-LRU", "LRU")]
    return sum(less <= more for less, more in pairwise(ladder))


def _ablations(runs: Runs, full: list[Json], capacity: float) -> tuple[Finding, Table]:
    names = runs.bench.pick(
        ci=("no affinity", "LRU for next use"), reduced=tuple(ABLATIONS), full=tuple(ABLATIONS)
    )
    found = runs.of({name: runs.case(name, 0, rate=HIGH * capacity) for name in names})
    slower = {
        name: [one["mean"] / whole["mean"] for one, whole in zip(results, full, strict=True)]
        for name, results in found.items()
    }
    others = [values for name, values in slower.items() if name != "no affinity"]
    samples = [mine / max(rest) for mine, *rest in zip(slower["no affinity"], *others, strict=True)]
    rows = tuple(
        (name, f"{100 * (fmean(values) - 1):+.0f} %", f"{fmean(one['again'] for one in found[name]):.3f}")
        for name, values in slower.items()
    )
    title = f"Full less one part, load {HIGH:g}"
    return _over(claims.AFFINITY, samples, _LATE), Table(
        title, ("less", "completion time", "recomputed"), rows
    )


def _variation(runs: Runs, capacity: float) -> tuple[list[Finding], Table]:
    variations = runs.bench.pick(ci=(0.5, 3.0), reduced=(0.5, 3.0), full=(0.5, 1.0, 1.5, 2.0, 3.0))
    found = runs.of(
        {f"{value:g}": runs.case("full", 0, rate=LOW * capacity, variation=value) for value in variations}
    )
    rows = tuple(
        (
            name,
            f"{fmean(one['mean'] for one in results):.0f} s",
            f"{fmean(one['held_right'] for one in results):.1f} %",
        )
        for name, results in found.items()
    )
    steady, wild = found["0.5"], found["3"]
    return (
        [
            _ratio(claims.VARIATION, wild, steady, "mean", _TIMES),
            _over(claims.HELD_STEADY, [one["held_right"] for one in steady], ""),
            _over(
                claims.HELD_WILD,
                [one["held_right"] for one in wild],
                "Curves are learnt, so the P95 stays one whatever the spread.",
            ),
        ],
        Table(
            f"Tool times by coefficient of variation, load {LOW:g}",
            ("CV", "completion", "ended while held"),
            rows,
        ),
    )


def _carriers(runs: Runs, rows: dict[float, dict[str, list[Json]]]) -> tuple[Carrier, ...]:
    def ratio(results: dict[str, list[Json]]) -> str:
        return f"{fmean(a['mean'] / b['mean'] for a, b in zip(results[BASE], results['full'], strict=True)):.2f}×"

    said = "; ".join(f"{load:g}: {ratio(results)}" for load, results in rows.items())
    out = [
        Carrier(
            "load, in shares of prefix-LRU's capacity",
            " to ".join(f"{load:g}" for load in (min(rows), max(rows))),
            f"prefix-LRU over full {said}",
        )
    ]
    if runs.bench.form is Form.CI:
        return tuple(out)
    rate = HIGH * runs.capacity(BASE)[0]
    for value in runs.bench.pick(ci=(), reduced=(3.0,), full=(0.5, 3.0)):
        found = runs.of({name: runs.case(name, 0, rate=rate, variation=value) for name in (BASE, "full")})
        out.append(
            Carrier(
                f"spread of tool times, load {HIGH:g}",
                f"the table's → CV {value:g}",
                f"{ratio(rows[HIGH])} → {ratio(found)}",
            )
        )
    for value in (0.7, 1.3):
        at_once = round(value * in_memory(None))
        cases = [
            replace(runs.case(BASE, seed, at_once=at_once), workers=1, memory=value) for seed in runs.seeds
        ]
        found_tokens = runs.bench.each(frozen, cases)
        told = ", ".join(
            f"{name} {fmean(one[name] / max(1, one['Bélády']) for one in found_tokens):.2f}"
            for name in ("prefix-LRU", "WA-LRU", "next use")
        )
        out.append(Carrier("KV memory, as many tasks as it holds", f"1 → {value:g}", f"over Bélády: {told}"))
    return tuple(out)


def _capacities(runs: Runs) -> Table:
    names = runs.bench.pick(ci=(BASE,), reduced=(BASE, "full"), full=tuple(LADDER))
    rows = []
    for name in names:
        most, at_once = runs.capacity(name)
        rows.append((name, f"{3600 * most:.0f}", str(at_once)))
    return Table(
        "What each rung finishes at its best number of tasks at once",
        ("rung", "tasks/h and worker", "at once"),
        tuple(rows),
    )


def _ladder(load: float, results: dict[str, list[Json]]) -> Table:
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
