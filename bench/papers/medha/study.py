"""Medha beside ours: the convoy, five orders over load, the packer, reserved pools, and what carries it."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from statistics import fmean

from bench.papers.medha import claims
from bench.papers.medha.chunks import late_step_seconds, overhead, saturating_tokens
from bench.papers.medha.engine import GPUS, physics
from bench.papers.medha.sweep import Case, capacity, played
from bench.papers.medha.tables import million_table, ordered_table
from bench.papers.study import Bench, Carrier, Claim, Finding, Form, Json, Study, Table, varied

from wattline.policy.slack import Rule
from wattline.world.physics import ATTENTION_SHARE

AZURE = "traces/AzureLLMInferenceTrace_conv_2023.csv.gz"
ORDERS: dict[str, tuple[Rule, bool]] = {
    "FCFS": (Rule.ARRIVAL, False),
    "EDF": (Rule.DEADLINE, False),
    "LRS": (Rule.SLACK, False),
    "LARS": (Rule.RELATIVE_SLACK, True),
    "FCFS, filled": (Rule.ARRIVAL, True),
    "EDF, filled": (Rule.DEADLINE, True),
    "LRS, filled": (Rule.SLACK, True),
    "shortest, filled": (Rule.SHORTEST, True),
}
"""Filled: others get what the chunk of one before them leaves of the budget. LARS always does."""
COMPARED, HIGH, OVER = 0.7, 0.9, 1.1
OFFERED = 90.0
"""Share of first tokens within the objective that makes a load bearable."""
RESERVED = 0.25

_CONVOY = "An answer alone takes milliseconds on 128 GPUs, and a long prompt seconds: the ratio is whatever the load makes it."


def study(bench: Bench) -> Study:
    """Return what is found."""
    path = bench.data(AZURE)
    trace = None if path is None else str(path)
    seconds = bench.pick(ci=300.0, reduced=480.0, full=3 * 3600.0)
    base = Case(0, COMPARED, seconds, trace)
    runs = _Runs(bench, base)
    loads = bench.pick(ci=(COMPARED, HIGH), reduced=(0.5, 0.7, 0.9), full=(0.5, 0.7, 0.9, 0.95))
    names = bench.pick(
        ci=("FCFS", "EDF", "LRS", "LARS", "FCFS, filled"), reduced=tuple(ORDERS), full=tuple(ORDERS)
    )
    rows = {load: {name: runs.order(name, load=load) for name in names} for load in loads}
    without = {load: runs.order("FCFS", load=load, part="short") for load in loads}
    past = ("LARS", "shortest, filled")
    middle, high = rows[COMPARED], rows[HIGH]
    orders = ("FCFS", "EDF", "LRS")
    best = [
        min(middles) / lars["seconds"][0]
        for middles, lars in zip(
            zip(*([one["seconds"][0] for one in high[name]] for name in orders), strict=True),
            high["LARS"],
            strict=True,
        )
    ]
    borne, bearable = _bearable(bench, runs)
    reserved, pools = _reserved(bench, runs)
    million, shrinks, longest = million_table(bench)
    every = [result for found in rows.values() for results in found.values() for result in results]
    return Study(
        setup=(
            f"One replica of Llama-3.1-70B over {GPUS} H100 that share its work evenly (parallel efficiency 1, no pipeline: a token's way "
            "through stages is not modelled), in a small world of the study's own: iterations of 20 ms at the house's step times, "
            "attention over all that is before a token included. A first token is due 0.5 s and twice its work after arrival. "
            f"{_duration(seconds)} of arrivals, the first tenth does not count, and ten minutes to drain. Loads are shares of the "
            f"{capacity(ATTENTION_SHARE, base.median, trace):.2f} requests/s that its arithmetic can do. KV memory "
            f"({physics(GPUS).capacity_tokens / 1e6:.1f} M tokens) never binds: {max(one['peak_tokens'] for one in every) / 1e6:.1f} M at most."
        ),
        trace=(
            "Poisson arrivals; lengths of short requests from "
            + ("Azure's conversations" if trace else "a lognormal of Azure's shape")
            + ", 8,192 tokens at most; 5 % long, lognormal through Medha-SWE's P50 393 K and P90 839 K, 2 M tokens at most. Every order sees the same requests."
        ),
        baselines=(
            "FCFS, EDF and LRS (least slack in seconds) with the same packer, budget and objective; nobody passes the head. Each also filled, "
            "its better form, and shortest first, which knows no objective. No order has another parameter."
        ),
        findings=(
            _ratio(claims.CONVOY, _quantile(middle["FCFS"], 0), _quantile(without[COMPARED], 0), _CONVOY),
            _ratio(
                claims.CONVOY_TAIL, _quantile(middle["FCFS"], 2), _quantile(without[COMPARED], 2), _CONVOY
            ),
            _ratio(claims.MEDIAN, _quantile(middle["FCFS"], 0), _quantile(middle["LARS"], 0), _CONVOY),
            _found(claims.BEST, best, "Within an iteration's length of each other."),
            _ratio(
                claims.FINISHED,
                [one["long_done"] for one in high["LARS"]],
                [max(1, one["long_done"]) for one in high["FCFS"]],
                "LARS puts off the longest.",
            ),
            borne,
            reserved,
            _found(claims.BUDGET, [max(one["late"] for one in every)], ""),
            _found(claims.SHRINKS, [shrinks], ""),
            _found(claims.SMALL, [100 * overhead(32, 2048)], ""),
            _found(claims.LATE, [1000 * late_step_seconds(512)], "Attention at 0.4 of the dense rate."),
            _found(claims.SATURATES, [saturating_tokens()], ""),
        ),
        carried_by=_carriers(bench, runs, rows, without),
        tables=(
            *(ordered_table(load, found, without[load]) for load, found in rows.items()),
            ordered_table(
                OVER, {name: runs.order(name, load=OVER, seconds=min(seconds, 3600.0)) for name in past}
            ),
            bearable,
            pools,
            million,
        ),
        loses=(
            "LARS is not the only cure of the convoy: whoever fills what a chunk leaves of the budget gets most of it, in any order. Against "
            "orders by deadline LARS has the shorter tail of long ones; shortest first, which needs no objective, is as good or better in nearly every "
            "column; only the longest wait longer, where more is asked for than can be done for long. Where short ones alone ask for more than "
            "the engine can do it leaves long ones waiting. Packed chunks that keep tokens flowing make a long prompt slower than large ones "
            f"({longest})."
        ),
    )


class _Runs:
    """Asks the bench for runs over all seeds."""

    def __init__(self, bench: Bench, base: Case) -> None:
        self.base = base
        self._bench = bench

    def order(self, name: str, **changes: object) -> list[Json]:
        """Return the results of an order, one a seed."""
        rule, fills = ORDERS[name]
        return self.of(rule=rule.value, fills=fills, **changes)

    def first(self, name: str, **changes: object) -> list[Json]:
        """Return the result of the first seed alone."""
        rule, fills = ORDERS[name]
        return self._bench.each(played, [varied(replace(self.base, rule=rule.value, fills=fills), changes)])

    def of(self, **changes: object) -> list[Json]:
        """Return the results of a changed case, one a seed."""
        cases = [varied(replace(self.base, seed=seed), changes) for seed in self._bench.seeds()]
        return self._bench.each(played, cases)


def _duration(seconds: float) -> str:
    return f"{seconds / 3600:g} h" if seconds >= 3600 else f"{seconds / 60:g} min"


def _quantile(results: list[Json], index: int) -> list[float]:
    return [one["seconds"][index] for one in results]


def _found(claim: Claim, samples: Sequence[float], reason: str) -> Finding:
    finding = Finding(claim, tuple(samples))
    return finding if finding.accepted else Finding(claim, tuple(samples), reason)


def _ratio(claim: Claim, over: Sequence[float], under: Sequence[float], reason: str) -> Finding:
    return _found(claim, [one / other for one, other in zip(over, under, strict=True)], reason)


def _bearable(bench: Bench, runs: _Runs) -> tuple[Finding, Table]:
    """Return up to which load the objective is kept, under each order."""
    loads = bench.pick(
        ci=(0.1, 0.3, 0.7, 0.9),
        reduced=(0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9),
        full=(0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9, 0.95),
    )
    names = bench.pick(ci=("FCFS", "LARS"), reduced=("FCFS", "LARS"), full=("FCFS", "EDF", "LRS", "LARS"))
    borne: dict[str, list[float]] = {}
    rows = []
    for name in names:
        found = [runs.order(name, load=load) for load in loads]
        inside = [[one["inside"] for one in results] for results in found]
        borne[name] = [_crossed(loads, shares) for shares in zip(*inside, strict=True)]
        rows.append((name, f"{fmean(borne[name]):.2f}", *(f"{fmean(shares):.1f} %" for shares in inside)))
    return (
        _ratio(
            claims.CAPACITY,
            borne["LARS"],
            borne["FCFS"],
            "Here FCFS keeps some of its own: half of the time nobody long is in.",
        ),
        Table(
            "First tokens within the objective, over load, and the load up to which 90 % are",
            ("order", "90 % up to", *(f"{load:g}" for load in loads)),
            tuple(rows),
        ),
    )


def _crossed(loads: Sequence[float], shares: Sequence[float]) -> float:
    """Return the load at which the share falls below what is offered, between two loads by a straight line."""
    points = [(0.0, 100.0), *zip(loads, shares, strict=True)]
    for (low, above), (high, below) in pairwise(points):
        if below < OFFERED:
            return low + (high - low) * (above - OFFERED) / (above - below)
    return loads[-1]


def _reserved(bench: Bench, runs: _Runs) -> tuple[Finding, Table]:
    """Return what a pool of their own for short requests costs the long ones, where more is offered than can be done."""
    seconds = min(runs.base.seconds, 3600.0)  # longer only adds to the backlog
    shared = runs.of(load=OVER, seconds=seconds)
    rows = [("one for all", f"{fmean(one['long_done'] for one in shared):.0f}", _milliseconds(shared))]
    losses: list[float] = []
    for part in bench.pick(ci=(RESERVED,), reduced=(1 / 16, RESERVED), full=(1 / 16, 1 / 8, RESERVED, 0.5)):
        gpus = round(part * GPUS)
        long = runs.of(load=OVER, part="long", gpus=GPUS - gpus, seconds=seconds)
        short = runs.of(load=OVER, part="short", gpus=gpus, seconds=seconds)
        loss = [
            100 * (1 - mine["long_done"] / all_["long_done"]) for mine, all_ in zip(long, shared, strict=True)
        ]
        rows.append(
            (
                f"{gpus} GPUs for short ones",
                f"{fmean(one['long_done'] for one in long):.0f} ({-fmean(loss):+.0f} %)",
                _milliseconds(short),
            )
        )
        if part == RESERVED:
            losses = loss
    return _found(claims.RESERVED, losses, "Short requests are half a percent of the work."), Table(
        f"Reserved pools, load {OVER:g}",
        ("pool", "long requests answered", "P50 of first tokens, short ones (one for all: every request)"),
        tuple(rows),
    )


def _milliseconds(results: list[Json]) -> str:
    return f"{1000 * fmean(_quantile(results, 0)):.0f} ms"


def _carriers(
    bench: Bench, runs: _Runs, rows: dict[float, dict[str, list[Json]]], without: dict[float, list[Json]]
) -> tuple[Carrier, ...]:
    middle = rows[COMPARED]

    def said(fcfs: list[Json], lars: list[Json]) -> str:
        return (
            f"{fmean(a / b for a, b in zip(_quantile(fcfs, 0), _quantile(lars, 0), strict=True)):.0f}× "
            f"(LARS {_milliseconds(lars)}, {fmean(one['inside'] for one in lars):.1f} % inside)"
        )

    out = [
        Carrier(
            "who gets what a chunk leaves",
            "nobody → the next",
            f"FCFS {_milliseconds(middle['FCFS'])} → {_milliseconds(middle['FCFS, filled'])}",
        )
    ]
    raised = "; ".join(
        f"{load:g}: {fmean(a / b for a, b in zip(_quantile(found['FCFS'], 0), _quantile(without[load], 0), strict=True)):,.0f}×"
        for load, found in rows.items()
    )
    span = f"{min(rows):g} to {max(rows):g}"
    out.append(Carrier("load", span, f"P50 under FCFS with long requests over without {raised}"))
    if bench.form is Form.CI:
        return tuple(out)
    before = said(middle["FCFS"][:1], middle["LARS"][:1])
    moved: tuple[tuple[str, str, tuple[dict[str, object], ...]], ...] = (
        ("what attention reaches of the dense rate", "0.4 → 0.25, 0.6", ({"attention_share": 0.25}, {"attention_share": 0.6})),
        ("median of long prompts", "393 K → 200 K, 600 K", ({"median": 200_000.0}, {"median": 600_000.0})),
        ("objective", "0.5 s + 2 × work → 0.1 s + 1.5 ×, 2 s + 4 ×", (
            {"within_seconds": 0.1, "within_times": 1.5}, {"within_seconds": 2.0, "within_times": 4.0},
        )),
        ("iterations against their prediction", "1 → 1.2", ({"error": 1.2},)),
        ("budget", "20 → 50 ms", ({"budget_seconds": 0.05},)),
    )  # fmt: skip
    for parameter, span, changes in moved:
        found = [said(runs.first("FCFS", **change), runs.first("LARS", **change)) for change in changes]
        out.append(
            Carrier(
                parameter,
                span,
                f"FCFS over LARS at P50, load {COMPARED:g}, first seed: {before} → {', '.join(found)}",
            )
        )
    return tuple(out)
