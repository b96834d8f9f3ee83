"""Questions with chains drawn for them: what they answer, how long they are, and which thoughts are alike.

Chains that give the same answer are a cluster; a thought is nearer than 0.95 to one chain's with a chance that depends on both
clusters, and by how much falls off quadratically above. How many chains are right, how long they are and how many tokens
pruning saves is set to what a later paper measured of SC and Slim-SC with 64 chains (STEP, arXiv 2601.09093, table 1); that
wrong chains are three times as alike as correct ones is an assumption.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

RIGHT = 0
"""Answer that is correct; others are wrong."""


@dataclass(frozen=True, slots=True)
class Regime:
    """Questions of a kind."""

    name: str
    right: tuple[float, float]
    """Beta distribution over questions of a chain's chance to be correct."""
    wrong_answers: int
    favourite: float
    """Part of the wrong chains that give the same wrong answer."""
    alike_right: float
    """Chance that a thought of a correct chain is nearer than 0.95 to one of another correct chain."""
    alike_wrong: float
    """The same of chains with the same wrong answer."""
    alike_across: float
    """The same of chains with different answers."""
    own_wrong: float
    """By how much the own thoughts of wrong chains are more alike."""
    median_tokens: float = 8700.0
    spread: float = 0.45
    """Standard deviation of the logarithm of lengths."""
    wrong_longer: float = 1.3
    """Times the length of correct chains."""
    thought_tokens: float = 150.0


REDUNDANT = Regime("redundant wrong", (0.43, 0.22), 3, 0.7, 0.00038, 0.00114, 0.000114, 0.05)
"""As GPQA, four choices, mean of three models [S]: a chain is correct in 66 of 100 cases, 64 that vote in 70 or 71 [C: Beta
distribution], a chain has 10.7 thousand tokens, and random pruning saves a quarter of them [C: chances, at wrong chains three
times as alike as correct ones; that they are very redundant is all that is said of it]."""
HARD = Regime("hard", (0.112, 0.068), 20, 0.1, 0.0036, 0.0036, 0.0036, 0.0, median_tokens=16_000.0)
"""As mathematics contests, mean of three sets and models [S]: 62 and 70 of 100, 20 thousand tokens (its model of 14 billion
parameters). Wrong answers scatter, and all chains are alike whatever they answer, so much that as many are cut as may be [R]:
the account of the loss (FoT) has 67 % of the arithmetic saved."""
MOST_TOKENS = 32_000
LEAST_SIMILARITY = 0.95
"""Only pairs of thoughts above this are drawn."""
Near = list[tuple[float, int, int, list[tuple[float, int]]]]


@dataclass(frozen=True)
class Alike:
    """Pairs of thoughts nearer than 0.95: by chain, its thought (from 0) and the other chain."""

    chain: np.ndarray
    thought: np.ndarray
    other: np.ndarray
    similarity: np.ndarray

    def among(self, kept: np.ndarray) -> "Alike":
        """Return those that are marked."""
        return Alike(self.chain[kept], self.thought[kept], self.other[kept], self.similarity[kept])


@dataclass(frozen=True)
class Item:
    """One question with its chains."""

    answers: np.ndarray
    tokens: np.ndarray
    thought_tokens: np.ndarray
    own_similarity: np.ndarray
    alike: Alike
    tosses: np.ndarray

    @cached_property
    def _nearest(self) -> dict[float, Near]:
        return {}

    def near(self, least: float) -> Near:
        """Return thoughts with another above ``least``: tokens written, chain, thoughts, and (similarity, chain), nearest first."""
        if least < LEAST_SIMILARITY:
            raise ValueError(
                f"expected a similarity of at least {LEAST_SIMILARITY}, below which none is drawn"
            )
        if least not in self._nearest:
            self._nearest[least] = self._above(least)
        return self._nearest[least]

    def _above(self, least: float) -> Near:
        alike = self.alike.among(self.alike.similarity > least)
        at = (alike.thought + 1) * self.thought_tokens[alike.chain]
        found: dict[tuple[int, int], tuple[float, list[tuple[float, int]]]] = {}
        rows = (alike.chain, alike.thought, alike.other, alike.similarity, at, at < self.tokens[alike.chain])
        for chain, thought, other, similarity, written, inside in zip(
            *(row.tolist() for row in rows), strict=True
        ):
            if inside:
                found.setdefault((chain, thought), (written, []))[1].append((similarity, other))
        return sorted(
            (written, chain, thought + 1, sorted(pairs, reverse=True))
            for (chain, thought), (written, pairs) in found.items()
        )

    def first(self, chains: int) -> "Item":
        """Return the same question with its first chains."""
        return Item(
            self.answers[:chains],
            self.tokens[:chains],
            self.thought_tokens[:chains],
            self.own_similarity[:chains],
            self.alike.among((self.alike.chain < chains) & (self.alike.other < chains)),
            self.tosses,
        )


def item(regime: Regime, seed: int, number: int, chains: int) -> Item:
    """Return one question of a regime, the same for every policy."""
    rng = np.random.default_rng((seed, number))
    right = rng.random(chains) < rng.beta(*regime.right)
    others = rng.integers(2, regime.wrong_answers + 1, chains)
    wrong = np.where(rng.random(chains) < regime.favourite, 1, others)
    tokens = regime.median_tokens * np.exp(regime.spread * rng.standard_normal(chains))
    tokens = np.where(right, tokens, regime.wrong_longer * tokens)
    thought = np.maximum(25.0, regime.thought_tokens * np.exp(0.3 * rng.standard_normal(chains)))
    own = 0.45 + 0.05 * rng.standard_normal(chains) + np.where(right, 0.0, regime.own_wrong)
    tokens = np.clip(tokens, 500, MOST_TOKENS).astype(int)
    answers = np.where(right, RIGHT, wrong)
    thoughts = int((tokens / thought).max()) + 1
    alike = _alike(regime, rng, answers, thoughts)
    return Item(answers, tokens, thought, own, alike, rng.random(chains))


def _alike(regime: Regime, rng: np.random.Generator, answers: np.ndarray, thoughts: int) -> Alike:
    """Draw the few pairs that are near among all of them, without drawing all."""
    chains = len(answers)
    same = answers[:, None] == answers[None, :]
    right = (answers == RIGHT)[:, None] & same
    chance = np.where(right, regime.alike_right, np.where(same, regime.alike_wrong, regime.alike_across))
    most = float(chance.max())
    places = chains * thoughts * chains
    drawn = np.unique(rng.integers(0, places, rng.binomial(places, most)))
    chain, thought, other = np.unravel_index(drawn, (chains, thoughts, chains))
    share = rng.random(len(drawn)) * most / chance[chain, other]
    pairs = Alike(chain, thought, other, 1.0 - (1.0 - LEAST_SIMILARITY) * np.sqrt(share))
    return pairs.among((share < 1.0) & (chain != other))
