"""Slim-SC beside ours: what cutting chains saves, where it keeps the vote right, and where it does not."""

from collections.abc import Sequence
from dataclasses import replace
from statistics import fmean
from typing import Any

from bench.papers.slim_sc import claims, runs
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
    QUARTER,
    RP,
    Loaded,
    Sample,
)
from bench.papers.study import Bench, Carrier, Claim, Finding, Study, Table, varied

Played = Sequence[dict[str, dict[str, float]]]
"""By seed, policy and quantity."""
_ASSUMED = "How much more alike wrong chains are is assumed: see what carries it."
_QUEUE = "Waiting for memory is most of the time with 64 chains, and how much of it pruning saves depends on when it cuts."
_LITTLE = "Memory is held by the chains that go on; those cut were young."
_LATE = "Until four have answered nothing is cut, and what is cut then was nearly done."


def study(bench: Bench) -> Study:
    """Return what is found."""
    questions = bench.pick(ci=60, reduced=200, full=2_000)
    served = bench.pick(ci=10, reduced=20, full=150)
    redundant, hard = (
        bench.each(runs.play, [Sample(seed, regime.name, questions, served) for seed in bench.seeds()])
        for regime in (REDUNDANT, HARD)
    )
    few, hard_few = (
        bench.each(runs.play, [Sample(seed, name, questions, served, chains=FEW) for seed in bench.seeds()])
        for name in (REDUNDANT.name, HARD.name)
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
            _found(claims.LATENCY, _percent(redundant, best, "seconds"), _QUEUE),
            _found(claims.MEASURED, _percent(redundant, RP, "seconds"), _QUEUE),
            _found(claims.ALONE, [one[FULL]["seconds"] for one in redundant], _QUEUE),
            _found(claims.LATENCY_FEW, _percent(few, best, "seconds"), _fits(few, best)),
            _found(claims.USE, _percent(redundant, best, "kv_tokens"), _QUEUE),
            _found(claims.MEMORY, _percent(redundant, best, "kv_token_seconds"), _product(redundant, best)),
            _found(claims.ENERGY, _percent(redundant, best, "joules"), _LITTLE),
            _found(claims.RIGHT, _points(redundant, best), _ASSUMED),
            _found(claims.HARD_LOST, _points(hard, RP), _enough(hard)),
            _found(claims.HARD_FEW, _points(hard_few, RP), _enough(hard_few)),
            _found(claims.GUARD, min((_points(hard, name) for name in (GUARDED_RP, GUARDED_DP)), key=fmean), _ASSUMED),
            _found(
                claims.GUARDED,
                _percent(redundant, GUARDED_RP if best == RP else GUARDED_DP, "seconds"),
                _LATE,
            ),
            _found(claims.AGAINST_HALF, _points(redundant, best, HALF), _ASSUMED),
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


def _fits(few: Played, policy: str) -> str:
    half = fmean(_percent(few, HALF, "seconds"))
    tokens = fmean(_percent(few, policy, "tokens"))
    return (
        f"Sixteen chains fit in the engine's memory and none waits: a step reads the weights whatever the number of chains, and the vote waits for the longest, which is "
        f"long whatever the others think, so that even half the chains from the start change the time by {half:.0f} % only. With fewer neighbours fewer thoughts are "
        f"alike, too: tokens by {tokens:.0f} %. A saving of the paper's size needs more chains than memory has room for."
    )


def _product(played: Played, policy: str) -> str:
    use, time = (fmean(_percent(played, policy, key)) for key in ("kv_tokens", "seconds"))
    return (
        f"Memory in use changes by {use:.0f} %, as the paper's does, and that over a time that changes by {time:.0f} %: their product by both. The paper's code logs the "
        "engine's use by step, which is the row above; this one is what an operator pays for."
    )


def _enough(hard: Played) -> str:
    few, all_ = (100 * fmean(one[name]["right"] for one in hard) for name in (QUARTER, FULL))
    left, tokens = fmean(one[RP]["left"] for one in hard), fmean(_percent(hard, RP, "tokens"))
    return (
        f"As many are cut as may be, tokens change by {tokens:.0f} %, and {left:.0f} chains vote nearly as all do: a quarter from the start is right in {few:.1f} of 100, all in "
        f"{all_:.1f}. One chain is right in 62 and a vote of 64 in 70 as measured, so that votes have little to lose; with how many chains the account of the loss began is not said."
    )


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
        ("spread of lengths", "0.3 to 0.6", "spread", (0.3, 0.6)),
        ("warm-up", "10 to 40 thoughts", "warmup_thoughts", (10, 40)),
        ("length of wrong chains against correct ones", "1 to 1.6", "wrong_longer", (1.0, 1.6)),
    )[: bench.pick(ci=1, reduced=3, full=4)]
    few = (
        min(questions, bench.pick(ci=30, reduced=40, full=600)),
        min(served, bench.pick(ci=5, reduced=6, full=60)),
    )
    cases = [
        varied(Sample(0, regime.name, *few), {name: value})
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
    questions = bench.pick(ci=10, reduced=20, full=150)
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
