"""ModServe beside ours: its ladder at loads of each step, the most load within the objective, and a day that is followed."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Any

from bench.papers.modserve import claims, day, sweep
from bench.papers.modserve.cluster import CROSS, DECODER, LATE, Fleet
from bench.papers.modserve.day import Day
from bench.papers.modserve.sweep import GPUS, THEIRS, Case
from bench.papers.study import Bench, Carrier, Claim, Finding, Study, Table

STEPS = ("one kind of server", "encoders and text apart", "+ by urgency", "+ least waiting tokens")
LOADS = (0.5, 0.7, 0.9, 0.95)
BASELINES = tuple(Fleet(GPUS // each, each, spread=spread) for each in (4, 2, 1) for spread in (False, True))
"""What one kind of server may be: GPUs each, turn by turn or by least waiting tokens."""
SPLITS = (Fleet(6, 4, 8), Fleet(5, 4, 12), Fleet(4, 4, 16), Fleet(3, 4, 20), Fleet(6, 2, 20), Fleet(4, 2, 24))
"""How GPUs may be divided; 5 and 12 are the paper's 20 and 48 for a quarter of its GPUs."""
TUNED_ON = 1000
MEAN_RATE = 400.0
"""Requests a second of the day: enough for tens of replicas, so that whole ones do not decide."""
Said = dict[str, Any]

_LOAD = "The paper does not say at which load; at 0.9 of what the step before carries, its gain is what the queue leaves to win."
_ALONE = (
    "On one GPU an image takes about twice as long as on four, and fewer servers are left for text: turn by turn, that gives back much "
    "of what texts win that no longer wait behind images. What apart wins here it wins with routing, the last step. Which one kind of server is best "
    "turn by turn is a close race that the tuning seed decides, and against four GPUs each the step raises P99, against one it lowers it."
)
_SPREAD = "Turn by turn leaves more to win here: ServeGen's requests of many images fill one encoder while others are idle."
_TUNED = (
    "The paper's baseline has four GPUs for everything, turn by turn; the best of six has one GPU each and our routing. It wastes "
    "none on encoders that scale badly, mixes images and text on all GPUs, and needs no division that fits the mix: most of the gain "
    "is routing by tokens, which it has as well."
)
_BASE = (
    "What of this is routing and what is following is in the table; turn by turn, the baseline carries so little within the objective "
    "that its fleet for the peak is large."
)
_STAGES = "Stage times are by arithmetic: parameters, patches and a stated share of what an A100 can do."


@dataclass(frozen=True)
class Plan:
    """How much is run."""

    tuned: int
    count: int


PLANS = {"ci": Plan(1_000, 2_000), "reduced": Plan(2_000, 5_000), "full": Plan(8_000, 30_000)}


def study(bench: Bench) -> Study:
    """Return what is found."""
    runs = Runs(bench)
    models = {model.name: Ladder(runs, model.name) for model in (CROSS, DECODER)}
    cross, decoder = models[CROSS.name], models[DECODER.name]
    days = {name: runs.days(ladder) for name, ladder in models.items()}
    alone = [100 * one["encode_share"] for one in cross.theirs]
    return Study(
        setup=(
            f"{GPUS} A100s, an event for each step of a server: batches of up to 4,096 text tokens or four images, images encoded by the "
            "same server first or by encoders of one GPU (transfer 5 ms), running answers share the steps. "
            f"{_STAGES} A purpose-built world: the simulator's engines know no images. Objective: the first token "
            f"within {LATE:g} times what the request, or a mean one if that is longer, takes alone on the paper's baseline, for 99 % of the requests; the first tenth is cut."
        ),
        trace=(
            ("Images: ServeGen's clients of images (shapes, rates, burstiness); text alone: Azure conversations, shapes and gaps. " if runs.recorded else "Generated, with power-law prompts. ")
            + "Half of the requests have images [assumption]. One order of requests for all, played faster or slower. The day: ServeGen's "
            "rates of images and of a large text model by ten minutes."
        ),
        baselines=(
            "One kind of server for all, the best of six (four, two or one GPU each; turn by turn or by least waiting tokens): "
            + "; ".join(f"{name}: {_named(ladder.best)}" for name, ladder in models.items())
            + ". Apart: the best of six divisions: "
            + "; ".join(f"{name}: {_named(ladder.steps[-1])}" for name, ladder in models.items())
            + "; the ladder begins with the best that goes turn by turn, as the paper's does. By most load within the objective, on another seed. Scaled by the same rule as ours."
        ),
        findings=(
            _found(claims.ENCODE, alone, _STAGES),
            _found(claims.DECOUPLED, cross.lower(1), _ALONE),
            _found(claims.DECOUPLED_ALL, decoder.lower(1), _ALONE),
            _found(claims.ORDERED, cross.lower(2), _LOAD),
            _found(claims.SPREAD, cross.lower(3), _SPREAD),
            _found(claims.STEPS, _steps((cross, decoder)), _ALONE),
            _found(claims.THROUGHPUT, cross.more(), _TUNED),
            _found(claims.THROUGHPUT_ALL, decoder.more(), _TUNED),
            _found(claims.THEIRS, cross.more_than_theirs(), _STAGES),
            _found(claims.THEIRS_ALL, decoder.more_than_theirs(), _STAGES),
            _found(claims.HOURS, _saved(days[CROSS.name], "one"), _TUNED),
            _found(claims.HOURS_ALL, _saved(days[DECODER.name], "one"), _TUNED),
            _found(claims.HOURS_PEAK, _saved(days[CROSS.name], "theirs_peak"), _BASE),
            _found(claims.ATTAINED, [one["attained"] for one in days[CROSS.name]], "Replicas follow a period late, and start in another."),
        ),
        carried_by=_carriers(runs, cross),
        tables=(*(ladder.table() for ladder in models.values()), *(ladder.curve() for ladder in models.values()), _days(days)),
        loses=(
            "Where images are few, encoders stand idle and their GPUs are missing for text; a division that fits one mix fits another "
            "badly until replicas have followed. On servers of one GPU each much of what apart wins is not there to be won."
        ),
    )  # fmt: skip


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
        return replace(Case(model, *of, seed, count, *self._files), **changed)

    def most(self, model: str, fleet: Fleet, **changed: Any) -> list[Said]:
        """Return the measures of each seed at the most load within the objective."""
        seeds = self._bench.seeds()
        return self._bench.each(sweep.play, [self.case(model, fleet, seed, self.plan.count, **changed) for seed in seeds])  # fmt: skip

    def at(self, model: str, fleet: Fleet, rates: Sequence[float]) -> list[Said]:
        """Return the measures of each seed at its rate."""
        cases = [self.case(model, fleet, seed, self.plan.count, rate=rate) for seed, rate in zip(self._bench.seeds(), rates, strict=True)]  # fmt: skip
        return self._bench.each(sweep.play, cases)

    def best(self, model: str, fleets: Sequence[Fleet]) -> Fleet:
        """Return the fleet that carries most, on a seed for tuning."""
        found = self._bench.each(
            sweep.play, [self.case(model, fleet, TUNED_ON, self.plan.tuned) for fleet in fleets]
        )
        return max(zip(fleets, found, strict=True), key=lambda each: each[1]["rate"])[0]

    def days(self, ladder: "Ladder") -> list[Said]:
        """Return a day of each seed, with servers as busy as they are at the most they carry."""
        cases = []
        for seed, (one, ours, theirs) in enumerate(
            zip(ladder.rival, ladder.most[3], ladder.theirs, strict=True)
        ):
            first, last = ladder.best, ladder.steps[3]
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
                    last.gpus_each,
                    first.gpus_each,
                    theirs["encode_seconds"] + theirs["prefill_seconds"],
                    theirs["busy"],
                    THEIRS.gpus_each,
                )
            )
        return self._bench.each(day.play, cases)


class Ladder:
    """One model's four steps."""

    def __init__(self, runs: Runs, model: str) -> None:
        self.model = model
        apart = runs.best(model, [replace(each, ordered=True, spread=True) for each in SPLITS])
        self.steps = (
            runs.best(model, [each for each in BASELINES if not each.spread]),
            replace(apart, ordered=False, spread=False),
            replace(apart, spread=False),
            apart,
        )
        self.best = runs.best(model, BASELINES)
        self.rival = runs.most(model, self.best)
        self.theirs = runs.most(model, THEIRS)
        self.most = [runs.most(model, step) for step in self.steps]
        self.rates = [[one["rate"] for one in each] for each in self.most]
        self.at = {
            (before, step, share): runs.at(
                model, self.steps[step], [share * rate for rate in self.rates[before]]
            )
            for before in range(3)
            for step in (before, before + 1)
            for share in LOADS
        }

    def lower(self, step: int) -> list[float]:
        """Return by how many per cent P99 falls with a step, at 0.9 of what the step before carries."""
        pairs = zip(self.at[step - 1, step - 1, 0.9], self.at[step - 1, step, 0.9], strict=True)
        return [100 * (1 - b["p99"] / a["p99"]) for a, b in pairs]

    def more(self) -> list[float]:
        """Return how many times the load is carried that the best of one kind of server carries."""
        return _ratio(self.rates[3], [one["rate"] for one in self.rival])

    def more_than_theirs(self) -> list[float]:
        """Return how many times the load is carried that the paper's own baseline carries."""
        return _ratio(self.rates[3], [one["rate"] for one in self.theirs])

    def table(self) -> Table:
        names = (*STEPS, "the best of one kind, with our routing or without", "the paper's own baseline")
        fleets, found = (*self.steps, self.best, THEIRS), (*self.most, self.rival, self.theirs)
        rows = [
            (
                name,
                _named(step),
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
        for step in (1, 2, 3):
            for share in LOADS:
                both = [self.at[step - 1, each, share] for each in (step - 1, step)]
                said = [f"{fmean(one[key] for one in each):.3f}" for key in ("mean", "p99") for each in both]
                rows.append((STEPS[step], f"{share:g}", *said))
        return Table(
            f"First tokens against the step before, at shares of what that carries, {self.model}",
            ("step", "share", "mean before, s", "mean, s", "P99 before, s", "P99, s"),
            tuple(rows),
        )


def _named(fleet: Fleet) -> str:
    servers = f"{fleet.servers} × {fleet.gpus_each} GPU"
    by = "by tokens" if fleet.spread else "turn by turn"
    return f"{servers} + {fleet.encoders} encoders" if fleet.encoders else f"{servers}, {by}"


def _ratio(ours: Sequence[float], theirs: Sequence[float]) -> list[float]:
    return [a / b for a, b in zip(ours, theirs, strict=True)]


def _saved(days: Sequence[Said], against: str) -> list[float]:
    return [100 * (1 - one["ours"] / one[against]) for one in days]


def _steps(ladders: Sequence[Ladder]) -> list[float]:
    lower = [ladder.lower(step) for ladder in ladders for step in (1, 2, 3)]
    return [float(sum(each[seed] > 0 for each in lower)) for seed in range(len(lower[0]))]


def _found(claim: Claim, samples: Sequence[float], reason: str = "") -> Finding:
    finding = Finding(claim, tuple(samples))
    return finding if finding.accepted else replace(finding, reason=reason)


def _carriers(runs: Runs, ladder: Ladder) -> tuple[Carrier, ...]:
    moved = (
        ("arithmetic of the encoder", "half to twice", "encode_ratio", (0.5, 2.0)),
        ("objective, of the time alone", "3 to 10 times", "late", (3.0, 10.0)),
    )
    carriers = []
    for parameter, span, name, values in moved:
        said = []
        for value in values:
            first, last = (
                runs.most(ladder.model, fleet, **{name: value}) for fleet in (ladder.best, ladder.steps[3])
            )
            ratio = fmean(_ratio([one["rate"] for one in last], [one["rate"] for one in first]))
            said.append(f"{ratio:.2f}")
        carriers.append(
            Carrier(
                parameter,
                span,
                f"most load against the best of one kind of server, same divisions: {' → '.join(said)} ×",
            )
        )
    return tuple(carriers)


def _days(days: dict[str, list[Said]]) -> Table:
    keys = ("theirs_peak", "one_peak", "one", "ours_peak", "ours")
    rows = [
        (
            name,
            *(f"{fmean(one[key] for one in said):.0f}" for key in keys),
            *(f"{100 * fmean(one[key] for one in said):.2f}" for key in ("one_attained", "attained")),
        )
        for name, said in days.items()
    ]
    return Table(
        f"GPU-hours of a day of {MEAN_RATE:g} requests a second",
        ("", "the paper's baseline, for the peak", "best of one kind, for the peak", "best of one kind, followed", "by role, for the peaks", "by role, followed", "within capacity, %: one kind", "by role"),
        tuple(rows),
    )  # fmt: skip
