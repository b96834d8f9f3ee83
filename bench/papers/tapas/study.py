"""TAPAS beside ours: its ladder, how much can be added, and a power failure, over sampled halls."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from statistics import fmean, median
from typing import Any

from bench.papers.study import Bench, Carrier, Claim, Finding, Study, Table
from bench.papers.tapas import claims
from bench.papers.tapas.play import LEVERS, Case, play

STATIONS = ("TX_Dallas-Fort.Worth", "CA_San.Jose-Mineta", "WA_Seattle-Tacoma")
VIOLATION = 0.001
"""Share of the server-time that may be throttled: "as rare a violation"."""
UNSERVED = 0.01
"""Share of the endpoints' demand that may be too much for their servers."""
ADDED = 0.3
CAPS = (1.0, 0.97, 0.94)
MARGINS = (0.01, 0.03, 0.06)
TUNED_ON = 1000
"""Halls from here on are for tuning alone."""
Said = dict[str, Any]

_SMALL = (
    "The hall's coefficients are ours: inlet, mounting and air differ less, or more, from place to place than in the paper's "
    "datacentres."
)
_OPAQUE = "Half of the tenants are opaque: neither routing nor reconfiguring moves their heat, only where they are placed."
_ROOM = (
    "Bin-packing itself carries about 30 % more than the nameplates here before a row or a GPU is slowed, which leaves less to win; and "
    "the grid ends at 50 %, where about half of the halls are still kept by ours."
)
_LADDER = "A step moves load away from what it watches and onto what it does not."
_CAP = "Perseus's curve: a clock of 0.65 costs as much time as measured there; how the paper measures performance is not known."


@dataclass(frozen=True)
class Plan:
    """How much is run."""

    halls: int
    """For each seed."""
    days: int
    levels: tuple[float, ...]
    tuned_on: int


PLANS = {
    "ci": Plan(1, 1, (0.0, 0.2, 0.4), 1),
    "reduced": Plan(4, 1, (0.0, 0.1, 0.2, 0.3, 0.4, 0.5), 2),
    "full": Plan(20, 3, (0.0, 0.1, 0.2, 0.3, 0.4, 0.5), 6),
}


def study(bench: Bench) -> Study:
    """Return what is found."""
    plan = PLANS[bench.form.value]
    runs = Runs(bench, plan)
    ladder = {
        added: [runs.of(lever, added) for lever in range(len(LEVERS))]
        for added in (0.0, ADDED, plan.levels[-1])
    }
    rooms = {lever: runs.rooms(lever) for lever in (0, len(LEVERS) - 1)}
    gains = [
        100 * ((1 + ours) / (1 + theirs) - 1)
        for theirs, ours in zip(rooms[0], rooms[len(LEVERS) - 1], strict=True)
    ]
    failures = {who: runs.emergency(who) for who in ("uniform", "ours")}
    return Study(
        setup=(
            "Halls of four rows of 20 servers of eight H100s in two aisles, whose watts and air are provided for those; servers "
            "are added on the same watts and air. Places, fans and mountings differ, inlets follow weather and load and rise where air "
            "lacks (wattline.world.facility); five-minute steps, each as if it had lasted. A GPU at its slowdown slows itself; a row "
            "at its limit is slowed as a whole. A purpose-built world: the simulator plays pools of agents, not halls of tenants. "
            f"{plan.halls * len(bench.seeds())} halls, {plan.days} days each, and a day of the past from which placing knows its tenants; "
            f"models are learned from three days under other load."
        ),
        trace=(
            "Tenants are drawn, half of the servers opaque; how much of their swing they have in common is drawn by hall. Weather "
            + ("of typical years, May to September." if runs.recorded else "is generated.")
        ),
        baselines=(
            f"First fit row by row under a uniform cap, the cap chosen among {', '.join(f'{cap:g}' for cap in CAPS)} "
            f"({runs.cap:g} is best); ours with its margin chosen among {', '.join(f'{margin:g}' for margin in MARGINS)} "
            f"({runs.margin:g}), on other halls, by throttled time, lost speed and unserved demand together."
        ),
        findings=(
            _found(claims.CELSIUS, runs.by_seed(_less(ladder[0.0][0], ladder[0.0][-1], "celsius")), _SMALL),
            _found(claims.ROW, runs.by_seed(_less(ladder[0.0][0], ladder[0.0][-1], "row_ratio")), _SMALL),
            _found(claims.CAPACITY, [median(each) for each in runs.grouped(gains)], _ROOM),
            _found(claims.WORST, [_worst(each) for each in runs.grouped(gains)], _ROOM),
            _found(claims.HOT, runs.sums(ladder[ADDED], "hot"), _OPAQUE),
            _found(claims.HELD, runs.sums(ladder[ADDED], "held"), _OPAQUE),
            _found(claims.STEPS, _steps(runs, ladder[ADDED]), _LADDER),
            _found(
                claims.FIRST_BYTE,
                runs.by_seed([a["first_byte"] / b["first_byte"] for a, b in zip(ladder[0.0][-1], ladder[0.0][0], strict=True)]),
                "Routing by headroom fills cool servers more than equal shares would.",
            ),
            _found(claims.ERROR, runs.by_seed([one["error_celsius"] for one in ladder[0.0][0]]), "Sensors say whole degrees."),
            _found(claims.UNIFORM_OPAQUE, runs.by_seed(_percent(failures["uniform"], "opaque_loss")), _CAP),
            _found(claims.UNIFORM_SERVED, runs.by_seed(_percent(failures["uniform"], "served_loss")), _CAP),
            _found(claims.OURS_OPAQUE, runs.by_seed(_percent(failures["ours"], "opaque_loss")), _OPAQUE),
            _found(claims.OURS_SERVED, runs.by_seed(_percent(failures["ours"], "served_loss")), _CAP),
        ),
        carried_by=_carriers(runs),
        tables=(
            *(_ladder(added, rows) for added, rows in ladder.items()),
            _added(runs),
            _correlated(runs, gains),
            _failure(failures),
        ),
        loses=(
            "Where nothing is near a limit there is nothing to win: up to 30 % added, placing alone leaves nothing to routing and "
            "reconfiguring, whose steps are no worse only because they do nothing; what they add shows where most is added. Where tenants peak together, no placement spreads their peaks; "
            "and a hot opaque tenant that is in place stays where it is."
        ),
    )  # fmt: skip


class Runs:
    """All runs of a study."""

    def __init__(self, bench: Bench, plan: Plan) -> None:
        self._bench, self.plan = bench, plan
        self._seeds = bench.seeds()
        self._halls = range(plan.halls * len(self._seeds))
        files = [bench.data(f"env/weather_USA_{each}.epw.gz") for each in STATIONS]
        self._weather = [str(file) for file in files if file is not None]
        self.cap, self.margin = CAPS[0], MARGINS[1]
        self.cap = self._best([self._tuning(0, cap=cap) for cap in CAPS], CAPS)
        self.margin = self._best([self._tuning(3, margin=margin) for margin in MARGINS], MARGINS)

    @property
    def recorded(self) -> bool:
        """Whether the weather is recorded."""
        return bool(self._weather)

    def of(self, lever: int, added: float, **changed: Any) -> list[Said]:
        """Return what each hall says with so many levers and so much added."""
        return self._bench.each(play, [replace(self._case(hall, lever, added), **changed) for hall in self._halls])  # fmt: skip

    def few(self, lever: int, added: float, **changed: Any) -> list[Said]:
        """Return the same of a quarter of the halls."""
        halls = self._halls[:: min(4, len(self._halls))]
        return self._bench.each(play, [replace(self._case(hall, lever, added), **changed) for hall in halls])

    def emergency(self, who: str) -> list[Said]:
        """Return what a power failure costs each hall, both ways from the same placing and the same load."""
        return self.of(len(LEVERS) - 1, ADDED, emergency=who)

    def rooms(self, lever: int, **changed: Any) -> list[float]:
        """Return how much can be added to each hall: the most up to which no level is in violation; -10 % if none."""
        levels = [self.of(lever, added, **changed) for added in self.plan.levels]
        rooms = []
        for hall in range(len(self._halls)):
            room = -0.1
            for added, said in zip(self.plan.levels, levels, strict=True):
                if violated(said[hall]):
                    break
                room = added
            rooms.append(room)
        return rooms

    def grouped(self, values: Sequence[float]) -> list[list[float]]:
        """Return the halls' values by seed."""
        each = self.plan.halls
        return [list(values[each * index : each * (index + 1)]) for index in range(len(self._seeds))]

    def by_seed(self, values: Sequence[float]) -> list[float]:
        """Return the median hall of each seed."""
        return [median(each) for each in self.grouped(values)]

    def sums(self, ladder: Sequence[list[Said]], key: str) -> list[float]:
        """Return by how many per cent a measure falls from the first rung to the last, over all halls of a seed.

        A seed whose halls have none of it on the first rung says nothing; if none has, there is nothing to win.
        """
        firsts, lasts = (self.grouped([one[key] for one in ladder[index]]) for index in (0, -1))
        found = [100 * (1 - sum(b) / sum(a)) for a, b in zip(firsts, lasts, strict=True) if sum(a)]
        return found or [0.0]

    def _case(self, hall: int, lever: int, added: float) -> Case:
        weather = self._weather[hall % len(self._weather)] if self._weather else None
        return Case(hall, added, lever, self.plan.days, 300.0, weather, cap=self.cap if lever < 3 else 1.0, margin=self.margin)  # fmt: skip

    def _tuning(self, lever: int, **changed: Any) -> list[Said]:
        halls = range(TUNED_ON, TUNED_ON + self.plan.tuned_on)
        return self._bench.each(play, [replace(self._case(hall, lever, ADDED), **changed) for hall in halls])

    @staticmethod
    def _best(trials: Sequence[list[Said]], values: Sequence[float]) -> float:
        costs = [
            fmean(one["hot"] + one["held"] + one["opaque_loss"] + one["unserved"] + one["quality_loss"] for one in trial)
            for trial in trials
        ]  # fmt: skip
        return values[costs.index(min(costs))]


def violated(said: Said) -> bool:
    """Whether more was throttled, or less served, than counts as kept."""
    return bool(said["hot"] + said["held"] > VIOLATION or said["unserved"] > UNSERVED)


def _less(before: Sequence[Said], after: Sequence[Said], key: str) -> list[float]:
    return [100 * (1 - b[key] / a[key]) for a, b in zip(before, after, strict=True)]


def _percent(said: Sequence[Said], key: str) -> list[float]:
    return [100 * one[key] for one in said]


def _worst(values: Sequence[float]) -> float:
    """Return the worst decile: the value that a tenth lies at or below."""
    return sorted(values)[max(0, len(values) // 10 - 1)]


def _steps(runs: Runs, ladder: Sequence[list[Said]]) -> list[float]:
    by_seed = [
        [fmean(each) for each in runs.grouped([one["hot"] + one["held"] for one in rung])] for rung in ladder
    ]
    return [
        float(sum(b[seed] <= a[seed] + 1e-12 for a, b in pairwise(by_seed)))
        for seed in range(len(by_seed[0]))
    ]


def _found(claim: Claim, samples: Sequence[float], reason: str = "") -> Finding:
    finding = Finding(claim, tuple(samples))
    return finding if finding.accepted else replace(finding, reason=reason)


def _carriers(runs: Runs) -> tuple[Carrier, ...]:
    moved = (
        ("what tenants' swings have in common", "0.2 to 0.9", "common", (0.2, 0.9)),
        ("air supplied, of what provided servers want at their nameplate", "0.75 to 0.95", "air", (0.75, 0.95)),
        ("how much places and mountings differ", "half to one and a half", "spread", (0.5, 1.5)),
    )  # fmt: skip
    found = []
    for parameter, span, name, values in moved:
        said = []
        for value in values:
            first, last = (runs.few(lever, ADDED, **{name: value}) for lever in (0, len(LEVERS) - 1))
            said.append(" and ".join(f"{100 * fmean(one['hot'] + one['held'] for one in each):.2f}" for each in (first, last)))  # fmt: skip
        found.append(
            Carrier(parameter, span, f"% of server-time throttled at 30 % added, bin-packing and ours: {' → '.join(said)}")
        )  # fmt: skip
    return tuple(found)


def _ladder(added: float, rows: Sequence[list[Said]]) -> Table:
    def line(name: str, said: Sequence[Said]) -> tuple[str, ...]:
        return (
            name,
            f"{median(one['celsius'] for one in said):.1f}",
            f"{100 * median(one['row_ratio'] for one in said):.1f}",
            *(f"{100 * fmean(one[key] for one in said):.3f}" for key in ("hot", "held", "opaque_loss", "unserved", "quality_loss")),
            f"{median(one['first_byte'] for one in said):.2f}",
        )  # fmt: skip

    return Table(
        f"The ladder, {100 * added:.0f} % added",
        ("", "hottest GPU, °C", "fullest row, %", "GPUs slowed, %", "rows slowed, %", "opaque speed lost, %", "unserved, %", "quality lost, %", "P99 first token, s"),
        tuple(line(name, said) for name, said in zip(LEVERS, rows, strict=True)),
    )  # fmt: skip


def _added(runs: Runs) -> Table:
    rows = []
    for added in runs.plan.levels:
        first, last = runs.of(0, added), runs.of(len(LEVERS) - 1, added)
        rows.append(
            (
                f"{100 * added:.0f}",
                f"{fmean(one['correlation'] for one in first):.2f}",
                *(f"{100 * fmean(one['hot'] + one['held'] for one in each):.3f}" for each in (first, last)),
                *(f"{sum(map(violated, each))}/{len(each)}" for each in (first, last)),
                f"{100 * fmean(one['quality_loss'] for one in last):.2f}",
            )
        )
    return Table(
        "What is added, beside how alike tenants' loads are",
        ("added, %", "correlation of loads", "throttled, %: bin-packing", "ours", "halls in violation: bin-packing", "ours", "quality lost, %"),
        tuple(rows),
    )  # fmt: skip


def _correlated(runs: Runs, gains: Sequence[float]) -> Table:
    said = sorted(zip((one["correlation"] for one in runs.of(0, 0.0)), gains, strict=True))
    third = max(1, len(said) // 3)
    parts = [part for part in (said[:third], said[third : 2 * third], said[2 * third :]) if part]
    return Table(
        "Capacity won, by how alike tenants' loads are",
        ("correlation of loads", "halls", "median, %", "worst decile, %"),
        tuple(
            (
                f"{part[0][0]:.2f} to {part[-1][0]:.2f}",
                str(len(part)),
                f"{median(gain for _, gain in part):.0f}",
                f"{_worst([gain for _, gain in part]):.0f}",
            )
            for part in parts
        ),
    )


def _failure(failures: dict[str, list[Said]]) -> Table:
    keys = ("opaque_loss", "served_loss", "quality_loss", "over_rows")
    return Table(
        "75 % of the watts from one moment to the next, 30 % added, in the afternoon",
        (
            "",
            "opaque speed lost, %",
            "endpoints' speed lost, %",
            "quality lost, %",
            "rows above their watts, %",
        ),
        tuple(
            (name, *(f"{100 * fmean(one[key] for one in failures[who]):.1f}" for key in keys))
            for name, who in (("uniform cap of 35 %", "uniform"), ("ours, by class", "ours"))
        ),
    )
