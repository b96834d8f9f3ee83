"""The study's tables: the day by levers, effects alone and in company, all combinations, loads."""

from collections.abc import Mapping, Sequence
from statistics import fmean

from bench.papers.figures import number
from bench.papers.study import Finding, Table
from bench.papers.together import claims, effects
from bench.papers.together.cells import FACTORS, LEVERS, NONE, but, only
from bench.papers.together.effects import OUTCOMES, Levers
from bench.papers.together.fleet import POOLS

Cells = Mapping[Levers, Mapping[str, float]]
"""One seed's outcomes by the levers that are on."""

NOT_PLAYED = (
    (
        "retention (`policy/retain`)",
        "an engine's memory, here as in vLLM, gives up the longest unused and takes no other order",
    ),
    ("fair order (`policy/fair`, `policy/order`)", "each pool here has one class, one weight and one tenant"),
    (
        "sleep (vLLM's levels)",
        "asleep, a GPU draws what it draws idle here: replicas rest by stopping instead",
    ),
)


def absolute(seeds: Sequence[Cells]) -> Table:
    """Return outcomes of each cell, mean of the seeds."""
    shown = {"none": NONE, **{f"{name} alone": only(name) for name in LEVERS}}
    shown |= {f"all but {name}": but(name) for name in LEVERS if but(name) in seeds[0]} | {"all": LEVERS}
    keys = ("joules_per_run", *(f"{pool.name}.rate_p5" for pool in POOLS), "ttft_p99", "finished_ratio")
    keys = (*keys, "over_seconds", "peak_watts", "max_celsius", "recomputed", "coder.run_seconds", "seconds")
    head = ("levers", "kJ per run", *(f"P5 tok/s {pool.name}" for pool in POOLS), "P99 TTFT s", "finished")
    rows = []
    for name, levers in shown.items():
        means = [fmean(cells[levers][key] for cells in seeds) for key in keys]
        means[0] /= 1000
        means[-1] /= 3600
        rows.append((name, *(number(mean) for mean in means)))
    more = ("over budget s", "peak W", "max °C", "recomputed", "coder's run s", "ends after h")
    return Table("The day by levers, mean of the seeds", (*head, *more), tuple(rows))


def additive(seeds: Sequence[Cells]) -> tuple[Table, ...]:
    """Return what each lever does alone and, where those cells are played, beside all the others."""
    gained = {outcome.key: [effects.gains(outcome, cells) for cells in seeds] for outcome in OUTCOMES}
    head = ("lever", *(f"{outcome.says}, {outcome.unit}" for outcome in OUTCOMES))

    def row(name: str, of: "dict[str, list[float]]") -> tuple[str, ...]:
        return (name, *(told(of[outcome.key]) for outcome in OUTCOMES))

    lone = [
        row(name, {key: [effects.alone(each, LEVERS)[name] for each in of] for key, of in gained.items()})
        for name in LEVERS
    ]
    lone += [
        row(
            "sum of these",
            {key: [sum(effects.alone(each, LEVERS).values()) for each in of] for key, of in gained.items()},
        ),
        row("together", {key: [each[LEVERS] for each in of] for key, of in gained.items()}),
        row(
            "interaction: together less the sum",
            {key: [effects.interaction(each, LEVERS) for each in of] for key, of in gained.items()},
        ),
    ]
    tables = [Table("Effects alone, paired by seed; positive helps", head, tuple(lone))]
    if but(LEVERS[0]) in seeds[0]:
        company = [
            row(
                name,
                {key: [effects.in_company(each, LEVERS)[name] for each in of] for key, of in gained.items()},
            )
            for name in LEVERS
        ]
        tables.append(Table("What each adds to all the others (all but one)", head, tuple(company)))
    return tuple(tables)


def factorial(seeds: Sequence[Cells], outcome: effects.Outcome) -> Table:
    """Return main effects and pairs over all combinations of the factors."""
    gained = [
        {
            levers: gain
            for levers, gain in effects.gains(outcome, cells).items()
            if set(levers) <= set(FACTORS)
        }
        for cells in seeds
    ]
    mains = [effects.main_effects(each, FACTORS) for each in gained]
    paired = [effects.pairs(each, FACTORS) for each in gained]
    orders = [effects.explained(each, FACTORS) for each in gained]
    rows = [(name, told([each[name] for each in mains])) for name in FACTORS]
    rows += [(f"{a} × {b}", told([each[a, b] for each in paired])) for a, b in paired[0]]
    rows += [
        (f"share of variance, order {order}", told([each[order] for each in orders]))
        for order in range(1, len(FACTORS) + 1)
    ]
    title = f"{2 ** len(FACTORS)} combinations: {outcome.says}, {outcome.unit}"
    return Table(title, ("effect, or by how much more one gains where the other is on", "gain"), tuple(rows))


def loads(found: Mapping[tuple[float, Levers], Sequence[Mapping[str, float]]]) -> Table:
    """Return outcomes by load and cell, mean of the seeds."""
    keys = ("joules_per_run", "coder.rate_p5", "coder.run_seconds", "ttft_p99", "recomputed", "seconds")
    rows = []
    for (load, levers), outcomes in sorted(found.items(), key=lambda item: (item[0][0], len(item[0][1]))):
        means = [fmean(each[key] for each in outcomes) for key in keys]
        means[0] /= 1000
        means[-1] /= 3600
        name = {NONE: "none", LEVERS: "all"}.get(levers, ", ".join(levers))
        rows.append((f"{load:g}", name, *(number(mean) for mean in means)))
    return Table(
        "Over load, as a share of what the base's limits let the agents' replicas finish",
        ("load", "levers", "kJ per run", "P5 tok/s coder", "coder's run s", "P99 TTFT s", "recomputed", "ends after h"),
        tuple(rows),
    )  # fmt: skip


def levers() -> Table:
    """Return what each lever is when it is off and on, and what is not played."""
    rows = (
        ("admission", "everybody is let in", "KAIROS's, with room for growth"),
        ("routing", "a session stays where it began, on the emptiest", "packed while all are light, moved when uneven"),
        ("clock", "full clocks", "the product's clock law"),
        ("sharing", "equal limits from the tightest budget", "watts by demand every 15 s"),
        ("rest", "all replicas stand ready", "the last replica stops while the others suffice (`policy/rest`)"),
        ("rungs", "chat stays on its model", "in the emergency one of two chat replicas starts on gpt-oss-20b, and then on its own model; also one at rest"),
        *((name, "–", f"not played: {why}") for name, why in NOT_PLAYED),
    )  # fmt: skip
    return Table("Levers", ("lever", "off", "on"), rows)


def told(samples: Sequence[float]) -> str:
    """Return a mean with its interval."""
    finding = Finding(claims.COMPANY, tuple(samples))
    half = finding.half_width
    return f"{number(finding.mean)}{'' if half is None else f' ± {number(half)}'}"
