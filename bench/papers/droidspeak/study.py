"""DroidSpeak beside ours: a hop between two models of one foundation, under four ways of sharing."""

from collections.abc import Sequence
from dataclasses import replace
from statistics import fmean

from bench.papers.droidspeak.hop import LINK_BYTES, REPLICAS
from bench.papers.droidspeak.pairs import LAYERS as ALL_LAYERS
from bench.papers.droidspeak.sweep import BEARABLE, PAIRS, WAYS, WITHIN, Case, played
from bench.papers.study import Bench, Carrier, Claim, Finding, Form, Json, Kind, Study, Table, varied

from wattline.policy.reuse import Group, ReuseSeen, shared_seconds

_E = Kind.EMERGENT

FASTER = Claim(
    "faster", "prefill of the shared context, whole over shared, mean of pairs", "2.1 (1.7 to 3.1) [P]", _E, 1.7, 3.1, "×"
)  # fmt: skip
BEST = Claim("best", "rate at the knee, shared over full prefill, best pair", "up to 4 [P]", _E, 2, 5, "×")
KNEE = Claim("knee", "the same, mean of pairs", "2 to 4 [P]", _E, 1.5, 4, "×")
ORDER = Claim(
    "order",
    "of full reuse ≤ shared ≤ full prefill (P50 of first tokens, 0.7 of full prefill's capacity), steps that hold",
    "shared lies between [R]",
    _E,
    2,
    2,
)
LOSS = Claim("loss", "quality that sharing loses, worst pair", "1 % at most, its bound [P]", _E, 0, 1, "%")
REUSED = Claim(
    "reused", "quality that taking everything over loses, mean of pairs", "often more than 50 of 100 points [P]", _E, 25, 75, "%"
)  # fmt: skip
LAYERS = Claim(
    "layers", "layers computed again, mean of pairs", "11 of 32 (example) [P]", _E, 6, 18, headline=False
)
PIPELINE = Claim(
    "pipeline", "the paper's example, hidden states first", "17 of 47 [P]", Kind.ARITHMETIC, 17, 17, headline=False
)  # fmt: skip
LOW, MIDDLE, HIGH = 0.5, 0.7, 0.9

_FEW = (
    "By layers alone the paper's 1.7 to 3.1 is 10 to 19 of 32 computed. Pairs drawn with one or two critical layers, or with all of them side "
    "by side, need fewer and gain more; where critical layers lie is our assumption, and it carries this number."
)


def study(bench: Bench) -> Study:
    """Return what is found."""
    loads = bench.pick(ci=(MIDDLE, HIGH), reduced=(LOW, MIDDLE, HIGH), full=(LOW, MIDDLE, HIGH, 0.95))
    base = Case(0, 0, "shared", bench.pick(ci=240, reduced=480, full=4800), loads)
    seeds = bench.seeds()
    pairs = {"full prefill": 1, "full reuse": 1, "shared": PAIRS, "shared, objective": PAIRS}
    found = {
        name: [
            bench.each(played, [replace(base, seed=seed, way=name, pair=pair) for pair in range(pairs[name])])
            for seed in seeds
        ]
        for name in WAYS
    }
    full = [one[0] for one in found["full prefill"]]
    reuse = [one[0] for one in found["full reuse"]]
    shared = found["shared"]
    knees = [[one["knee"] / alone["knee"] for one in mine] for mine, alone in zip(shared, full, strict=True)]
    key = f"{MIDDLE:g}"
    order = [
        sum(
            (
                all_["loads"][key]["p50"] <= min(one["loads"][key]["p50"] for one in mine),
                max(one["loads"][key]["p50"] for one in mine) <= alone["loads"][key]["p50"],
            )
        )
        for all_, mine, alone in zip(reuse, shared, full, strict=True)
    ]
    return Study(
        setup=(
            f"The second hop of a workflow: {REPLICAS} replicas of the receiver (Llama-3-8B, each on one A100, by the house's step times with "
            "shares fitted to Qwen3-14B on an H100), requests in turn, one prompt at a time in chunks of 2,048 beside what decodes. Whatever is "
            f"fetched comes over {LINK_BYTES / 1e9:g} GB/s, hidden states first, from when a prompt's turn comes. {PAIRS} pairs, each with "
            f"{ALL_LAYERS} layers of which 11 % on average are critical (one of them taken over costs 10 to 25 %, losses multiply); what a profile "
            "at two layers' step keeps is the policy's table. KV memory is not short."
        ),
        trace="Generated: Poisson, contexts lognormal around 8,000 tokens (LongBench's size, which is not among the data), 50 to 400 new ones, answers around 60.",
        baselines=(
            f"Full prefill (the same engine without sharing) and full reuse. Loads are shares of full prefill's own capacity; the knee is the rate up to "
            f"which {100 * BEARABLE:.0f} % of first tokens come within {WITHIN:g} times a whole prefill alone, searched for each. Neither has a parameter."
        ),
        findings=(
            _found(FASTER, [fmean(one["faster"] for one in mine) for mine in shared], _FEW),
            _found(BEST, [max(ratios) for ratios in knees], _FEW),
            _found(KNEE, [fmean(ratios) for ratios in knees], _FEW),
            _found(ORDER, order, "One pair needs nearly all layers."),
            _found(LOSS, [max(100 * one["drop"] for one in mine) for mine in shared], ""),
            _found(REUSED, [fmean(100 * one["full_drop"] for one in mine) for mine in shared], ""),
            _found(LAYERS, [fmean(one["computed"] for one in mine) for mine in shared], "Critical layers lie further apart."),
            _found(PIPELINE, [_example()], ""),
        ),
        carried_by=_carriers(bench, base, shared),
        tables=(*(_table(load, found) for load in loads), _pairs(shared[0], knees[0])),
        loses=(
            "Where critical layers lie at both ends of a model the group between them is most of it and little is saved; and over a slow link fetching "
            "takes as long as computing. With an objective the policy shares only where it must: first tokens come later than they could, quality stays."
        ),
    )  # fmt: skip


def _found(claim: Claim, samples: Sequence[float], reason: str) -> Finding:
    finding = Finding(claim, tuple(samples))
    return finding if finding.accepted else Finding(claim, tuple(samples), reason)


def _example() -> float:
    """Return the paper's example by the policy's arithmetic; of its parts, which it does not tell, one set that makes the sums."""
    seen = ReuseSeen(1, True, prefill_seconds=47.0, kv_seconds=13.0 / (1.0 - 13.0 / 47.0), hidden_seconds=4.0)
    return shared_seconds(Group(5, 13, 0.0), 47, seen)


def _carriers(bench: Bench, base: Case, shared: list[list[Json]]) -> tuple[Carrier, ...]:
    moved: tuple[tuple[str, str, tuple[dict[str, object], ...]], ...] = (
        ("spread of the critical layers", "0.5 of the model → 0.25, anywhere", ({"spread": 0.25}, {"spread": 1.0})),
        ("critical layers", "11 % → 5, 20 %", ({"critical_share": 0.05}, {"critical_share": 0.20})),
        ("loss of another layer", "0.025 % → 0.01, 0.1 %", ({"other_drop": 0.0001}, {"other_drop": 0.001})),
        ("link", "20 → 2.5, 0.25 GB/s", ({"link_bytes": 2.5e9}, {"link_bytes": 0.25e9})),
        ("contexts that the sender still has", "all → 70 %", ({"hit": 0.7},)),
        ("quality bound", "1 % → 5 %", ({"bound": 0.05},)),
    )  # fmt: skip
    if bench.form is Form.CI:
        moved = moved[:1]

    def said(results: list[Json]) -> str:
        return f"{fmean(one['faster'] for one in results):.2f}× (capacity {fmean(one['capacity'] for one in results):.1f}/s)"

    out = []
    for parameter, span, changes in moved:
        told = []
        for change in changes:
            cases = [varied(replace(base, pair=pair, loads=()), change) for pair in range(PAIRS)]
            told.append(said(bench.each(played, cases)))
        out.append(
            Carrier(parameter, span, f"prefill faster by {said(shared[0])} → {', '.join(told)}; first seed")
        )
    return tuple(out)


def _table(load: float, found: dict[str, list[list[Json]]]) -> Table:
    key = f"{load:g}"

    def mean(results: list[list[Json]], name: str) -> float:
        return fmean(one["loads"][key][name] for mine in results for one in mine)

    rows = []
    for name, results in found.items():
        every = [one for mine in results for one in mine]
        lost = (
            fmean(one["full_drop"] for mine in found["shared"] for one in mine)
            if name == "full reuse"
            else mean(results, "drop")
        )
        rows.append((
            name, f"{mean(results, 'p50'):.2f} s", f"{mean(results, 'p99'):.2f} s", f"{100 * lost:.2f} %",
            f"{fmean(one['knee'] for one in every):.1f}/s", f"{fmean(one['capacity'] for one in every):.1f}/s",
        ))  # fmt: skip
    head = ("way", "first token P50", "P99", "quality lost", "knee", "own capacity")
    return Table(f"Load {load:g} of what full prefill can do, mean of pairs", head, tuple(rows))


def _pairs(results: list[Json], knees: list[float]) -> Table:
    rows = tuple(
        (str(index + 1), str(one["computed"]), f"{100 * one['drop']:.2f} %", f"{100 * one['full_drop']:.0f} %", f"{one['faster']:.2f}×", f"{knee:.2f}×")
        for index, (one, knee) in enumerate(zip(results, knees, strict=True))
    )  # fmt: skip
    head = ("pair", "layers computed", "quality lost", "of full reuse", "prefill faster", "rate at the knee")
    return Table("Pairs of the first seed, within 1 %", head, rows)
