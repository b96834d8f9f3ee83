"""Murakkab beside ours: GPUs, energy and cost of a day, hand-made, planned and planned together."""

from collections.abc import Sequence
from dataclasses import replace
from math import isfinite
from statistics import fmean

from bench.papers.figures import number
from bench.papers.murakkab import demand, runs
from bench.papers.murakkab.runs import HAND, HAND_SCALED, JOINT, MODES, SEPARATE, TUNED, TUNED_JOINT, Case
from bench.papers.study import Bench, Carrier, Claim, Finding, Kind, Study, Table

Day = dict[str, float]
_E = Kind.EMERGENT
AGAINST = "hand-made and static against planned together every hour"

GPUS = Claim(
    "gpus", f"most GPUs on at a time, {AGAINST}", "2.8 [P abs via S]; 2568 / 912 [S]", _E, 2.0, 6.0, "×"
)
HOURS = Claim(
    "gpu-hours",
    "GPU-hours, hand-made and static against each workflow planned every hour",
    "at least 2 accepted; 2568 / 1164 GPUs [S]",
    _E,
    2.0,
    None,
    "×",
)
ENERGY = Claim("energy", f"energy of the day, {AGAINST}", "3.7 [P abs via S]", _E, 1.9, 7.4, "×")
COST = Claim("cost", f"cost of the day, {AGAINST}", "4.3 [P abs via S]", _E, 2.1, 8.6, "×")
SCALED = Claim(
    "scaled",
    "energy, hand-made and auto-scaled against planned together",
    "3.65 (80.6 / 22.1 MWh) [S, C]",
    _E,
    1.8,
    7.3,
    "×",
)
TOGETHER = Claim(
    "together",
    "GPU-hours saved by planning together every hour instead of each for itself",
    "22 % of GPUs (1164 → 912) [S]; 0 with the undefined factor at 1 [S]",
    _E,
    unit="%",
    headline=False,
)
ALL_DAY = Claim(
    "all-day",
    "the same of one plan for the whole day, where peaks lie further apart",
    "not given",
    _E,
    unit="%",
    headline=False,
)
TUNED_TOO = Claim(
    "tuned",
    "energy, each workflow planned once for the day against planned together every hour",
    "not given",
    _E,
    1.0,
    None,
    "×",
    headline=False,
)
SERVED = Claim("served", "requests that get the quality or speed that they ask for, planned together", "equal tier", _E, 99.0, None, "%")  # fmt: skip

_HAND = (
    "How wasteful a hand-made workflow is decides this ratio. Ours already batches, and runs the best open model that its cards "
    "hold; what is left to gain are ways to do the work, cheaper cards and hours with less to do. It also gives more quality than the "
    "good tier asks for: at the best tier, which is its own, ratios are smaller still (what carries it)."
)


def study(bench: Bench) -> Study:
    """Return what is found."""
    hours = tuple(range(0, 24, bench.pick(ci=6, reduced=4, full=1)))
    path = bench.data("traces/servegen_client_rate_windows.csv.gz")
    base = Case(0, str(path) if path else None, hours, JOINT)
    days = _days(bench, base)
    return Study(
        setup=(
            "Two workflows, video questions (tools on GPUs, then a model) and code generation, in four classes: 70 % ask for quality of "
            "the good tier, 30 % for speed. 54 engines (model × H100 or A100 × clock × batch, speeds and watts by the engines' physics) "
            "and 56 ways to do the work, whose qualities are assumed. Plans are made every hour over windows of ten minutes by HiGHS, "
            f"for least energy, with a buffer of 15 %; demand is known. Plans are within 0.5 % of the best; smaller differences say nothing. Hours played: {len(hours)} of 24."
        ),
        trace=(
            "A day of two production services' rates (ServeGen m-large and m-small), another day each seed; lengths as in Azure's traces."
            if path
            else "Generated days with waves six hours apart; the recorded rates are absent here."
        ),
        baselines=(
            "Hand-made: a debate of the best model on H100s at full clocks, for everybody, sized for the day's peak; the same with as many "
            "replicas as each hour needs. At their best: one plan for the day by the same solver, in hindsight."
        ),
        findings=(
            _found(GPUS, _ratios(days, HAND, JOINT, "gpus"), _HAND),
            _found(HOURS, _ratios(days, HAND, SEPARATE, "gpu_hours"), _HAND),
            _found(ENERGY, _ratios(days, HAND, JOINT, "kwh"), _HAND),
            _found(COST, _ratios(days, HAND, JOINT, "cost"), _HAND),
            _found(SCALED, _ratios(days, HAND_SCALED, JOINT, "kwh"), _HAND),
            _found(TOGETHER, [100 * (1 - 1 / ratio) for ratio in _ratios(days, SEPARATE, JOINT, "gpu_hours")]),
            _found(ALL_DAY, [100 * (1 - 1 / ratio) for ratio in _ratios(days, TUNED, TUNED_JOINT, "gpu_hours")]),
            _found(TUNED_TOO, _ratios(days, TUNED, JOINT, "kwh")),
            _found(SERVED, [100 * one["served_well"] for one in days[JOINT]]),
        ),
        carried_by=_carriers(bench, base),
        tables=(
            _table("A day, least energy", days),
            *_objectives(bench, base),
            _rows(bench, base),
            _buffer(bench),
        ),
        loses=(
            "Planning together gains only where work shares engines and peaks at other times: here each workflow's cheapest engines are its "
            "own, and within an hour all classes peak in nearly the same window. A plan made for an hour holds only what its "
            "forecast holds; short bursts are the buffer's (last table)."
        ),
    )  # fmt: skip


def _days(bench: Bench, base: Case, modes: Sequence[str] = MODES) -> dict[str, list[Day]]:
    cases = [replace(base, seed=seed, mode=mode) for mode in modes for seed in bench.seeds()]
    found = iter(bench.each(runs.play, cases))
    return {mode: [next(found) for _ in bench.seeds()] for mode in modes}


def _found(claim: Claim, samples: Sequence[float], reason: str = "") -> Finding:
    finding = Finding(claim, tuple(samples))
    return finding if finding.accepted else replace(finding, reason=reason)


def _ratios(days: dict[str, list[Day]], mode: str, against: str, key: str) -> list[float]:
    return [one[key] / other[key] for one, other in zip(days[mode], days[against], strict=True)]


def _table(title: str, days: dict[str, list[Day]]) -> Table:
    rows = []
    for mode, found in days.items():

        def mean(key: str, found: Sequence[Day] = found) -> float:
            return fmean(one[key] for one in found)

        rows.append(
            (
                mode,
                f"{mean('gpus'):.0f} ({mean('h100'):.0f})",
                number(mean("gpu_hours")),
                number(mean("kwh")),
                number(mean("cost")),
                f"{mean('quality'):.3f}",
                f"{100 * mean('served_well'):.1f} %",
            )
        )
    head = ("how", "most GPUs (H100)", "GPU-hours", "kWh", "$", "mean quality", "get what they ask for")
    return Table(title, head, tuple(rows))


def _objectives(bench: Bench, base: Case) -> tuple[Table, ...]:
    names = bench.pick(ci=(), reduced=("Cost", "Gpus"), full=("Cost", "Gpus"))
    return tuple(
        _table(
            f"The same, least {name.lower()}", _days(bench, replace(base, objective=name), (SEPARATE, JOINT))
        )
        for name in names
    )


def _carriers(bench: Bench, base: Case) -> tuple[Carrier, ...]:
    moved = (
        ("tier that quality asks for (qualities are assumed)", "basic to best", [replace(base, tier=tier) for tier in ("Basic", "Best")]),
        ("GPU time of the tools of one video question", "1 to 8 s", [replace(base, tool_seconds=seconds) for seconds in (1.0, 8.0)]),
        ("types of GPU", "H100 and A100 → H100 alone", [base, replace(base, products=("h100",))]),
    )  # fmt: skip
    carriers = []
    for parameter, span, cases in moved:
        said = []
        for case in cases:
            hand, joint = bench.each(runs.play, [replace(case, mode=mode) for mode in (HAND, JOINT)])
            said.append(
                f"GPUs {hand['gpus'] / joint['gpus']:.2f} ×, energy {hand['kwh'] / joint['kwh']:.2f} ×, cost {hand['cost'] / joint['cost']:.2f} ×"
            )
        carriers.append(Carrier(parameter, span, " → ".join(said)))
    return tuple(carriers)


def _rows(bench: Bench, base: Case) -> Table:
    """Return what happens to the plan with the fewest GPUs where two rows have fewer watts than it would draw."""
    fewest = replace(base, objective="Gpus")
    (free,) = bench.each(runs.play, [fewest])
    some = ((0.95, "Good"), (0.9, "Good"), (0.9, "Fair"), (0.7, "Fair"), (0.7, "Basic"))
    asked = bench.pick(ci=some[:1], reduced=some, full=some)
    cases = [replace(fewest, row_watts=1e3 * free["full_kw"] * ratio / 2, tier=tier) for ratio, tier in asked]
    rows = [_told("no budget, good tier", free["full_kw"], free)]
    for (ratio, tier), found in zip(asked, bench.each(runs.play, cases), strict=True):
        rows.append(_told(f"{ratio:g} of what it draws, {tier.lower()} tier", free["full_kw"] * ratio, found))
    head = ("two rows with", "kW", "GPUs", "kWh", "kW at full load", "mean quality")
    return Table("Power rows: a day with the fewest GPUs", head, tuple(rows))


def _told(name: str, kilowatts: float, found: Day) -> tuple[str, ...]:
    if not isfinite(found["gpus"]):
        return name, f"{kilowatts:.0f}", "no plan", "–", "–", "–"
    return (
        name, f"{kilowatts:.0f}", f"{found['gpus']:.0f}", number(found["kwh"]), f"{found['full_kw']:.0f}", f"{found['quality']:.3f}",
    )  # fmt: skip


def _buffer(bench: Bench) -> Table:
    path = bench.data("traces/AzureLLMInferenceTrace_conv_2023.csv.gz")
    rows = tuple(
        (f"{100 * (ratio - 1):.0f} %", f"{100 * demand.above(path, ratio):.0f} %" if path else "data absent")
        for ratio in (1.0, 1.15, 1.3, 1.5)
    )
    head = ("buffer", "minutes above it")
    title = "What a buffer over the mean of ten minutes does not hold: minutes of an hour of Azure's conversations"
    return Table(title, head, rows)
