"""All levers together against each alone and all but one, on one day of a mixed fleet."""

from collections.abc import Sequence
from dataclasses import replace
from statistics import fmean

from bench.papers.page import number
from bench.papers.study import Bench, Carrier, Claim, Finding, Form, Study, Table
from bench.papers.together import claims, effects
from bench.papers.together.cells import FACTORS, LEVERS, NONE, SHARING, Case, but, factorial, only, played
from bench.papers.together.effects import OUTCOMES, Levers
from bench.papers.together.fleet import EMERGENCY_SECONDS, POOLS

AGENTS = "agentic/agentcgroup_llm_calls.csv.gz"
CALLS = "traces/AzureLLMInferenceTrace_conv_2023.csv.gz"
JOULES = OUTCOMES[0]

Cells = dict[Levers, dict[str, float]]
"""One seed's outcomes by the levers that are on."""

NOT_PLAYED = (
    (
        "retention (`policy/retain`)",
        "an engine's memory gives up the longest unused; none takes another order",
    ),
    ("fair order (`policy/fair`, `policy/order`)", "each pool here has one class, one weight and one tenant"),
    (
        "sleep (vLLM's levels)",
        "asleep, a GPU draws what it draws idle here: replicas rest by stopping instead",
    ),
)


def study(bench: Bench) -> Study:
    """Return what is found."""
    days = Days(bench)
    seeds = days.cells(days.wanted())
    return Study(
        setup=(
            f"The product's simulator: {_pools()} on H100s of two rows below a site. Budgets are 0.75 (site) and 0.85 (rows) of "
            f"the peaks without limits. A day passes in {days.hours:g} h; at the peak of working hours a row loses a quarter of "
            f"its watts for {min(EMERGENCY_SECONDS, days.hours * 450):g} s, and inlet air climbs from 20 to 38 °C. Policies see "
            "what sensors say. Joules count until the last run has ended, idle included."
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
            _absolute(seeds),
            *_additive(seeds),
            *(_factorial(seeds, outcome) for outcome in OUTCOMES[:2] if days.whole),
            _levers(),
        ),
        loses=_loses(seeds),
    )


class Days:
    """Plays the cells of the form."""

    def __init__(self, bench: Bench) -> None:
        agents, calls = bench.data(AGENTS), bench.data(CALLS)
        self._bench = bench
        self._traces = tuple(
            None if path is None else str(path) for path in (agents, *(calls for _ in POOLS[1:]))
        )
        self.recorded = agents is not None and calls is not None
        self.hours = bench.pick(ci=0.2, reduced=0.5, full=8.0)
        self.whole = bench.form is Form.FULL
        """Whether all combinations are played."""

    def wanted(self) -> tuple[Levers, ...]:
        """Return the cells of the form: none, each alone, all but each, all; the whole factorial in the full form."""
        singles = (NONE, *(only(name) for name in LEVERS), LEVERS)
        if self._bench.form is Form.CI:
            return singles
        some = (*singles, *(but(name) for name in LEVERS))
        return tuple(dict.fromkeys((*some, *(factorial() if self.whole else ()))))

    def cells(self, wanted: Sequence[Levers]) -> list[Cells]:
        """Return every cell's outcomes, seed by seed."""
        cases = [self._case(levers, seed) for seed in self._bench.seeds() for levers in wanted]
        results = iter(self._bench.each(played, cases))
        return [{levers: next(results) for levers in wanted} for _ in self._bench.seeds()]

    def carriers(self) -> tuple[Carrier, ...]:
        """Return what the saving together does where uncertain parameters are moved: of the first seed."""
        if self._bench.form is Form.CI:
            return ()
        moved = (
            ("power over clock", "PERSEUS; linear; flat", ({"shape": "linear"}, {"shape": "flat"})),
            ("budgets", "× 0.9; × 1.15", ({"budget_ratio": 0.9}, {"budget_ratio": 1.15})),
            ("load", "× 0.7; × 1.1", ({"load": 0.7}, {"load": 1.1})),
            ("routing of the base", "round-robin", ({"plain_routing": "round-robin"},)),
        )
        cases = [
            replace(self._case(levers, 0), **changed)
            for _, _, ends in moved
            for changed in ends
            for levers in (NONE, LEVERS)
        ]
        results = iter(self._bench.each(played, cases))
        carriers = []
        for parameter, span, ends in moved:
            said = []
            for _ in ends:
                none, everything = next(results), next(results)
                saving = effects.saved(none["joules_per_run"], everything["joules_per_run"])
                said.append(
                    f"saved {number(saving)} %, P5 {number(none['least_rate_p5'])} → "
                    f"{number(everything['least_rate_p5'])} tok/s"
                )
            carriers.append(Carrier(parameter, span, "; ".join(said)))
        return tuple(carriers)

    def _case(self, levers: Levers, seed: int) -> Case:
        return Case(levers, seed, self.hours, self._traces)


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


def _absolute(seeds: Sequence[Cells]) -> Table:
    shown = {"none": NONE, **{f"{name} alone": only(name) for name in LEVERS}}
    shown |= {f"all but {name}": but(name) for name in LEVERS if but(name) in seeds[0]} | {"all": LEVERS}
    keys = ("joules_per_run", *(f"{pool.name}.rate_p5" for pool in POOLS), "ttft_p99", "finished_ratio")
    keys = (*keys, "over_seconds", "peak_watts", "max_celsius", "recomputed")
    head = ("levers", "kJ per run", *(f"P5 tok/s {pool.name}" for pool in POOLS), "P99 TTFT s", "finished")
    rows = []
    for name, levers in shown.items():
        means = [fmean(cells[levers][key] for cells in seeds) for key in keys]
        means[0] /= 1000
        rows.append((name, *(number(mean) for mean in means)))
    return Table(
        "The day by levers, mean of the seeds", (*head, "over budget s", "peak W", "max °C", "recomputed"), tuple(rows)
    )  # fmt: skip


def _additive(seeds: Sequence[Cells]) -> tuple[Table, ...]:
    gained = {outcome.key: [effects.gains(outcome, cells) for cells in seeds] for outcome in OUTCOMES}
    head = ("lever", *(f"{outcome.says}, {outcome.unit}" for outcome in OUTCOMES))

    def row(name: str, of: "dict[str, list[float]]") -> tuple[str, ...]:
        return (name, *(_told(of[outcome.key]) for outcome in OUTCOMES))

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


def _factorial(seeds: Sequence[Cells], outcome: effects.Outcome) -> Table:
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
    rows = [(name, _told([each[name] for each in mains])) for name in FACTORS]
    rows += [(f"{a} × {b}", _told([each[a, b] for each in paired])) for a, b in paired[0]]
    rows += [
        (f"share of variance, order {order}", _told([each[order] for each in orders]))
        for order in range(1, len(FACTORS) + 1)
    ]
    title = f"{2 ** len(FACTORS)} combinations: {outcome.says}, {outcome.unit}"
    return Table(title, ("effect, or by how much more one gains where the other is on", "gain"), tuple(rows))


def _levers() -> Table:
    rows = (
        ("admission", "everybody is let in", "KAIROS's, with room for growth"),
        ("routing", "a session stays where it began, on the emptiest", "packed while all are light, moved when uneven"),
        ("clock", "full clocks", "the product's clock law"),
        ("sharing", "equal limits from the tightest budget", "watts by demand every 15 s"),
        ("rest", "all replicas stand ready", "the last replica stops while the others suffice (`policy/rest`)"),
        ("rungs", "chat stays on its model", "in the emergency one of two chat replicas serves gpt-oss-20b"),
        *((name, "–", f"not played: {why}") for name, why in NOT_PLAYED),
    )  # fmt: skip
    return Table("Levers", ("lever", "off", "on"), rows)


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
                f"{name} ({_told([one[name] for one in each])} {outcome.unit})"
                for name in LEVERS
                if _surely_negative([one[name] for one in each])
            ]
            if worst:
                said.append(f"{outcome.says}, {where}: {', '.join(worst)}.")
    return " ".join(["Levers whose whole interval is a loss.", *said] if said else [])


def _surely_negative(samples: Sequence[float]) -> bool:
    finding = Finding(claims.COMPANY, tuple(samples))
    return finding.mean + (finding.half_width or 0.0) < 0


def _told(samples: Sequence[float]) -> str:
    finding = Finding(claims.COMPANY, tuple(samples))
    half = finding.half_width
    return f"{number(finding.mean)}{'' if half is None else f' ± {number(half)}'}"


def _pools() -> str:
    return ", ".join(
        f"{len(pool.nodes)} × {pool.model.rpartition('/')[2]}{f' on {pool.gpus} GPUs' if pool.gpus > 1 else ''} ({pool.name})"
        for pool in POOLS
    )
