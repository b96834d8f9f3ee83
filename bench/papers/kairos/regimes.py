"""The knee and below it, objectives, collapse, several replicas, and what carries the findings."""

from dataclasses import replace
from statistics import fmean

from bench.papers.kairos import claims, knees, reasons
from bench.papers.kairos.loads import told
from bench.papers.kairos.sweep import BASELINE, FULL, MIDDLE, OURS, P5, Report, Runs, column, found, saved
from bench.papers.study import Carrier, Finding, Table

from wattline.world.curve import PERSEUS
from wattline.world.knee import knee
from wattline.world.power import PowerModel

REVERSAL_LOAD = 0.9
OVERLOAD = 1.1
LIGHT = 0.25
"""Load at which consolidation has something to gain."""

LOADED = 10
"""Runs a replica that begin at once where an hour is too short for them to gather."""


def steady() -> tuple[Finding, ...]:
    """Return where the knee lies in steady service, and what it saves."""
    best = knee(knees.PAPERS, PowerModel(knees.PAPERS.product, PERSEUS), knees.service(16))
    there = knees.at_clock(knees.PAPERS, PERSEUS, 16, knees.CLOCK_MHZ)
    return (
        found(claims.KNEE, [best.clock_mhz], reasons.clocked()),
        found(claims.KNEE_WATTS, [100 * (1 - there.watts_ratio)], reasons.clocked()),
        found(claims.KNEE_JOULES, [100 * (1 - there.joules_ratio)], reasons.clocked()),
    )


def reversal(runs: Runs) -> Finding:
    """Return what 600 MHz costs above 900 MHz where nobody is held."""
    cases = [runs.at(replace(BASELINE, clock=clock), REVERSAL_LOAD) for clock in ("600", "900")]
    runs.prepare(cases)
    slow, knee_clock = (runs.of(case) for case in cases)
    reason = reasons.again_share({"600 MHz": slow, "900 MHz": knee_clock})
    return found(claims.REVERSAL, [-value for value in saved(slow, knee_clock)], reason)


def objectives(runs: Runs) -> tuple[Finding, Table]:
    """Return what is saved where agents are to be faster."""
    asked = runs.bench.pick(ci=(20.0, 45.0), reduced=(20.0, 45.0), full=(20.0, 35.0, 45.0))
    cases = {rate: runs.at(replace(OURS, objective=rate), MIDDLE) for rate in asked}
    base = runs.at(BASELINE, MIDDLE)
    constant = {f"{clock} MHz": runs.at(replace(FULL, clock=clock), MIDDLE) for clock in ("900", "1200")}
    constant["full clocks"] = runs.at(FULL, MIDDLE)
    runs.prepare([base, *cases.values(), *constant.values()])
    savings = {rate: saved(runs.of(case), runs.of(base)) for rate, case in cases.items()}
    rows = tuple(
        (
            f"{rate:g} tok/s",
            told(claims.MEAN, savings[rate]),
            f"{fmean(column(runs.of(case), P5)):.1f}",
            f"{fmean(r['mean_clock_mhz'] for r in runs.of(case)):.0f} MHz",
        )
        for rate, case in cases.items()
    )
    left = [tight / loose for loose, tight in zip(savings[20.0], savings[45.0], strict=True)]
    head = ("P5 asked for", "saved against full clocks without admission", "P5 tok/s", "mean clock")
    reason = reasons.objective(
        {name: runs.of(case) for name, case in constant.items()},
        runs.of(cases[20.0]),
        runs.of(cases[45.0]),
        runs.of(constant["full clocks"]),
    )
    return found(claims.TIGHT, left, reason), Table(f"Objectives at load {MIDDLE:g}", head, rows)


def collapse(runs: Runs) -> tuple[Finding, Finding]:
    """Return the speed of runs above capacity, without admission and with it."""
    hours = runs.bench.pick(ci=1.5, reduced=2.5, full=12.0)
    first = runs.bench.pick(ci=LOADED, reduced=LOADED, full=0)
    cases = [replace(case, load=OVERLOAD, hours=hours, at_start=first) for case in (BASELINE, FULL)]
    runs.prepare(cases)
    without, held = (runs.of(case) for case in cases)
    reason = reasons.again_share({"without": without, "with admission": held})
    return (
        found(claims.COLLAPSE, [_rate(report) for report in without], reason),
        found(claims.HELD, [_rate(report) for report in held], reason),
    )


def several(runs: Runs) -> tuple[tuple[Finding, Finding], Table]:
    """Return what consolidation saves on several replicas at a light load."""
    counts = runs.bench.pick(ci=(3,), reduced=(3,), full=(1, 2, 3, 4))
    hours = runs.bench.pick(ci=0.5, reduced=1.0, full=12.0)
    modes = {
        "round-robin, no admission": replace(BASELINE, routing="round-robin"),
        "affinity, admission": replace(FULL, routing="affinity"),
        "consolidating, admission": FULL,
        "consolidating, admission, clock": OURS,
    }
    cases = {
        count: {
            name: replace(case, replicas=count, load=LIGHT * count, hours=hours, watched=True)
            for name, case in modes.items()
        }
        for count in counts
    }
    runs.prepare(case for by_name in cases.values() for case in by_name.values())
    rows = []
    for count, by_name in cases.items():
        reports = {name: runs.of(case) for name, case in by_name.items()}
        rows.append((str(count), *(_told_several(each) for each in reports.values())))
    spread, packed, together = (reports[name] for name in list(modes)[1:])
    routed = saved(packed, spread, "mean_watts")
    all_on = saved(together, reports["round-robin, no admission"])
    title = f"Replicas, full clocks unless said, load {LIGHT:g} of capacity"
    return (
        (
            found(claims.ROUTED, routed, reasons.awake(packed, spread)),
            found(claims.TOGETHER, all_on, reasons.awake(together, reports["round-robin, no admission"])),
        ),
        Table(title, ("replicas", *modes), tuple(rows)),
    )


def carriers(runs: Runs) -> tuple[Carrier, ...]:
    """Return what the least certain parameters do to the findings."""
    power = {
        value: knee(physics, PowerModel(physics.product, PERSEUS), knees.service(16))
        for value in (20.0, 24.0, 28.5, 34.0)
        for physics in [knees.slower_chip(knees.PAPERS, value)]
    }
    said = "; ".join(
        f"{value:g}: {one.clock_mhz} MHz, −{one.saving_ratio:.0%}" for value, one in power.items()
    )
    shapes = runs.bench.pick(ci=(), reduced=("flat",), full=("linear", "flat"))
    return (
        Carrier("on-chip transport [R, one microbenchmark]", "20 to 34 bytes per multiprocessor and clock", f"knee {said}"),
        *(
            Carrier(f"clock–power shape, load {MIDDLE:g}", f"perseus → {shape}", _moved(runs, shape=shape))
            for shape in shapes
        ),
        *(
            Carrier(f"KV memory, load {MIDDLE:g}", f"1 → {memory:g}", _moved(runs, memory=memory))
            for memory in runs.bench.pick(ci=(), reduced=(0.75,), full=(0.75, 1.5))
        ),
        *(
            [Carrier(f"openings, load {MIDDLE:g}", "shared → each run its own", _moved(runs, shared=False))]
            if runs.bench.pick(ci=False, reduced=False, full=True)
            else []
        ),
    )  # fmt: skip


def _moved(runs: Runs, *, shape: str = "perseus", shared: bool = True, memory: float = 1.0) -> str:
    def saving(*, shape: str, shared: bool, memory: float) -> str:
        pair = [
            runs.at(replace(case, shape=shape, shared=shared, memory=memory), MIDDLE)
            for case in (OURS, BASELINE)
        ]
        rate = runs.rate if shared else runs.capacity(replace(FULL, routing="affinity", shared=False))
        runs.prepare(pair, rate)
        ours, base = (runs.of(case, rate) for case in pair)
        again = fmean(column(base, "recomputed_ratio"))
        return f"{told(claims.MEAN, saved(ours, base))} (baseline recomputes {again:.2f})"

    before = saving(shape="perseus", shared=True, memory=1.0)
    return f"saving {before} → {saving(shape=shape, shared=shared, memory=memory)}"


def _rate(report: Report) -> float:
    return report["output_tokens"] / (report["runs_finished"] * report["run_seconds_mean"])


def _told_several(reports: list[Report]) -> str:
    watts = fmean(report["mean_watts"] for report in reports)
    joules = fmean(report["joules_per_finished_run"] for report in reports)
    return f"{watts:.0f} W, {joules / 1e3:.2f} kJ"
