"""Questions with chains drawn for them: what they answer, how long they are, and which thoughts are alike.

Nothing here is measured. Chains that give the same answer are a cluster; a thought is nearer than 0.95 to one chain's
with a chance that depends on both clusters, and by how much falls off quadratically above.
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
    median_tokens: float = 8000.0
    spread: float = 0.45
    """Standard deviation of the logarithm of lengths."""
    wrong_longer: float = 1.3
    """Times the length of correct chains."""
    thought_tokens: float = 150.0


REDUNDANT = Regime("redundant wrong", (1.65, 1.35), 3, 0.7, 0.0012, 0.0036, 0.00036, 0.05)
"""A chain is correct in 55 of 100 cases, of four choices; wrong chains are alike three times as often as correct ones [S says
they are very redundant; the numbers are ours: some two sevenths of a wrong chain's 50 thoughts × 4 neighbours meet one]."""
HARD = Regime("hard", (1.2, 2.0), 20, 0.1, 0.0036, 0.0036, 0.0036, 0.0, median_tokens=12_000.0)
"""A chain is correct in 37 of 100 cases, wrong answers scatter, and all chains are alike whatever they answer [R]."""
MOST_TOKENS = 30_000
Near = list[tuple[float, int, int, list[tuple[float, int]]]]


@dataclass(frozen=True)
class Item:
    """One question with its chains."""

    regime: Regime
    answers: np.ndarray
    tokens: np.ndarray
    thought_tokens: np.ndarray
    own_similarity: np.ndarray
    closeness: np.ndarray
    """Even draws by chain, thought and other chain; the lower the nearer."""
    tosses: np.ndarray

    @cached_property
    def chance(self) -> np.ndarray:
        """Return the chance of a near thought by pair of chains."""
        same = self.answers[:, None] == self.answers[None, :]
        right = (self.answers == RIGHT)[:, None] & same
        regime = self.regime
        return np.where(right, regime.alike_right, np.where(same, regime.alike_wrong, regime.alike_across))

    @cached_property
    def _nearest(self) -> dict[float, Near]:
        return {}

    def near(self, least: float) -> Near:
        """Return thoughts with another above ``least``: tokens written, chain, thoughts, and (similarity, chain), nearest first."""
        if least not in self._nearest:
            self._nearest[least] = self._above(least)
        return self._nearest[least]

    def _above(self, least: float) -> Near:
        chains = len(self.tokens)
        similarity = 1.0 - 0.05 * np.sqrt(self.closeness / np.maximum(self.chance, 1e-12)[:, None, :])
        similarity[np.arange(chains), :, np.arange(chains)] = -1.0
        thoughts = np.arange(1, similarity.shape[1] + 1)
        at = thoughts[None, :] * self.thought_tokens[:, None]
        found: dict[tuple[int, int], list[tuple[float, int]]] = {}
        for chain, thought, other in zip(*np.nonzero(similarity > least), strict=True):
            if at[chain, thought] < self.tokens[chain]:
                pair = float(similarity[chain, thought, other]), int(other)
                found.setdefault((int(chain), int(thought)), []).append(pair)
        return sorted(
            (float(at[chain, thought]), chain, thought + 1, sorted(pairs, reverse=True))
            for (chain, thought), pairs in found.items()
        )

    def first(self, chains: int) -> "Item":
        """Return the same question with its first chains."""
        return Item(
            self.regime,
            self.answers[:chains],
            self.tokens[:chains],
            self.thought_tokens[:chains],
            self.own_similarity[:chains],
            self.closeness[:chains, :, :chains],
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
    thoughts = int((tokens / thought).max()) + 1
    return Item(
        regime,
        np.where(right, RIGHT, wrong),
        tokens,
        thought,
        own,
        rng.random((chains, thoughts, chains), dtype=np.float32),
        rng.random(chains),
    )
