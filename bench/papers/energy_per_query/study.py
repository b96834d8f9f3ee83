"""Energy per query beside ours: medians and spreads by arithmetic, then what comes out of our node."""

from collections.abc import Sequence
from dataclasses import replace

from bench.papers.energy_per_query import emergent, levers, montecarlo
from bench.papers.energy_per_query.emergent import Queries
from bench.papers.energy_per_query.montecarlo import Inputs
from bench.papers.energy_per_query.node import Choice, served
from bench.papers.figures import number
from bench.papers.study import Bench, Carrier, Claim, Finding, Kind, Study, Table, varied

_A, _E = Kind.ARITHMETIC, Kind.EMERGENT
QUERIES_PER_DAY = 1e9

MEDIAN = Claim(
    "median",
    "Wh per query, median, from the throughput that its median implies",
    "0.34 (v1) [P abs]",
    _A,
    0.30,
    0.40,
    "Wh",
)
LOW = Claim("low", "lower quartile of the same", "0.18 (v1) [P abs]", _A, 0.12, 0.22, "Wh")
HIGH = Claim("high", "upper quartile of the same", "0.67 (v1) [P abs]", _A, 0.55, 0.80, "Wh")
LATER = Claim(
    "later",
    "median with the throughput that the later version implies",
    "0.31 (v2, Joule) [P abs]",
    _A,
    0.27,
    0.36,
    "Wh",
    headline=False,
)
LONG = Claim(
    "long",
    "median of long queries, with the throughput that theirs implies",
    "4.32 (v1) [P abs]",
    _A,
    3.8,
    4.9,
    "Wh",
)
LATER_LONG = Claim(
    "later-long", "the same, later version", "3.91 (v2, Joule) [P abs]", _A, 3.4, 4.4, "Wh", headline=False
)
CLIPPED = Claim(
    "clipped",
    "draws of node power above the most a node draws, which are clipped",
    "7 % [C]",
    _A,
    5,
    9,
    "%",
    headline=False,
)

OURS = Claim(
    "ours",
    "Wh per query, median, throughput and power of our node",
    "0.34 (v1), 0.31 (v2) [P abs]",
    _E,
    0.17,
    0.68,
    "Wh",
)
SPREAD = Claim("spread", "upper over lower quartile there", "3.7 (v1: 0.67 / 0.18) [C]", _E, 2.5, 5.5)
OURS_LONG = Claim(
    "ours-long", "median of long queries over that of ordinary ones there", "13 (v1) [P abs]", _E, 8, 20, "×"
)
POWER = Claim(
    "power", "median draw of our node as a share of 11.3 kW", "0.7, P5 to P95 0.4 to 0.9 [S]", _E, 0.4, 0.9
)
FLEET = Claim(
    "fleet",
    "a day of a thousand million queries at our node",
    "0.8 GWh (v1), 0.7 (v2) [P abs]",
    _E,
    0.4,
    1.6,
    "GWh",
)
GROWTH = Claim(
    "growth",
    "the same with a tenth of them long, over that",
    "2.25 (v1: 1.8 / 0.8), 2.43 (v2) [P abs, C]",
    _E,
    1.8,
    2.8,
    "×",
)
SHARED = Claim(
    "growth-shared",
    "the same where long and short share nodes at 30 %",
    "2.25 (v1: 1.8 / 0.8), 2.43 (v2) [P abs, C]",
    _E,
    1.8,
    2.8,
    "×",
    headline=False,
)
MODEL = Claim("model", "best lever of the model", "1.5 to 3.5 [P abs]", _E, 1.5, 3.5, "×")
SERVING = Claim("serving", "best lever of serving", "1.5 to 3.5 [P abs]", _E, 1.5, 3.5, "×")
HARDWARE = Claim("hardware", "best lever of the hardware", "1.5 to 3.5 [P abs]", _E, 1.5, 3.5, "×")
CLOCK = Claim(
    "clock", "the clock, which the paper does not have", "not given", _E, 1.05, None, "×", headline=False
)
COMBINED = Claim("combined", "all levers together", "8 to 20 [P abs]", _E, 8, 20, "×")  # fmt: skip

_PROMPT = (
    "The prompt is in the energy of ours: 500 tokens cost as much as some hundred tokens of an answer, so that short answers are "
    "not cheap in proportion."
)
_ALONE = (
    "Each query is counted as if its node served only queries of its length, as the paper's formula has it: memory then holds a "
    "few of the longest, and they pay for the whole node. Where long and short share nodes (next line) they do not."
)
_SIZES = "70B has a sixth of the parameters; which models the paper exchanges is not known."
_SHORTER = (
    "A steady throughput has no tail of slow nodes: the spread is that of lengths, power and PUE alone."
)
_OUR_NODE = "One model and one product stand for a fleet of many."
_LEVER = "A lever's size depends on how far from full the base runs, which the paper's base does not say."


def study(bench: Bench) -> Study:
    """Return what is found."""
    draws = bench.pick(ci=50_000, reduced=200_000, full=1_000_000)
    seeds = bench.seeds()
    ours = _all(bench, [Queries(seed, draws, montecarlo.SHORT_TOKENS) for seed in seeds])
    long = _all(bench, [Queries(seed, draws, montecarlo.LONG_TOKENS) for seed in seeds])
    mixed = _all(bench, [Queries(seed, draws, montecarlo.SHORT_TOKENS, long_ratio=0.1) for seed in seeds])
    gigawatt_hours = [QUERIES_PER_DAY * one["mean"] / 1e9 for one in ours]
    return Study(
        setup=(
            "Class A: the paper's formula with its distributions, node power clipped to 11.3 kW. Class E: Llama-3.1-405B in 8 bits "
            "on a node of eight H100s, by its published architecture and the shares that the fitted Llama-3.1-70B reaches (modelled, "
            "not measured), in steady service at 10 to 100 % of the sequences that memory and 20 tok/s allow; PUE as in the paper."
        ),
        trace="Drawn: answers exponential with the paper's medians (300 and 5000 tokens), prompts of 500.",
        baselines="Levers against the same node at 30 % of its sequences, full clocks, nothing cached; each alone, then together.",
        findings=(
            *_arithmetic(seeds, draws),
            _found(OURS, [one["median"] for one in ours], _OUR_NODE),
            _found(SPREAD, [one["high"] / one["low"] for one in ours], _PROMPT),
            _found(OURS_LONG, [a["median"] / b["median"] for a, b in zip(long, ours, strict=True)], _OUR_NODE),
            _found(POWER, [one["power_share"] for one in ours], _OUR_NODE),
            _found(FLEET, gigawatt_hours, _OUR_NODE),
            _found(GROWTH, [a["mean"] / b["mean"] for a, b in zip(mixed, ours, strict=True)], _ALONE),
            _found(SHARED, [levers.growth()], _OUR_NODE),
            _found(MODEL, [levers.best(levers.MODEL)], _SIZES),
            _found(SERVING, [levers.best(levers.SERVING)], _LEVER),
            _found(HARDWARE, [levers.best(levers.HARDWARE)], "H200 differs from H100 in memory alone; the paper's products are newer [R]."),
            _found(CLOCK, [levers.saved(levers.LEVERS["clock"])], _LEVER),
            _found(COMBINED, [levers.together()], "Smaller model, 4 bits and full replicas multiply; what quality that costs is not in it."),
        ),
        carried_by=_carriers(bench, draws),
        tables=(_levers(), _turns(), _loads(), _fleet(seeds, draws, ours, mixed)),
        loses=(
            "A smaller model loses where it needs more turns than it saves energy a turn (table); filled replicas lose where the "
            "objective is faster answers."
        ),
    )  # fmt: skip


def _all(bench: Bench, cases: Sequence[Queries]) -> list[dict[str, float]]:
    return bench.each(emergent.play, cases)


def _found(claim: Claim, samples: Sequence[float], reason: str = "") -> Finding:
    finding = Finding(claim, tuple(samples))
    return finding if finding.accepted else replace(finding, reason=reason)


def _arithmetic(seeds: Sequence[int], draws: int) -> tuple[Finding, ...]:
    def plays(tokens: float, rate: float) -> list[montecarlo.Drawn]:
        return [montecarlo.play(Inputs(seed, draws, tokens, rate)) for seed in seeds]

    short = plays(montecarlo.SHORT_TOKENS, montecarlo.SHORT_RATE)
    later = plays(montecarlo.SHORT_TOKENS, montecarlo.LATER_SHORT_RATE)
    long = plays(montecarlo.LONG_TOKENS, montecarlo.LONG_RATE)
    later_long = plays(montecarlo.LONG_TOKENS, montecarlo.LATER_LONG_RATE)
    return (
        _found(MEDIAN, [one.quartiles()[1] for one in short]),
        _found(LOW, [one.quartiles()[0] for one in short], _SHORTER),
        _found(HIGH, [one.quartiles()[2] for one in short], _SHORTER),
        _found(LATER, [one.quartiles()[1] for one in later]),
        _found(LONG, [one.quartiles()[1] for one in long]),
        _found(LATER_LONG, [one.quartiles()[1] for one in later_long]),
        _found(CLIPPED, [100 * one.power_above_most_ratio for one in short]),
    )


def _carriers(bench: Bench, draws: int) -> tuple[Carrier, ...]:
    base = Queries(0, draws, montecarlo.SHORT_TOKENS)
    moved = (
        ("node beside its GPUs", "1 to 4 kW", "overhead_watts", (1000.0, 4000.0)),
        ("arithmetic rate in 8 bits against 16", "1 to 2", "compute_ratio", (1.0, 2.0)),
        ("bandwidth reached, of the fitted 70B's", "0.8 to 1.2", "bandwidth_ratio", (0.8, 1.2)),
        ("emptiest node", "5 to 30 % of its sequences", "least_share", (0.05, 0.3)),
    )
    cases = [varied(base, {name: value}) for _, _, name, values in moved for value in values]
    found = iter(_all(bench, cases))
    carriers = []
    for parameter, span, name, values in moved:
        medians = " → ".join(f"{next(found)['median']:.2f}" for _ in values)
        said = f"median {medians} Wh"
        if name in {"overhead_watts", "compute_ratio", "bandwidth_ratio"}:
            both = " → ".join(
                f"{levers.together(varied(levers.BASE, {name: value})):.1f}" for value in values
            )
            said += f", all levers {both} ×"
        carriers.append(Carrier(parameter, span, said))
    return tuple(carriers)


def _levers() -> Table:
    rows = [
        (name, lever.kind, lever.says, f"{levers.saved(lever):.2f} ×")
        for name, lever in levers.LEVERS.items()
    ]
    rows += [
        ("all but the smaller model", "", "", f"{levers.without_smaller():.1f} ×"),
        ("all", "", "", f"{levers.together():.1f} ×"),
    ]
    return Table("Which lever saves what at the node", ("lever", "kind", "what", "less energy"), tuple(rows))


def _turns() -> Table:
    small = levers.saved(levers.LEVERS["smaller"])
    rows = tuple((f"{turns:g} ×", f"{small / turns:.2f} ×") for turns in (1.0, 1.3, 1.6))
    head = ("turns that the smaller model needs", "less energy per task")
    return Table("A smaller model where it needs more turns", head, rows)


def _loads() -> Table:
    rows = []
    for share in (0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9, 1.0):
        full, knee = (Choice(share=share, clock=clock) for clock in ("full", "knee"))
        now, slow = served(full, levers.MEAN_TOKENS), served(knee, levers.MEAN_TOKENS)
        rows.append(
            (
                f"{share:g}",
                f"{now.sequences:.0f}",
                number(now.tokens_per_second),
                f"{now.watts / 1e3:.1f} kW",
                f"{levers.watt_hours(full):.3f}",
                f"{levers.watt_hours(knee):.3f} at {slow.clock_mhz} MHz",
            )
        )
    head = ("filled", "sequences", "tok/s", "node", "Wh per query, full clocks", "at the cheapest clock")
    return Table("The node over its filling, 433 tokens an answer, without PUE", head, tuple(rows))


def _fleet(
    seeds: Sequence[int], draws: int, ours: Sequence[dict[str, float]], mixed: Sequence[dict[str, float]]
) -> Table:
    constant = montecarlo.play(
        Inputs(seeds[0], draws, montecarlo.SHORT_TOKENS, montecarlo.SHORT_RATE)
    ).watt_hours.mean()
    mean = sum(one["mean"] for one in ours) / len(ours)
    with_long = sum(one["mean"] for one in mixed) / len(mixed)
    shared = mean * levers.growth()
    rows = (
        ("ordinary queries, one throughput (class A)", "0.8 (v1), 0.7 (v2)", f"{constant:.2f}"),
        ("ordinary queries, our node", "0.8 (v1), 0.7 (v2)", f"{mean:.2f}"),
        ("a tenth of them long, each length on nodes of its own", "1.8 (v1), 1.7 (v2)", f"{with_long:.2f}"),
        ("a tenth of them long, sharing nodes", "1.8 (v1), 1.7 (v2)", f"{shared:.2f}"),
        ("the same, all levers but the smaller model", "0.9 (v1), 0.8 (v2)", f"{shared / levers.without_smaller():.2f}"),
        ("the same, all levers", "not given", f"{shared / levers.together():.2f}"),
    )  # fmt: skip
    head = ("a day of a thousand million queries", "paper, GWh", "ours, GWh")
    return Table("A fleet's day, by the mean and not the median", head, rows)
