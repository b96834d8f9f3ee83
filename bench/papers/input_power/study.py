"""Input-dependent power beside ours: budgets by the mean and by a quantile, what that costs, and what telemetry gives away."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from statistics import fmean
from typing import Protocol

from bench.papers.input_power.channel import GRID, SECOND, guessed
from bench.papers.input_power.row import (
    EPOCH_SECONDS,
    REPLICAS,
    TENANTS,
    Planner,
    World,
    by_mean,
    by_measured,
    by_model,
    by_quantile,
    operations,
    played,
)
from bench.papers.study import Bench, Carrier, Claim, Finding, Form, Json, Kind, Study, Table, varied

from wattline.policy.quantile import QuantileSpec

_E = Kind.EMERGENT
SPEC = QuantileSpec()
MARGINS = (0.0, 0.01, 0.02, 0.03, 0.04, 0.06, 0.08, 0.1)
TUNED_SEEDS = 1000
"""Seeds on which the margin is tuned begin here."""

MEAN = Claim(
    "mean", "time over the row's budget, planned by the mean", "violates [R]", Kind.ARITHMETIC, 10, 100, "%"
)
QUANTILE = Claim(
    "quantile",
    "the same by the P95, as if contents rose together",
    "does not violate: 5 % [R]",
    _E,
    0,
    5,
    "%",
)
MEASURED = Claim(
    "measured",
    "the same by the P95 with the correlation measured",
    "does not violate: 5 % [R]",
    _E,
    0,
    5,
    "%",
)
COST = Claim(
    "cost", "of the budget not drawn by the P95, more than by the mean", "none given", _E, 0, 10, "%"
)
APART = Claim(
    "apart",
    "watts left by planning with the most possible over those left by the P95",
    "none given",
    _E,
    2,
    None,
    "×",
    headline=False,
)
HIDDEN = Claim(
    "hidden", "contents of 0.2 s guessed from the driver's one-second average (0.5: nothing learnt)", "at least 1 s [R]", _E, 0.5, 0.75,
    headline=False,
)  # fmt: skip
SEEN = Claim(
    "seen",
    "contents of 2 s guessed from it, which hides them",
    "at least 1 s [R]",
    _E,
    0.5,
    0.75,
    headline=False,
)


@dataclass(frozen=True, slots=True)
class Case:
    """One row under one plan."""

    seed: int
    plan: str
    epochs: int
    margin: float = 0.0
    low: float = 0.8
    tenant_share: float = 0.5
    correlation: float = 0.5
    drift_seconds: float = 600.0
    calibrated: float = 0.9
    memory_samples: float = SPEC.memory_samples


class Of(Protocol):
    """Returns the outcomes of a plan, one a seed."""

    def __call__(self, plan: str, *, start: int = 0, **changes: object) -> list[Json]: ...


PLANS = {
    "model": "the model alone",
    "mean": "mean of what was learnt",
    "margin": "mean and a fixed margin, tuned",
    "quantile": "P95, all together",
    "measured": "P95, correlation measured",
    "pooled": "P95, one for all tenants",
    "most": "the most possible, + 20 %",
    "limits": "mean, with a limit on each GPU",
}


def rowed(case: Case) -> Json:
    """Return what becomes of the budget."""
    spec = replace(SPEC, memory_samples=case.memory_samples)
    planners: dict[str, Planner] = {
        "model": by_model(),
        "mean": by_mean(spec),
        "margin": by_mean(spec, case.margin),
        "quantile": by_quantile(spec),
        "measured": by_measured(spec),
        "pooled": by_quantile(spec),
        "most": by_model(spec.most_ratio),
        "limits": by_mean(spec),
    }
    world = World(
        low=case.low,
        tenant_share=case.tenant_share,
        correlation=case.correlation,
        drift_seconds=case.drift_seconds,
        calibrated=case.calibrated,
    )
    outcome = played(
        case.seed, world, case.epochs, planners[case.plan], pooled=case.plan == "pooled", spec=spec, limits=case.plan == "limits"
    )  # fmt: skip
    return asdict(outcome)


def study(bench: Bench) -> Study:
    """Return what is found."""
    hours = bench.pick(ci=4, reduced=8, full=48)
    base = Case(0, "mean", int(hours * 3600 / EPOCH_SECONDS))

    def of(plan: str, *, start: int = 0, **changes: object) -> list[Json]:
        cases = [varied(replace(base, seed=start + seed, plan=plan), changes) for seed in bench.seeds()]
        return bench.each(rowed, cases)

    tuned = _tuned(of, bench.pick(ci=MARGINS[2:6], reduced=MARGINS, full=MARGINS))
    found = {plan: of(plan, margin=tuned if plan == "margin" else 0.0) for plan in PLANS}
    by_mean_, by_p95 = found["mean"], found["quantile"]
    hidden = [guessed(seed, 0.2, SECOND) for seed in bench.seeds()]
    slow = [guessed(seed, 2.0, SECOND) for seed in bench.seeds()]
    return Study(
        setup=(
            f"A row of {REPLICAS} H100 that serve Qwen3-14B at constant load, by the house's step times and power (full clock: "
            f"{operations()[-1].watts:.0f} W), of {TENANTS} tenants. Content multiplies dynamic power by 0.8 to 1.0, around a tenant's own value and drifting "
            "over ten minutes; a model fitted at 0.9 knows clock and load alone, and misses another 1 % at random. The row's budget is 0.85 of what it "
            f"predicts at full clock; every five minutes the fastest common clock is planned that fits. {hours} h, a quarter of them warm-up."
        ),
        trace="Generated: content factors as a drifting normal through its distribution, even in its range. No public data says what contents do to an LLM's power.",
        baselines=(
            "The model alone; the learnt mean; the mean with a fixed margin, the least that keeps 5 % on rows of other seeds "
            f"({100 * tuned:g} %); the most possible; and what the product's devices do anyhow: a limit of its share on each GPU."
        ),
        findings=(
            _found(MEAN, [100 * one["violated"] for one in by_mean_], "The drift does not pass the mean."),
            _found(QUANTILE, [100 * one["violated"] for one in by_p95], "Contents change faster than they are learnt."),
            _found(MEASURED, [100 * one["violated"] for one in found["measured"]], "The correlation of a few hours is not that of the next."),
            _found(COST, [100 * (mine["unused"] - mean["unused"]) for mine, mean in zip(by_p95, by_mean_, strict=True)], ""),
            _found(APART, [most["unused"] / mine["unused"] for most, mine in zip(found["most"], by_p95, strict=True)], ""),
            _found(HIDDEN, hidden, ""),
            _found(SEEN, slow, "An average of one second hides what changes within it, not requests that take longer: those need an aggregate over many of them."),
        ),
        carried_by=_carriers(bench, of, found, tuned),
        tables=(_plans(found), _correlations(bench, of, tuned), _channel(bench)),
        loses=(
            "Where contents of replicas are independent they even out: the mean is over a few per cent of the time, and the P95 of all together leaves watts unused that a row never needs; where a tenant changes for good it is wrong "
            "until it has learnt. With a limit on each GPU no plan is over, and the mean is the cheapest plan: the GPUs with the dearest contents are slowed a "
            "little. That the mean is passed half of the time is arithmetic; how far, and what each way out costs, is not."
        ),
    )  # fmt: skip


def _found(claim: Claim, samples: Sequence[float], reason: str) -> Finding:
    finding = Finding(claim, tuple(samples))
    return finding if finding.accepted else Finding(claim, tuple(samples), reason)


def _tuned(of: Of, margins: Sequence[float]) -> float:
    """Return the least margin that keeps 5 % on rows of other seeds; the greatest where none does."""
    for margin in margins:
        found = of("margin", start=TUNED_SEEDS, margin=margin)
        if fmean(one["violated"] for one in found) <= SPEC.exceed_ratio:
            return margin
    return margins[-1]


def _told(found: Sequence[Json]) -> str:
    over, unused = (100 * fmean(one[key] for one in found) for key in ("violated", "unused"))
    return f"{over:.1f} % over, {round(unused, 1) + 0.0:.1f} % unused"


def _carriers(bench: Bench, of: Of, found: dict[str, list[Json]], tuned: float) -> tuple[Carrier, ...]:
    moved: tuple[tuple[str, str, tuple[dict[str, object], ...]], ...] = (
        ("range of contents", "0.8 to 1.0 → 0.6 to 1.0", ({"low": 0.6, "calibrated": 0.8},)),
        ("content that the model was fitted on", "0.9 → 0.8 (constants, zeros)", ({"calibrated": 0.8},)),
        (
            "how long a content lasts",
            "10 min → 1 min, 1 h",
            ({"drift_seconds": 60.0}, {"drift_seconds": 3600.0}),
        ),
        ("what tenants differ by", "half of the range → nothing", ({"tenant_share": 0.0},)),
        ("samples remembered", "2,000 → 500", ({"memory_samples": 500.0},)),
    )
    if bench.form is Form.CI:
        moved = moved[1:2]
    plans = ("mean", "margin", "quantile")
    out = []
    for parameter, span, changes in moved:
        said = [
            f"{PLANS[plan]}: {_told(found[plan])} → "
            + "; ".join(
                _told(of(plan, margin=tuned if plan == "margin" else 0.0, **change)) for change in changes
            )
            for plan in plans
        ]
        out.append(Carrier(parameter, span, ". ".join(said)))
    return tuple(out)


def _plans(found: dict[str, list[Json]]) -> Table:
    fast = fmean(one["tokens_per_second"] for one in found["mean"])

    def row(plan: str, results: Sequence[Json]) -> tuple[str, ...]:
        def mean(key: str) -> float:
            return fmean(one[key] for one in results)

        return (
            PLANS[plan],
            f"{100 * mean('violated'):.1f} %",
            f"{100 * max(one['worst'] for one in results):.1f} %",
            f"{100 * mean('unused'):.1f} %",
            f"{100 * (mean('tokens_per_second') / fast - 1):+.1f} %",
            f"{100 * mean('throttled'):.0f} %",
        )

    head = (
        "plan",
        "time over budget",
        "worst",
        "budget not drawn",
        "tokens against the mean's",
        "GPUs held down",
    )
    return Table("A row, by plan", head, tuple(row(plan, results) for plan, results in found.items()))


def _correlations(bench: Bench, of: Of, tuned: float) -> Table:
    rows = []
    for value in bench.pick(
        ci=(0.0, 1.0), reduced=(0.0, 0.25, 0.5, 0.75, 1.0), full=(0.0, 0.25, 0.5, 0.75, 1.0)
    ):
        said = [
            _told(of(plan, correlation=value, margin=tuned if plan == "margin" else 0.0))
            for plan in ("mean", "margin", "quantile", "measured")
        ]
        rows.append((f"{value:g}", *said))
    head = ("correlation", *(PLANS[plan] for plan in ("mean", "margin", "quantile", "measured")))
    return Table("Correlation of contents between replicas", head, tuple(rows))


def _channel(bench: Bench) -> Table:
    windows: tuple[str | float, ...] = (GRID, SECOND, 10.0, 60.0, 600.0)
    rows = []
    for bit in (0.2, 2.0, 20.0):
        shares = [fmean(guessed(seed, bit, window) for seed in bench.seeds()) for window in windows]
        rows.append((f"{bit:g} s", *(f"{100 * share:.0f} %" for share in shares)))
    head = ("content lasts", *(window if isinstance(window, str) else f"{window:g} s" for window in windows))
    return Table(
        "Contents (0.85 or 0.95 at random) guessed right, by resolution of the readings; 50 % is chance",
        head,
        tuple(rows),
    )
