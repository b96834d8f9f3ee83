"""What a study plays: questions of a regime under every policy, alone and under load."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from random import Random
from statistics import fmean

from bench.papers.slim_sc.chains import Written, write
from bench.papers.slim_sc.items import HARD, REDUNDANT, Item, item
from bench.papers.slim_sc.serving import Asked, serve

from wattline.policy.prune import PruneSpec, Rule

REGIMES = {regime.name: regime for regime in (REDUNDANT, HARD)}
CHAINS = 64
"""As many as Slim-SC was measured with by others (STEP, arXiv 2601.09093) [S]."""
FEW = 16
"""So few that all fit in the engine's memory."""
FULL, THREE_QUARTERS, HALF, QUARTER = "SC-N", "SC-3N/4", "SC-N/2", "SC-N/4"
RP, DP = "RP, the paper's", "DP, the paper's"
GUARDED_RP, GUARDED_DP = "RP, guarded", "DP, guarded"
POLICIES: Mapping[str, tuple[float, PruneSpec | None]] = {
    FULL: (1.0, None),
    THREE_QUARTERS: (0.75, None),
    HALF: (0.5, None),
    QUARTER: (0.25, None),
    RP: (1.0, PruneSpec(guarded=False)),
    DP: (1.0, PruneSpec(guarded=False, rule=Rule.DIVERSE)),
    GUARDED_RP: (1.0, PruneSpec()),
    GUARDED_DP: (1.0, PruneSpec(rule=Rule.DIVERSE)),
}
"""Part of the chains that are started, and what cuts them; none: nothing does."""


@dataclass(frozen=True, slots=True)
class Sample:
    """Questions of one regime and seed, one after the other."""

    seed: int
    regime: str
    questions: int
    """Whose votes are counted."""
    served: int
    """Of those, played through the engine."""
    alike: float = 1.0
    """Times the chance that two thoughts are alike."""
    wrong_longer: float = 1.3
    spread: float = 0.45
    warmup_thoughts: int = 20
    chains: int = CHAINS


@dataclass(frozen=True, slots=True)
class Loaded:
    """Questions that arrive on their own, at a share of what a policy can bear."""

    seed: int
    policy: str
    questions: int
    load: float
    """Of the policy's own capacity; 0: all at once, which tells the capacity."""
    per_second: float = 0.0
    """That capacity."""


def play(sample: Sample) -> dict[str, dict[str, float]]:
    """Return accuracy and cost by policy."""
    base = REGIMES[sample.regime]
    regime = replace(
        base,
        alike_right=base.alike_right * sample.alike,
        alike_wrong=base.alike_wrong * sample.alike,
        alike_across=base.alike_across * sample.alike,
        wrong_longer=sample.wrong_longer,
        spread=sample.spread,
    )
    sums: dict[str, dict[str, float]] = {
        name: dict.fromkeys(
            (
                "right",
                "left",
                "tokens",
                "agreement",
                "seconds",
                "kv_token_seconds",
                "kv_tokens",
                "joules",
                "preemptions",
            ),
            0.0,
        )
        for name in POLICIES
    }
    for number in range(sample.questions):
        whole = item(regime, sample.seed, number, sample.chains)
        for name in POLICIES:
            written = _written(whole, name, sample.warmup_thoughts)
            into = sums[name]
            into["right"] += written.right / sample.questions
            into["left"] += (len(written.tokens) - len(written.cut)) / sample.questions
            into["tokens"] += sum(written.tokens) / sample.questions
            into["agreement"] += written.result.agreement_ratio / sample.questions
            if number < sample.served:
                cost = serve([Asked(0.0, written.tokens)])
                into["seconds"] += cost.seconds[0] / sample.served
                into["kv_token_seconds"] += cost.kv_token_seconds / sample.served
                into["kv_tokens"] += cost.kv_token_seconds / cost.seconds[0] / sample.served
                into["preemptions"] += cost.preemptions / sample.served
                into["joules"] += cost.joules / sample.served
    return sums


def under_load(loaded: Loaded) -> dict[str, float]:
    """Return what redundant-wrong questions of few chains cost that come at random moments; the first fifth is not counted."""
    rng = Random(f"slim-sc arrivals {loaded.seed}")
    rate = loaded.load * loaded.per_second
    at = 0.0
    asked = []
    for number in range(loaded.questions):
        at += rng.expovariate(1.0) / rate if rate else 0.0
        asked.append(Asked(at, _written(item(REDUNDANT, loaded.seed, number, FEW), loaded.policy, 20).tokens))
    cost = serve(asked)
    alone = (
        [serve([replace(one, at_seconds=0.0)]).seconds[0] for one in asked] if rate else list(cost.seconds)
    )
    counted = range(len(asked) // 5, len(asked)) if rate else range(len(asked))
    return {
        "per_second": len(asked)
        / max(one.at_seconds + s for one, s in zip(asked, cost.seconds, strict=True)),
        "seconds": fmean(cost.seconds[index] for index in counted),
        "within": fmean(cost.seconds[index] <= 1.5 * alone[index] for index in counted),
        "joules": cost.joules / len(asked),
    }


def _written(whole: Item, policy: str, warmup_thoughts: int) -> Written:
    part, spec = POLICIES[policy]
    if spec is None:
        return write(whole.first(round(part * len(whole.tokens))), None)
    return write(whole, replace(spec, warmup_thoughts=warmup_thoughts))
