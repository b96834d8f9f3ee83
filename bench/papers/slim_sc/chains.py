"""Chains of one question in token time: they decode in one batch, so each has written as many tokens as any other."""

from dataclasses import dataclass

from bench.papers.slim_sc.items import RIGHT, Item

from wattline.policy.prune import Ballot, Chain, PruneSeen, PruneSpec, Vote, decide, least, vote


@dataclass(frozen=True, slots=True)
class Written:
    """What a question comes to."""

    tokens: tuple[int, ...]
    """By chain, written until it ended or was cut."""
    cut: tuple[int, ...]
    result: Vote

    @property
    def right(self) -> bool:
        """Whether the vote is correct."""
        return self.result.answer == str(RIGHT)


def write(item: Item, spec: PruneSpec | None) -> Written:
    """Return what a question's chains write and vote under a policy; none: all go on to the end."""
    tokens = [int(length) for length in item.tokens]
    cut: list[int] = []
    if spec is not None:
        ends = sorted(range(len(tokens)), key=tokens.__getitem__, reverse=True)
        answered: list[str] = []
        for at, one, thoughts, pairs in item.near(spec.similarity):
            while ends and (item.tokens[ends[-1]] <= at or ends[-1] in cut):
                chain = ends.pop()
                if chain not in cut:
                    answered.append(str(item.answers[chain]))
            if len(tokens) - len(cut) <= least(spec, len(tokens)):
                break
            if tokens[one] <= at:
                continue
            other = next(((near, other) for near, other in pairs if tokens[other] > at), None)
            if other is None:
                continue
            decision = decide(spec, _seen(item, answered, cut, at, one, thoughts, other))
            if decision.cut is not None:
                ended = int(decision.cut)
                tokens[ended] = int(at)
                cut.append(ended)
    ballots = [
        Ballot(str(item.answers[chain]), float(item.own_similarity[chain]))
        for chain in sorted(range(len(tokens)), key=lambda chain: tokens[chain])
        if chain not in cut
    ]
    return Written(tuple(tokens), tuple(cut), vote(ballots))


def _seen(
    item: Item,
    answered: list[str],
    cut: list[int],
    at: float,
    one: int,
    thoughts: int,
    other: tuple[float, int],
) -> PruneSeen:
    near, nearest = other
    return PruneSeen(
        Chain(str(one), thoughts, float(item.own_similarity[one])),
        Chain(str(nearest), int(at / item.thought_tokens[nearest]), float(item.own_similarity[nearest])),
        near,
        started=len(item.tokens),
        left=len(item.tokens) - len(cut),
        answers=answered,
        toss=float(item.tosses[len(cut)]),
    )
