"""All runs of a study: the fleets are chosen on one seed, then the ladder is played at equal loads and at the most of each."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Any

from bench.papers.modserve import day, sweep
from bench.papers.modserve.cluster import Fleet
from bench.papers.modserve.day import Day
from bench.papers.modserve.sweep import GPUS, LATE, THEIRS, WITHIN, Case
from bench.papers.study import Bench, Table, varied

STEPS = (
    "one kind of server, the paper's",
    "encoders and text apart",
    "+ by urgency",
    "+ least waiting tokens",
)
LOADS = (0.5, 0.7, 0.9, 0.95)
"""Shares of the rate at which the paper's baseline is busy all of the time; all steps get the same rate."""
LOAD = 0.9
"""At which the ladder's claims are taken: the paper's own percentages are of its high load [P §5.5]."""
TURN_BY_TURN = tuple(Fleet(GPUS // each, each) for each in (8, 4, 2, 1))
ONE_KIND = (
    *TURN_BY_TURN,
    *(replace(each, spread=True) for each in TURN_BY_TURN),
    *(replace(each, spread=True, ordered=True) for each in TURN_BY_TURN),
)
"""What one kind of server may be: GPUs each; turn by turn, by least waiting tokens, and that by urgency as well."""
SPLITS = (Fleet(6, 4, 8), Fleet(5, 4, 12), Fleet(4, 4, 16), Fleet(3, 4, 20), Fleet(6, 2, 20), Fleet(4, 2, 24))
"""How GPUs may be divided; 5 and 12 are the paper's 20 and 48 for a quarter of its GPUs."""
THEIR_SPLIT = SPLITS[1]
TUNED_ON = (1000, 1001)
"""Seeds, which are not played."""
MEAN_RATE = 400.0
"""Requests a second of the day: enough for tens of replicas, so that whole ones do not decide."""
Said = dict[str, Any]


@dataclass(frozen=True)
class Plan:
    """How much is run."""

    tuned: int
    count: int
    factors: tuple[float, ...]
    """Objectives beside the one that is claimed, in times of a request alone."""


PLANS = {
    "ci": Plan(1_000, 3_000, ()),
    "reduced": Plan(6_000, 8_000, ()),
    "full": Plan(8_000, 30_000, (5.0, 7.0, 10.0, 12.0, 16.0, 24.0)),
}


class Runs:
    """All runs of a study."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self.plan = PLANS[bench.form.value]
        files = [
            bench.data(f"traces/{name}")
            for name in (
                "servegen_mm-image_dataset.jsonl.gz",
                "servegen_client_rate_windows.csv.gz",
                "AzureLLMInferenceTrace_conv_2023.csv.gz",
            )
        ]
        self.recorded = all(files)
        self._files = [str(file) if file and self.recorded else None for file in files]

    def case(self, model: str, fleet: Fleet, seed: int, count: int, **changed: Any) -> Case:
        """Return a case of a fleet."""
        of = (fleet.servers, fleet.gpus_each, fleet.encoders, fleet.ordered, fleet.spread)
        dataset, windows, azure = self._files
        return varied(Case(model, *of, seed, count, dataset, windows, azure), changed)

    def most(self, model: str, fleet: Fleet, **changed: Any) -> list[Said]:
        """Return the measures of each seed at the most load within the objective."""
        seeds = self._bench.seeds()
        return self._bench.each(sweep.play, [self.case(model, fleet, seed, self.plan.count, **changed) for seed in seeds])  # fmt: skip

    def at(self, model: str, fleet: Fleet, rates: Sequence[float]) -> list[Said]:
        """Return the measures of each seed at its rate."""
        cases = [self.case(model, fleet, seed, self.plan.count, rate=rate) for seed, rate in zip(self._bench.seeds(), rates, strict=True)]  # fmt: skip
        return self._bench.each(sweep.play, cases)

    def best(self, model: str, fleets: Sequence[Fleet], **changed: Any) -> Fleet:
        """Return the fleet that carries most on the worse of the seeds for tuning, so that no lucky one is taken."""
        cases = [
            self.case(model, fleet, seed, self.plan.tuned, **changed) for fleet in fleets for seed in TUNED_ON
        ]
        found = iter(self._bench.each(sweep.play, cases))
        carried = [min([next(found)["rate"] for _ in TUNED_ON]) for _ in fleets]
        return fleets[carried.index(max(carried))]

    def days(self, ladder: "Ladder", fleet: Fleet, most: Sequence[Said]) -> list[Said]:
        """Return a day of each seed with one of our fleets, servers as busy as they are at the most they carry."""
        cases = []
        for seed, (one, ours, theirs) in enumerate(zip(ladder.rival, most, ladder.most[0], strict=True)):
            with_images = one["encode_seconds"] + 0.5 * one["prefill_seconds"]
            total = one["encode_seconds"] + one["prefill_seconds"]
            cases.append(
                Day(
                    seed,
                    MEAN_RATE,
                    self._files[1],
                    ours["encode_seconds"],
                    ours["prefill_seconds"],
                    total,
                    with_images / total,
                    ours["busy"],
                    one["busy"],
                    fleet.gpus_each,
                    ladder.best.gpus_each,
                    theirs["encode_seconds"] + theirs["prefill_seconds"],
                    theirs["busy"],
                    THEIRS.gpus_each,
                )
            )
        return self._bench.each(day.play, cases)


class Ladder:
    """One model's four steps on the paper's own division, and the best division beside the best of one kind of server."""

    def __init__(self, runs: Runs, model: str) -> None:
        self.model = model
        self._runs = runs
        self.steps = (
            THEIRS,
            THEIR_SPLIT,
            replace(THEIR_SPLIT, ordered=True),
            replace(THEIR_SPLIT, ordered=True, spread=True),
        )
        self.apart = self._apart()
        self.best = runs.best(model, ONE_KIND)
        self.best_by_turns = runs.best(model, TURN_BY_TURN)
        self.rival = runs.most(model, self.best)
        self.most = [runs.most(model, step) for step in self.steps]
        self.most_apart = runs.most(model, self.apart)
        self.at = {
            (step, share): runs.at(model, fleet, [share * one["full"] for one in self.most[0]])
            for step, fleet in enumerate(self.steps)
            for share in LOADS
        }

    def _apart(self, **changed: Any) -> Fleet:
        fleets = [replace(each, ordered=True, spread=True) for each in SPLITS]
        return self._runs.best(self.model, fleets, **changed)

    def lower(self, step: int, measure: str = "p99") -> list[float]:
        """Return by how many per cent a measure falls with a step, at the claims' load."""
        return _lower(self.at[step - 1, LOAD], self.at[step, LOAD], measure)

    def lower_than_best(self) -> list[float]:
        """Return by how many per cent P99 falls against the best of one kind turn by turn, at that one's own load."""
        idle = self._runs.most(self.model, self.best_by_turns)
        rates = [LOAD * one["full"] for one in idle]
        before, after = (
            self._runs.at(self.model, fleet, rates) for fleet in (self.best_by_turns, self.steps[1])
        )
        return _lower(before, after, "p99")

    def more_than_theirs(self) -> list[float]:
        """Return how many times the load is carried that the paper's baseline carries."""
        return times(self.most[3], self.most[0])

    def more_than_best(self) -> list[float]:
        """Return how many times the load the best division carries that the best of one kind carries."""
        return times(self.most_apart, self.rival)

    def table(self) -> Table:
        names = (
            *STEPS,
            "the same, best division",
            "the best of one kind, with our routing and order or without",
        )
        fleets, found = (*self.steps, self.apart, self.best), (*self.most, self.most_apart, self.rival)
        rows = [
            (
                name,
                named(step),
                *(f"{fmean(one[key] for one in most):.{digits}f}" for key, digits in (("rate", 1), ("p99", 2), ("mean", 2))),
                f"{100 * fmean(one['busy'] for one in most):.0f}",
            )
            for name, step, most in zip(names, fleets, found, strict=True)
        ]  # fmt: skip
        return Table(
            f"At the most load within the objective, {self.model}",
            ("", "servers", "requests a second", "P99 first token, s", "mean, s", "busier role busy, %"),
            tuple(rows),
        )

    def curve(self) -> Table:
        rows = []
        for share in LOADS:
            said = [
                f"{fmean(one[key] for one in self.at[step, share]):.3f}"
                for key in ("mean", "p99")
                for step in range(4)
            ]
            rows.append((f"{share:g}", *said))
        return Table(
            f"First tokens at equal loads, in shares of what the paper's baseline can do at all, {self.model}: s",
            ("load", *(f"{kind}: {name}" for kind in ("mean", "P99") for name in STEPS)),
            tuple(rows),
        )

    def objectives(self) -> Table:
        """Return the most load under other objectives, with fleets chosen anew for each."""
        rows = []
        for late in sorted({LATE, *self._runs.plan.factors}):
            fleets = (
                THEIRS,
                self._runs.best(self.model, ONE_KIND, late=late),
                self._apart(late=late),
            )
            found = [self._runs.most(self.model, each, late=late) for each in fleets]
            theirs, best, ours = (_carried(each) for each in found)
            rows.append(
                (
                    f"{late:g}",
                    _told(theirs),
                    f"{_told(best)} ({named(fleets[1])})",
                    f"{_told(ours)} ({named(fleets[2])})",
                    *(f"{ours / other:.2f}" if ours and other else "–" for other in (theirs, best)),
                )
            )
        return Table(
            f"Most requests a second by objective, {self.model}",
            (
                "times alone",
                "the paper's baseline",
                "best of one kind",
                "apart",
                "× the paper's",
                "× the best",
            ),
            tuple(rows),
        )


def named(fleet: Fleet) -> str:
    """Return a fleet in words."""
    servers = f"{fleet.servers} × {fleet.gpus_each} GPU"
    if fleet.encoders:
        return f"{servers} + {fleet.encoders} encoders"
    by = "by tokens" if fleet.spread else "turn by turn"
    return f"{servers}, {by}{', by urgency' if fleet.ordered else ''}"


def times(ours: Sequence[Said], theirs: Sequence[Said]) -> list[float]:
    """Return how many times the load of others is carried, seed by seed."""
    return [one["rate"] / other["rate"] for one, other in zip(ours, theirs, strict=True)]


def _carried(found: Sequence[Said]) -> float:
    """Return the mean of the most load; 0 where the objective is missed even idle on some seed."""
    return fmean(one["rate"] for one in found) if all(one["inside"] >= WITHIN for one in found) else 0.0


def _told(rate: float) -> str:
    return f"{rate:.1f}" if rate else "late even idle"


def _lower(before: Sequence[Said], after: Sequence[Said], measure: str) -> list[float]:
    return [100 * (1 - b[measure] / a[measure]) for a, b in zip(before, after, strict=True)]
