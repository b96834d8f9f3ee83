"""All levers together against each alone and all but one, on one day of a mixed fleet."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from statistics import fmean

from bench.papers.figures import number
from bench.papers.study import Bench, Claim, Finding, Study
from bench.papers.together import claims, effects, tables
from bench.papers.together.cells import LEVERS, NONE, SHARING, but
from bench.papers.together.days import Days
from bench.papers.together.effects import OUTCOMES
from bench.papers.together.fleet import DAY_HOURS, EMERGENCY_SECONDS, OBJECTIVE, POOLS
from bench.papers.together.tables import Cells

from wattline.model.learnt import TRIM_STEP

JOULES = OUTCOMES[0]


def study(bench: Bench) -> Study:
    """Return what is found."""
    days = Days(bench)
    seeds = days.cells()
    return Study(
        setup=(
            f"The product's simulator: {_pools()} on H100s of two rows below a site. Budgets are 0.75 (site) and 0.85 (rows) of "
            f"the peaks without limits. A day passes in {days.hours:g} h; at the peak of working hours a row loses a quarter of "
            f"its watts for {min(EMERGENCY_SECONDS, days.hours * 450):g} s, and inlet air climbs from 20 to 38 °C. Agents come at 0.9 "
            "of what the base's limits let their replicas finish, calls far below it: chosen after a first run at a higher load, at "
            "which the base collapsed. Policies see what sensors say. Joules count "
            "until the last run has ended, idle included."
            + (
                f" All combinations are of {len(days.some)} seeds, other loads of {len(days.few)}."
                if days.whole
                else ""
            )
        ),
        trace=(
            "Recorded Claude Code runs (agentcgroup) for the coder, Azure's 2023 conversation lengths for both others; "
            "Poisson arrivals whose rate swings by a cosine over the day."
            if days.recorded
            else "Generated runs and calls, for recorded ones are absent here; Poisson arrivals whose rate swings over the day."
        ),
        baselines=(
            "No lever: everybody is let in, sessions stay where they began, full clocks, and the watts of the tightest budget "
            "in equal limits, cut again in the emergency. Each lever alone, and all but each. Nothing was tuned on this day, "
            "ours as little as theirs."
            + (
                ""
                if days.whole
                else " A day this short is over before agents fill memory: admission has nothing to do."
            )
        ),
        findings=_findings(seeds, days.hours),
        carried_by=days.carriers(),
        tables=(
            tables.absolute(seeds),
            *tables.additive(seeds),
            *(tables.factorial(seeds[: len(days.some)], outcome) for outcome in OUTCOMES[:2] if days.whole),
            *days.loads(seeds),
            tables.levers(),
        ),
        loses=_loses(seeds),
    )


def _findings(seeds: Sequence[Cells], hours: float) -> tuple[Finding, ...]:
    gained = [effects.gains(JOULES, cells) for cells in seeds]
    together = [each[LEVERS] for each in gained]
    lone = [effects.alone(each, LEVERS) for each in gained]
    full = [cells[LEVERS] for cells in seeds]
    shared = [
        [cell["over_seconds"] for levers, cell in cells.items() if SHARING in levers] for cells in seeds
    ]
    found = [
        _found(
            claims.TOGETHER, together, "Most of what is drawn is idle and base power, which no lever moves."
        ),
        _found(
            claims.ABOVE_BEST,
            [whole - max(each.values()) for whole, each in zip(together, lone, strict=True)],
            "What the others cost beside the best one is more than they save.",
        ),
        _found(
            claims.OVERLAP,
            [-effects.interaction(each, LEVERS) for each in gained],
            "Levers help each other: what hurts alone does not where another stands in.",
        ),
        _found(
            claims.BEYOND,
            [
                effects.independent(tuple(each.values())) - whole
                for whole, each in zip(together, lone, strict=True)
            ],
            "Levers help each other: what hurts alone does not where another stands in.",
        ),
        _found(
            claims.OVER,
            [fmean(each) for each in shared],
            "A budget that falls at once is exceeded until the next second's limits act.",
        ),
        _found(
            claims.RATE,
            [cell["least_rate_p5"] for cell in full],
            _slowest(seeds, hours),
        ),
        _found(
            claims.WAIT,
            [
                cells[LEVERS]["ttft_p99"] / cells[NONE]["ttft_p99"] if cells[NONE]["ttft_p99"] else 1.0
                for cells in seeds
            ],
            f"It is {number(fmean(cell['ttft_p99'] for cell in full))} s with all of them.{_without(seeds, 'ttft_p99', min)}",
        ),
        _found(
            claims.FINISHED,
            [cell["finished_ratio"] for cell in full],
            "Some had not ended two days after the last arrival.",
        ),
        _found(
            claims.RECOMPUTED,
            [cell["recomputed"] for cell in full],
            f"Sessions outlive what memory keeps of them.{_without(seeds, 'recomputed', min)}",
        ),
        _found(
            claims.HEAT,
            [cell["max_celsius"] for cell in full],
            f"Hot air.{_without(seeds, 'max_celsius', min)}",
        ),
    ]
    if but(LEVERS[0]) in seeds[0]:
        company = [effects.in_company(each, LEVERS) for each in gained]
        least = min(LEVERS, key=lambda name: fmean(each[name] for each in company))
        found.append(
            _found(
                claims.COMPANY,
                [each[least] for each in company],
                f"It is {least}: beside the others it costs joules.",
            )
        )
    return tuple(found)


def _slowest(seeds: Sequence[Cells], hours: float) -> str:
    """Say whose rate is least with all levers on, which lever takes most of it, and what that lever aims at."""
    rates = {pool.name: fmean(cells[LEVERS][f"{pool.name}.rate_p5"] for cells in seeds) for pool in POOLS}
    pool = min(rates, key=lambda name: rates[name])
    return (
        f"It is {pool}'s.{_without(seeds, f'{pool}.rate_p5', max)} The clock law takes a pool down towards its objective, the "
        f"default of {OBJECTIVE:g} tok/s, once routing or rest have packed it: with another objective the rate moves along "
        "(below). What the slowest get of the modelled rate is learnt by less than "
        f"{100 * TRIM_STEP:g} % a second, and here each hour of the day's load is {3600 * hours / DAY_HOURS:.0f} s long; "
        "a day that passes more slowly is below, too."
    )


def _without(
    seeds: Sequence[Cells], key: str, best: Callable[[Iterable[tuple[float, str]]], tuple[float, str]]
) -> str:
    """Say without which lever an outcome is best, where all but one are played."""
    if but(LEVERS[0]) not in seeds[0]:
        return ""
    mean, name = best((fmean(cells[but(name)][key] for cells in seeds), name) for name in LEVERS)
    return f" Without {name}, and with all the others, it is {number(mean)}."


def _found(claim: Claim, samples: Sequence[float], reason: str) -> Finding:
    finding = Finding(claim, tuple(samples))
    return finding if finding.accepted else replace(finding, reason=reason)


def _loses(seeds: Sequence[Cells]) -> str:
    """Say which levers hurt, alone or beside the others."""
    said = []
    for outcome in OUTCOMES[:3]:
        gained = [effects.gains(outcome, cells) for cells in seeds]
        groups = [("alone", [effects.alone(each, LEVERS) for each in gained])]
        if but(LEVERS[0]) in seeds[0]:
            groups.append(("beside all the others", [effects.in_company(each, LEVERS) for each in gained]))
        for where, each in groups:
            worst = [
                f"{name} ({tables.told([one[name] for one in each])} {outcome.unit})"
                for name in LEVERS
                if _surely_negative([one[name] for one in each])
            ]
            if worst:
                said.append(f"{outcome.says}, {where}: {', '.join(worst)}.")
    return " ".join(["Levers whose whole interval is a loss.", *said] if said else [])


def _surely_negative(samples: Sequence[float]) -> bool:
    finding = Finding(claims.COMPANY, tuple(samples))
    return finding.mean + (finding.half_width or 0.0) < 0


def _pools() -> str:
    return ", ".join(
        f"{len(pool.nodes)} × {pool.model.rpartition('/')[2]}{f' on {pool.gpus} GPUs' if pool.gpus > 1 else ''} ({pool.name})"
        for pool in POOLS
    )
