"""``prune``: which of several reasoning chains on one question ends early, and what the others vote (Slim-SC, arXiv 2509.13990).

The paper: chains answer one prompt together and vote. Once a chain has got past its first thoughts and completes one
that is nearly the same as a thought of another live chain, one of the two ends: either at random, or the one whose own
thoughts differ less from each other. Its warm-up, least number of chains, measure of diversity and tie rule are not
published: ours are 20 thoughts, a quarter of the chains and three at least, mean similarity of a chain's own thoughts,
and the more diverse voters.

Ours is a guard: on a hard question chains resemble each other whether they are right or not, and cutting by resemblance
leaves too few to vote. So none is cut before some have answered by themselves, nor while those that answered disagree.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from statistics import fmean


class Rule(StrEnum):
    """Which of two similar chains ends."""

    RANDOM = "Random"
    """Either, by the toss that is passed in: the paper's RP."""
    DIVERSE = "Diverse"
    """The one whose own thoughts are more alike: the paper's DP."""


class Why(StrEnum):
    """Why a chain ends, or none does."""

    ALIKE = "ThoughtsAlike"
    DIFFERENT = "ThoughtsDiffer"
    WARMING_UP = "WarmingUp"
    FEW_LEFT = "FewChainsLeft"
    UNHEARD = "FewAnswersYet"
    DISAGREEMENT = "AnswersDisagree"


@dataclass(frozen=True, slots=True)
class PruneSpec:
    """Constants of the method; its guard is on by default."""

    similarity: float = 0.95
    """Cosine similarity above which two thoughts are the same [the paper's, by one account]."""
    warmup_thoughts: int = 20
    """Of the chain that has just completed one."""
    least_chains: int = 3
    """So many, and a quarter of those started, are left at least."""
    rule: Rule = Rule.RANDOM
    guarded: bool = True
    heard: int = 4
    """Answers from which their agreement says something; none is cut before."""
    agreement_ratio: float = 0.5
    """Part of the answers given that are the most frequent one, below which none is cut."""


@dataclass(frozen=True, slots=True)
class Chain:
    """One chain that is still being written."""

    name: str
    thoughts: int
    """Completed so far."""
    own_similarity: float
    """Mean similarity of its own thoughts with each other."""


@dataclass(frozen=True, slots=True)
class PruneSeen:
    """A chain has completed a thought."""

    chain: Chain
    nearest: Chain
    """The live chain with the thought most like it."""
    similarity: float
    """Of the two thoughts."""
    started: int
    left: int
    """Chains not cut: those that write and those that have answered."""
    answers: Sequence[str] = ()
    """Of the chains that have ended by themselves."""
    toss: float = 0.0
    """Even in [0, 1)."""


@dataclass(frozen=True, slots=True)
class PruneDecision:
    """Which chain ends; none: all go on."""

    cut: str | None
    why: Why


@dataclass(frozen=True, slots=True)
class Ballot:
    """What one chain answered."""

    answer: str
    own_similarity: float = 0.0


@dataclass(frozen=True, slots=True)
class Vote:
    """What comes of a vote."""

    answer: str | None
    """None where nobody voted."""
    agreement_ratio: float
    """Part of the votes that are for it."""


def decide(spec: PruneSpec, seen: PruneSeen) -> PruneDecision:
    """Return which of two chains ends, if either does."""
    if seen.similarity <= spec.similarity:
        return PruneDecision(None, Why.DIFFERENT)
    if seen.chain.thoughts <= spec.warmup_thoughts:
        return PruneDecision(None, Why.WARMING_UP)
    if seen.left - 1 < least(spec, seen.started):
        return PruneDecision(None, Why.FEW_LEFT)
    if spec.guarded:
        if len(seen.answers) < spec.heard:
            return PruneDecision(None, Why.UNHEARD)
        if agreement(seen.answers) < spec.agreement_ratio:
            return PruneDecision(None, Why.DISAGREEMENT)
    return PruneDecision(_less_wanted(spec.rule, seen).name, Why.ALIKE)


def least(spec: PruneSpec, started: int) -> int:
    """Return how many chains are left at least."""
    return min(started, max(spec.least_chains, -(-started // 4)))


def agreement(answers: Sequence[str]) -> float:
    """Return the part of the answers that are the most frequent one; 1 of none."""
    return max(_counts(answers).values(), default=0) / len(answers) if answers else 1.0


def vote(ballots: Sequence[Ballot]) -> Vote:
    """Return the most frequent answer; of two, the one whose chains are more diverse, then the one given first."""
    if not ballots:
        return Vote(None, 0.0)
    counts = _counts([ballot.answer for ballot in ballots])
    most = max(counts.values())
    tied = [answer for answer, count in counts.items() if count == most]

    def alike(answer: str) -> float:
        return fmean(ballot.own_similarity for ballot in ballots if ballot.answer == answer)

    return Vote(min(tied, key=alike), most / len(ballots))


def _less_wanted(rule: Rule, seen: PruneSeen) -> Chain:
    if rule is Rule.DIVERSE and seen.chain.own_similarity != seen.nearest.own_similarity:
        return max(seen.chain, seen.nearest, key=lambda chain: chain.own_similarity)
    return seen.chain if seen.toss < 0.5 else seen.nearest


def _counts(answers: Sequence[str]) -> Mapping[str, int]:
    counts: dict[str, int] = {}
    for answer in answers:
        counts[answer] = counts.get(answer, 0) + 1
    return counts
