"""Slim-SC beside ours: what cutting chains saves, where it keeps the vote right, and where it does not."""

from collections.abc import Sequence
from dataclasses import replace
from statistics import fmean
from typing import Any

from bench.papers.slim_sc import runs
from bench.papers.slim_sc.items import HARD, REDUNDANT
from bench.papers.slim_sc.runs import (
    CHAINS,
    DP,
    FEW,
    FULL,
    GUARDED_DP,
    GUARDED_RP,
    HALF,
    POLICIES,
    RP,
    Loaded,
    Sample,
)
from bench.papers.study import Bench, Carrier, Claim, Finding, Kind, Study, Table

Played = Sequence[dict[str, dict[str, float]]]
"""By seed, policy and quantity."""
_A, _E = Kind.ARITHMETIC, Kind.EMERGENT
ALIKE = "Slim-SC against SC with as many chains"

LATENCY = Claim(
    "latency",
    f"time to the vote, {ALIKE} (better of RP and DP)",
    "up to −45 %, R1-Distill [P abs]",
    _E,
    -45,
    -20,
    "%",
)
USE = Claim(
    "kv-use", "KV memory in use while a question runs, mean, the same", "up to −26 %, R1-Distill [P abs]; its code logs the engine's use by step [A]", _E, -26, -10, "%"
)  # fmt: skip
MEMORY = Claim("kv", "KV memory × time, the same", "up to −26 %, R1-Distill [P abs]", _E, -26, -10, "%")
ENERGY = Claim("joules", "joules of a question, the same", "not given", _E, None, -5, "%", headline=False)
MEASURED = Claim(
    "measured", "time to the vote, RP, where tokens saved are set to the quarter that was measured on GPQA", "−6, −12, −39 %, three models (14 billion parameters: −39) by others [S]", Kind.CHECKED, -39, -6, "%", headline=False
)  # fmt: skip
ALONE = Claim(
    "alone", "seconds of SC with 64 chains on such a question, 14 billion parameters on one GPU", "1,081 on GPQA by others [S]", Kind.CHECKED, 540, 2160, "s", headline=False
)  # fmt: skip
LATENCY_FEW = Claim("latency-few", "time to the vote with sixteen chains, which fit in memory, the same", "up to −45 %, chains not said [P abs]", _E, -45, -20, "%", headline=False)  # fmt: skip
RIGHT = Claim(
    "accuracy",
    "accuracy where wrong chains are redundant, the same",
    "+2.1 points (0.578 → 0.599) [S]; kept or better [P abs]",
    _A,
    -1,
    None,
    "points",
)
HARD_LOST = Claim(
    "hard",
    "accuracy on hard questions, RP without a guard",
    "−7.7 points (AIME25, 69.4 → 61.7, a later comparison) [S]",
    _A,
    -15,
    -2,
    "points",
)
GUARD = Claim(
    "guard", "accuracy on hard questions with our guard (worse of RP and DP)", "ours", _A, -1, None, "points"
)
GUARDED = Claim(
    "guarded-latency",
    "time to the vote that the guard leaves saved where wrong chains are redundant",
    "ours",
    _E,
    None,
    -10,
    "%",
    headline=False,
)
AGAINST_HALF = Claim("half", "accuracy against SC with half the chains, where wrong chains are redundant", "not given", _A, 0, None, "points", headline=False)  # fmt: skip

_FEW = (
    "Sixteen chains fit in the engine's memory and none waits: a step reads the weights whatever the number of chains, and the vote waits for "
    "the longest chain, which is long whatever the others think. Cutting then saves the steps' share that grows with chains, and with fewer "
    "neighbours fewer thoughts are alike. The paper's size of saving needs more chains than memory has room for."
)
_ASSUMED = "How much more alike wrong chains are is assumed: see what carries it."
_INTEGRAL = (
    "Memory in use falls as the paper's does, and over a shorter time: their product falls by both. The paper's code logs the engine's use by step, which is "
    "the row above; this one is what an operator pays for."
)
_QUEUE = "Waiting for memory is most of the time with 64 chains, and how much of it pruning saves depends on when it cuts."
_LITTLE = "Memory is held by the chains that go on; those cut were young."
_MANY_LEFT = (
    "A quarter of 64 chains is left, sixteen, and where a question's chains agree or do not agree at all (a mean of 62 of 100 correct, 70 by vote), sixteen vote nearly "
    "as 64 do. The account of the loss does not say how many chains it began with."
)
_LATE = "Until four have answered nothing is cut, and what is cut then was nearly done."


def study(bench: Bench) -> Study:
    """Return what is found."""
    questions = bench.pick(ci=60, reduced=200, full=2_000)
    served = bench.pick(ci=10, reduced=20, full=150)
    redundant, hard = (
        bench.each(runs.play, [Sample(seed, regime.name, questions, served) for seed in bench.seeds()])
        for regime in (REDUNDANT, HARD)
    )
    few = bench.each(
        runs.play, [Sample(seed, REDUNDANT.name, questions, served, chains=FEW) for seed in bench.seeds()]
    )
    best = min((RP, DP), key=lambda name: fmean(_percent(redundant, name, "seconds")))
    return Study(
        setup=(
            f"{CHAINS} chains a question, as others measured Slim-SC with (STEP, arXiv 2601.09093), beside {FEW}; written by Qwen3-14B on one H100 at full "
            "clocks (the engine's physics; batch and memory decide the time), all of one question at once: 64 chains want three times the memory "
            "there is, and wait for each other. Which thoughts are alike is a process with clusters of correct and wrong answers, set so that random "
            "pruning saves the quarter of the tokens that was measured on GPQA, mean of three models; time, memory and joules follow. That wrong "
            "chains are more alike is assumed: accuracy is therefore class A."
        ),
        trace="Drawn: lognormal lengths (median 8,700 tokens, hard 16,000), answers with labels, as correct by one chain and by vote as measured with 64 on GPQA and on contests; every policy sees the same.",
        baselines="SC with all, three quarters, half and a quarter of the chains: whoever wants cheaper votes can start fewer. Our guard's two constants were chosen among 18 settings on a seed that is not played here.",
        findings=(
            _found(LATENCY, _percent(redundant, best, "seconds"), _QUEUE),
            _found(MEASURED, _percent(redundant, RP, "seconds"), _QUEUE),
            _found(ALONE, [one[FULL]["seconds"] for one in redundant], _QUEUE),
            _found(LATENCY_FEW, _percent(few, best, "seconds"), _FEW),
            _found(USE, _percent(redundant, best, "kv_tokens"), _QUEUE),
            _found(MEMORY, _percent(redundant, best, "kv_token_seconds"), _INTEGRAL),
            _found(ENERGY, _percent(redundant, best, "joules"), _LITTLE),
            _found(RIGHT, _points(redundant, best), _ASSUMED),
            _found(HARD_LOST, _points(hard, RP), _MANY_LEFT),
            _found(GUARD, min((_points(hard, name) for name in (GUARDED_RP, GUARDED_DP)), key=fmean), _ASSUMED),
            _found(
                GUARDED,
                _percent(redundant, GUARDED_RP if best == RP else GUARDED_DP, "seconds"),
                _LATE,
            ),
            _found(AGAINST_HALF, _points(redundant, best, HALF), _ASSUMED),
        ),
        carried_by=_carriers(bench, questions, served),
        tables=(
            _table("Wrong chains are redundant", redundant),
            _table("Wrong chains are redundant, sixteen chains", few),
            _table("Hard questions: chains are alike whatever they answer", hard),
            _numbers(bench, questions, served),
            _loads(bench),
        ),
        loses=(
            "On hard questions, where resemblance says nothing of right and wrong: the vote is left with few chains. Where all chains fit in "
            "memory little time is saved. And in time and joules alone: half the chains from the start save more than cutting does, at nearly "
            "the accuracy of all (tables)."
        ),
    )  # fmt: skip


def _found(claim: Claim, samples: Sequence[float], reason: str) -> Finding:
    finding = Finding(claim, tuple(samples))
    return finding if finding.accepted else replace(finding, reason=reason)


def _percent(played: Played, policy: str, key: str, against: str = FULL) -> list[float]:
    return [100 * (one[policy][key] / one[against][key] - 1) for one in played]


def _points(played: Played, policy: str, against: str = FULL) -> list[float]:
    return [100 * (one[policy]["right"] - one[against]["right"]) for one in played]


def _table(title: str, played: Played) -> Table:
    def mean(policy: str, key: str) -> float:
        return fmean(one[policy][key] for one in played)

    rows = tuple(
        (
            name,
            f"{100 * mean(name, 'right'):.1f} %",
            f"{mean(name, 'left'):.1f}",
            f"{mean(name, 'seconds'):.0f}",
            f"{fmean(_percent(played, name, 'seconds')):+.0f} %",
            f"{fmean(_percent(played, name, 'kv_tokens')):+.0f} %",
            f"{fmean(_percent(played, name, 'kv_token_seconds')):+.0f} %",
            f"{mean(name, 'joules') / 1e3:.1f} ({fmean(_percent(played, name, 'joules')):+.0f} %)",
            f"{fmean(_percent(played, name, 'tokens')):+.0f} %",
            f"{mean(name, 'agreement'):.2f}",
        )
        for name in POLICIES
    )
    head = (
        "policy",
        "correct",
        "chains that vote",
        "s to the vote",
        "",
        "KV in use",
        "KV × time",
        "kJ",
        "tokens",
        "agreement",
    )
    return Table(title, head, rows)


def _numbers(bench: Bench, questions: int, served: int) -> Table:
    counts = bench.pick(ci=(32,), reduced=(8, 32), full=(8, 24, 32, 48, 96))
    few, once = bench.pick(ci=(30, 4), reduced=(100, 8), full=(1000, 100))
    played = bench.each(
        runs.play,
        [Sample(0, REDUNDANT.name, min(few, questions), min(once, served), chains=count) for count in counts],
    )
    rows = tuple(
        (
            str(count),
            *(
                f"{_percent([one], name, 'seconds')[0]:+.0f} % time, {_percent([one], name, 'kv_token_seconds')[0]:+.0f} % KV, "
                f"{_percent([one], name, 'joules')[0]:+.0f} % joules, {_points([one], name)[0]:+.1f} points"
                for name in (RP, DP, GUARDED_DP, HALF)
            ),
            f"{one[FULL]['preemptions']:.0f}",
        )
        for count, one in zip(counts, played, strict=True)
    )
    head = ("chains", RP, DP, GUARDED_DP, HALF, "preemptions of SC-N")
    return Table("Wrong chains are redundant, over the number of chains: against SC with as many", head, rows)


def _carriers(bench: Bench, questions: int, served: int) -> tuple[Carrier, ...]:
    moved: tuple[tuple[str, str, str, tuple[float, float]], ...] = (
        ("chance that thoughts are alike", "half to twice", "alike", (0.5, 2.0)),
        ("length of wrong chains against correct ones", "1 to 1.6", "wrong_longer", (1.0, 1.6)),
        ("spread of lengths", "0.3 to 0.6", "spread", (0.3, 0.6)),
        ("warm-up", "10 to 40 thoughts", "warmup_thoughts", (10, 40)),
    )[: bench.pick(ci=1, reduced=4, full=4)]
    few = (
        min(questions, bench.pick(ci=30, reduced=60, full=600)),
        min(served, bench.pick(ci=5, reduced=10, full=60)),
    )
    cases = [
        replace(Sample(0, regime.name, *few), **{name: value})
        for _, _, name, values in moved
        for value in values
        for regime in (REDUNDANT, HARD)
    ]
    found = iter(bench.each(runs.play, cases))
    carriers = []
    for parameter, span, _, values in moved:
        said = []
        for _ in values:
            redundant, hard = [next(found)], [next(found)]
            said.append(
                f"DP {_percent(redundant, DP, 'seconds')[0]:+.0f} % time, {_percent(redundant, DP, 'kv_token_seconds')[0]:+.0f} % KV, "
                f"{_points(redundant, DP)[0]:+.1f} points; hard: RP {_points(hard, RP)[0]:+.1f}, guarded {_points(hard, GUARDED_RP)[0]:+.1f}"
            )
        carriers.append(Carrier(parameter, span, " → ".join(said)))
    return tuple(carriers)


def _loads(bench: Bench) -> Table:
    names = bench.pick(
        ci=(FULL, DP), reduced=(FULL, HALF, DP, GUARDED_DP), full=(FULL, HALF, RP, DP, GUARDED_DP)
    )
    questions = bench.pick(ci=10, reduced=20, full=300)
    loads = bench.pick(ci=(0.5,), reduced=(0.5, 0.7, 0.9), full=(0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95))  # fmt: skip
    seeds = bench.seeds()
    full = bench.each(
        runs.under_load, [Loaded(seed, name, questions, 0.0) for name in names for seed in seeds]
    )
    own = {
        name: [one["per_second"] for one in full[index * len(seeds) : (index + 1) * len(seeds)]]
        for index, name in enumerate(names)
    }
    cases = [
        Loaded(seed, name, questions, load, own[name][index])
        for name in names
        for load in loads
        for index, seed in enumerate(seeds)
    ]
    found = iter(bench.each(runs.under_load, cases))
    rows = []
    for name in names:
        cells, within = [], []
        for load in loads:
            played: list[Any] = [next(found) for _ in seeds]
            cells.append(
                f"{fmean(one['seconds'] for one in played):.0f} s, {fmean(one['joules'] for one in played) / 1e3:.1f} kJ"
            )
            if fmean(one["within"] for one in played) >= 0.99:
                within.append(load)
        rows.append(
            (name, f"{3600 * fmean(own[name]):.0f}", *cells, f"{max(within):g}" if within else "none")
        )
    head = (
        "policy",
        "questions/h",
        *(f"at {load:g}" for load in loads),
        "most load with 99 % inside 1.5 × alone",
    )
    return Table(
        "Redundant wrong, questions of sixteen chains that come at random, at shares of each policy's own capacity",
        head,
        tuple(rows),
    )
