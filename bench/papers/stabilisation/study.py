"""Power stabilisation beside ours: range, ramp and band of a job, what smoothing costs, and what telemetry shows."""

from collections.abc import Sequence
from dataclasses import replace
from math import log
from random import Random
from statistics import fmean
from typing import Any

from bench.papers.figures import number
from bench.papers.stabilisation import inference, telemetry, training
from bench.papers.stabilisation.inference import Fleet, Raise
from bench.papers.stabilisation.training import GPU_JOULES, Job
from bench.papers.study import Bench, Carrier, Claim, Finding, Kind, Study, Table, varied

Played = dict[str, list[dict[str, float]]]
"""By option, seed by seed."""
_A, _E = Kind.ARITHMETIC, Kind.EMERGENT
RAMP = 0.5
"""Of TDP in a second; ours."""
GIVEN = 0.12
"""Of TDP, that storage gives at most: the lowest grid peak of 27 settings on a seed that is not played here."""
NONE, FLOOR, STORED = "none", "floor 90 %", "floor 90 % + ramp + storage"
OPTIONS: dict[str, dict[str, float]] = {
    NONE: {},
    "floor 50 %": {"floor_ratio": 0.5},
    "floor 70 %": {"floor_ratio": 0.7},
    FLOOR: {"floor_ratio": 0.9},
    "ramp": {"ramp_ratio": RAMP},
    "floor 70 % + ramp": {"floor_ratio": 0.7, "ramp_ratio": RAMP},
    "floor 90 % + ramp": {"floor_ratio": 0.9, "ramp_ratio": RAMP},
    "storage": {"storage_joules": GPU_JOULES, "storage_ratio": GIVEN},
    "floor 70 % + ramp + storage": {
        "floor_ratio": 0.7,
        "ramp_ratio": RAMP,
        "storage_joules": GPU_JOULES,
        "storage_ratio": GIVEN,
    },
    STORED: {"floor_ratio": 0.9, "ramp_ratio": RAMP, "storage_joules": GPU_JOULES, "storage_ratio": GIVEN},
}
BLIND_HERTZ = (1.0, 2.0, 3.0)
PERIODS = (0.3, 1.0, 3.0)
ALLOWED = 0.02
"""Of a domain's limit in a second."""

RANGE = Claim(
    "range",
    "range with a floor of 90 %, of TDP, worst of periods 0.3, 1 and 3 s",
    "≤ 10 % accepted [R]",
    _A,
    None,
    10,
    "%",
)
OVERHEAD = Claim(
    "overhead",
    "energy burnt by a floor of 90 % at a duty of 0.85",
    "10.5 % in tests, duty not given [S]",
    _A,
    5,
    20,
    "%",
)
RAMPED = Claim(
    "ramp",
    "steepest tenth of a second with floor and ramp, against the ramp that is set",
    "kept",
    _A,
    None,
    1.01,
    "×",
    headline=False,
)
PEAK = Claim(
    "peak",
    "grid peak that 65 J a GPU take off a job with swings of a second, no pauses",
    "~30 %, GB300 [S]",
    _E,
    10,
    45,
    "%",
)
BAND = Claim(
    "band",
    "swing inside 0.1 to 20 Hz with floor, ramp and storage, against none",
    "best of the paper's [S]",
    _E,
    None,
    0.2,
    "×",
)
ROOT = Claim(
    "root",
    "exponent with which the relative swing of independent replicas falls with their number",
    "−0.5 (1 / √N) [S]",
    _E,
    -0.6,
    -0.4,
)
BLIND = Claim(
    "blind",
    "swing that the average of a second shows at 1, 2 and 3 Hz, largest",
    "0: blind there",
    _E,
    None,
    2,
    "%",
)
RESOLVED = Claim(
    "resolved",
    "highest frequency whose amplitude readings every 100 ms show within a tenth",
    "2 Hz at most",
    _E,
    1,
    3,
    "Hz",
)
GOVERNED = Claim(
    "governed",
    "largest rise in any second while all clocks of a fleet go up, against the ramp that is allowed",
    "ours",
    _E,
    None,
    1.1,
    "×",
)
UNGOVERNED = Claim("ungoverned", "the same without the ramp", "not given", _E, 5, None, "×", headline=False)  # fmt: skip

_PAUSE = "65 J are an eighth of a second of the swing between computing and waiting: what is slower passes through."


def study(bench: Bench) -> Study:
    """Return what is found."""
    seconds = bench.pick(ci=65.0, reduced=125.0, full=605.0)
    played = _options(bench, Job(0, seconds, 1.0))
    floors = [_options(bench, Job(0, seconds, period), (NONE, FLOOR, STORED)) for period in PERIODS]
    steady = _options(bench, Job(0, seconds, 1.0, checkpoints=False), (NONE, "storage"))
    fleets = _fleets(bench)
    phases = [Random(f"stabilisation phase {seed}").random() for seed in bench.seeds()]
    raised = bench.each(inference.raised, [Raise(seed, 16, 16, ALLOWED) for seed in bench.seeds()])
    jumped = bench.each(inference.raised, [Raise(seed, 16, 16, None) for seed in bench.seeds()])
    return Study(
        setup=(
            "A synchronous job, one GPU for all: 700 W while it computes, 210 W while it waits, duty 0.7, periods of 0.3 to 3 s with 3 % "
            "jitter, a pause of 2 s every 30 s; a device that draws less than it is asked for computes that much slower. Device and storage "
            "are world.smoothing, sensors world.meter, a fleet's replicas the engine's and GPU's physics, its ramp policy.smooth."
        ),
        trace="Drawn: square waves with jitter; Poisson requests for the fleet.",
        baselines="Nothing; floors of 50, 70 and 90 %; ramps; storage; and their combinations, each over the same job. How storage gives is the best of 27 settings.",
        findings=(
            _found(RANGE, [100 * max(one[FLOOR][index]["range"] for one in floors) for index in range(len(phases))]),
            _found(OVERHEAD, [100 * one["burnt"] for one in _options(bench, Job(0, seconds, 1.0, duty_ratio=0.85), (FLOOR,))[FLOOR]]),
            _found(RAMPED, [one["ramp_tenth"] / RAMP for one in played["floor 90 % + ramp"]]),
            _found(PEAK, [100 * (1 - a["peak"] / b["peak"]) for a, b in zip(steady["storage"], steady[NONE], strict=True)], _PAUSE),
            _found(BAND, [a["band"] / b["band"] for a, b in zip(played[STORED], played[NONE], strict=True)], _PAUSE),
            _found(ROOT, [_exponent(fleets, index) for index in range(len(phases))]),
            _found(BLIND, [100 * max(telemetry.swing_seen(telemetry.readings(each, phase)[0]) for each in BLIND_HERTZ) for phase in phases]),
            _found(RESOLVED, [_resolved(phase) for phase in phases]),
            _found(GOVERNED, [one["rise"] / ALLOWED for one in raised]),
            _found(UNGOVERNED, [one["rise"] / ALLOWED for one in jumped]),
        ),
        carried_by=_carriers(bench, seconds),
        tables=(
            _table("Swings of a second, with pauses for checkpoints", played),
            _periods(floors),
            _duties(bench, seconds),
            _telemetry(phases),
            _fleet(fleets),
            _raises(bench, jumped),
        ),
        loses=(
            "A floor burns what a job does not use: the less it computes, the dearer. A ramp alone slows a job whose swings are shorter than "
            "the ramp takes, and burns as much as a floor. Independent inference needs neither: its swings cancel (table). "
            "Ours keeps its ramp over any second, however late within one a clock follows: so a long rise has half of it on average (last table)."
        ),
    )  # fmt: skip


def _options(bench: Bench, base: Job, names: Sequence[str] = tuple(OPTIONS)) -> Played:
    cases = [varied(replace(base, seed=seed), OPTIONS[name]) for name in names for seed in bench.seeds()]
    found = iter(bench.each(training.play, cases))
    return {name: [next(found) for _ in bench.seeds()] for name in names}


def _found(claim: Claim, samples: Sequence[float], reason: str = "") -> Finding:
    finding = Finding(claim, tuple(samples))
    return finding if finding.accepted else replace(finding, reason=reason)


def _resolved(phase: float) -> float:
    """Return the lower of what a sensor that averages and one that looks a quarter of the time show."""
    hertz = [0.5 + 0.1 * step for step in range(45)]
    return min(telemetry.resolved(hertz, phase, sampled_seconds=sampled) for sampled in (0.1, 0.025))


def _mean(found: Sequence[dict[str, float]], key: str) -> float:
    return fmean(one[key] for one in found)


def _table(title: str, played: Played) -> Table:
    slow = _mean(played[NONE], "iterations")
    rows = tuple(
        (
            name,
            f"{100 * _mean(found, 'range'):.0f} %",
            f"{100 * _mean(found, 'ramp_tenth'):.0f} %/s",
            f"{100 * _mean(found, 'ramp_second'):.0f} %",
            f"{100 * _mean(found, 'band'):.1f} %",
            f"{_mean(found, 'band_share'):.2f}",
            f"{100 * _mean(found, 'burnt'):+.1f} %",
            f"{-100 * _mean(found, 'missing'):+.1f} %",
            f"{100 * _mean(found, 'losses'):+.1f} %",
            f"{100 * (_mean(found, 'iterations') / slow - 1):+.1f} %",
            f"{100 * (_mean(found, 'joules_per_iteration') / _mean(played[NONE], 'joules_per_iteration') - 1):+.1f} %",
        )
        for name, found in played.items()
    )
    head = (
        "option", "range of TDP", "steepest tenth", "largest step in a second", "rms in 0.1–20 Hz", "share of band", "burnt", "withheld",
        "storage losses", "iterations", "energy per iteration",
    )  # fmt: skip
    return Table(title, head, rows)


def _periods(floors: Sequence[Played]) -> Table:
    rows = tuple(
        (
            f"{period:g} s",
            *(
                f"{100 * _mean(found, 'range'):.0f} %, {100 * _mean(found, 'band'):.1f} %, {100 * _mean(found, 'burnt'):+.0f} %"
                for found in played.values()
            ),
        )
        for period, played in zip(PERIODS, floors, strict=True)
    )
    return Table(
        "Over the period: range, rms in the band, energy burnt", ("period", NONE, FLOOR, STORED), rows
    )


def _duties(bench: Bench, seconds: float) -> Table:
    duties = (0.5, 0.7, 0.8, 0.85, 0.9, 0.95)
    names = ("floor 50 %", "floor 70 %", FLOOR)
    found = [_options(bench, Job(0, seconds, 1.0, duty_ratio=duty), names) for duty in duties]
    rows = tuple((name, *(f"{100 * _mean(one[name], 'burnt'):.1f} %" for one in found)) for name in names)
    title = "What a floor burns, over the duty of the job: the paper's 10.5 % is one job's"
    return Table(title, ("option", *(f"{duty:g}" for duty in duties)), rows)


def _telemetry(phases: Sequence[float]) -> Table:
    rows = []
    for hertz in (0.2, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 6.0):
        both = [telemetry.readings(hertz, phase) for phase in phases]
        quarter = [telemetry.readings(hertz, phase, sampled_seconds=0.025)[1] for phase in phases]
        rows.append(
            (
                f"{hertz:g} Hz",
                f"{100 * fmean(telemetry.swing_seen(average) for average, _ in both):.0f} %",
                f"{100 * fmean(telemetry.amplitude_seen(average, hertz) for average, _ in both):.0f} %",
                f"{100 * fmean(telemetry.amplitude_seen(instant, hertz) for _, instant in both):.0f} %" if hertz < 5 else "alias",
                f"{100 * fmean(telemetry.amplitude_seen(instant, hertz) for instant in quarter):.0f} %" if hertz < 5 else "alias",
            )
        )  # fmt: skip
    head = (
        "square wave of", "swing that the 1 s average shows", "its fundamental", "fundamental, 100 ms readings", "the same, 25 of 100 ms sampled",
    )  # fmt: skip
    return Table("What a driver's readings show of a swing between 210 and 700 W", head, tuple(rows))


def _fleets(bench: Bench) -> dict[int, list[dict[str, float]]]:
    sizes = bench.pick(ci=(1, 16, 64), reduced=(1, 4, 16, 64, 256), full=(1, 4, 16, 64, 256, 1024))
    seconds = bench.pick(ci=120.0, reduced=300.0, full=1800.0)
    cases = [Fleet(seed, size, seconds) for size in sizes for seed in bench.seeds()]
    found = iter(bench.each(inference.swings, cases))
    return {size: [next(found) for _ in bench.seeds()] for size in sizes}


def _exponent(fleets: dict[int, list[dict[str, float]]], index: int) -> float:
    """Return the slope of the relative swing over the number of replicas, both as logarithms."""
    points = [(log(size), log(found[index]["spread"])) for size, found in fleets.items()]
    x, y = fmean(a for a, _ in points), fmean(b for _, b in points)
    return sum((a - x) * (b - y) for a, b in points) / sum((a - x) ** 2 for a, _ in points)


def _fleet(fleets: dict[int, list[dict[str, float]]]) -> Table:
    rows = tuple(
        (str(size), f"{100 * _mean(found, 'spread'):.1f} %", f"{100 * _mean(found, 'ramp'):.0f} %")
        for size, found in fleets.items()
    )
    head = ("replicas", "standard deviation of watts", "largest step in a second")
    return Table("A fleet that serves, each replica on its own: against its mean", head, rows)


def _raises(bench: Bench, jumped: Sequence[Any]) -> Table:
    rows = [_raise("at once", jumped)]
    for ratio in (0.01, ALLOWED, 0.05):
        cases = [Raise(seed, 16, 16, ratio) for seed in bench.seeds()]
        rows.append(_raise(f"{100 * ratio:g} % a second", bench.each(inference.raised, cases)))
    head = (
        "ramp allowed, of the domain's limit",
        "largest rise in any second",
        "between whole seconds",
        "until all are up",
    )
    return Table("All clocks of 256 GPUs go up, with policy.smooth", head, tuple(rows))


def _raise(name: str, found: Sequence[Any]) -> tuple[str, ...]:
    return (
        name,
        f"{100 * _mean(found, 'rise'):.1f} %",
        f"{100 * _mean(found, 'aligned'):.1f} %",
        f"{_mean(found, 'seconds'):.0f} s",
    )


def _carriers(bench: Bench, seconds: float) -> tuple[Carrier, ...]:
    base = Job(0, seconds, 1.0)
    stored = replace(base, floor_ratio=0.9, ramp_ratio=RAMP, storage_joules=GPU_JOULES, storage_ratio=GIVEN)
    moved: tuple[tuple[str, str, list[Job]], ...] = (
        ("ramp, with a floor of 90 % and storage", "0.1 to 2 of TDP in a second", [replace(stored, ramp_ratio=ratio) for ratio in (0.1, 2.0)]),
        ("joules of storage for each GPU, alone, no pauses", "30 to 130", [replace(base, storage_joules=joules, storage_ratio=GIVEN * joules / GPU_JOULES, checkpoints=False) for joules in (30.0, 130.0)]),
        ("time constant of storage, alone, no pauses", "0.5 to 8 s", [replace(base, storage_joules=GPU_JOULES, storage_ratio=GIVEN, follow_seconds=each, checkpoints=False) for each in (0.5, 8.0)]),
        ("peak while computing, floor of 90 %", "0.9 to 1.1 of TDP", [replace(base, floor_ratio=0.9, peak_ratio=ratio) for ratio in (0.9, 1.1)]),
    )  # fmt: skip
    return tuple(
        Carrier(
            parameter,
            span,
            " → ".join(
                f"range {100 * one['range']:.0f} %, peak {number(one['peak'])} TDP, rms {100 * one['band']:.1f} %, burnt {100 * one['burnt']:.0f} %"
                for one in bench.each(training.play, cases)
            ),
        )
        for parameter, span, cases in moved
    )
