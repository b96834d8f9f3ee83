"""All levers together against each alone and all but one, on one day of a mixed fleet."""

from collections.abc import Sequence
from dataclasses import replace
from statistics import fmean

from bench.papers.study import Bench, Claim, Finding, Study
from bench.papers.together import claims, effects, tables
from bench.papers.together.cells import LEVERS, NONE, SHARING, but
from bench.papers.together.days import Days
from bench.papers.together.effects import OUTCOMES
from bench.papers.together.fleet import EMERGENCY_SECONDS, POOLS
from bench.papers.together.tables import Cells

JOULES = OUTCOMES[0]


def study(bench: Bench) -> Study:
    """Return what is found."""
    days = Days(bench)
    seeds = days.cells(days.wanted())
    return Study(
        setup=(
            f"The product's simulator: {_pools()} on H100s of two rows below a site. Budgets are 0.75 (site) and 0.85 (rows) of "
            f"the peaks without limits. A day passes in {days.hours:g} h; at the peak of working hours a row loses a quarter of "
            f"its watts for {min(EMERGENCY_SECONDS, days.hours * 450):g} s, and inlet air climbs from 20 to 38 °C. Agents come at 0.9 "
            "of what the base's limits let their replicas finish, calls far below it. Policies see what sensors say. Joules count "
            "until the last run has ended, idle included."
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
        ),
        findings=_findings(seeds),
        carried_by=days.carriers(),
        tables=(
            tables.absolute(seeds),
            *tables.additive(seeds),
            *(tables.factorial(seeds, outcome) for outcome in OUTCOMES[:2] if days.whole),
            *days.loads(seeds),
            tables.levers(),
        ),
        loses=_loses(seeds),
    )


def _findings(seeds: Sequence[Cells]) -> tuple[Finding, ...]:
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
            "Beside the best one, the others buy pace instead of joules.",
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
            "A window in which a first turn is held counts as rate 0: at the peak admission makes agents wait.",
        ),
        _found(
            claims.WAIT,
            [
                cells[LEVERS]["ttft_p99"] / cells[NONE]["ttft_p99"] if cells[NONE]["ttft_p99"] else 1.0
                for cells in seeds
            ],
            "First turns wait for admission, and calls for fewer replicas at lower clocks.",
        ),
        _found(
            claims.FINISHED,
            [cell["finished_ratio"] for cell in full],
            "Some had not ended two days after the last arrival.",
        ),
        _found(
            claims.RECOMPUTED,
            [cell["recomputed"] for cell in full],
            "Replicas that stop lose what sessions between two turns held.",
        ),
        _found(
            claims.HEAT,
            [cell["max_celsius"] for cell in full],
            "Hot air meets limits that sharing has raised.",
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
