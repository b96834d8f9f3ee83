"""Pairs of models as a profile finds them: a tenth of the layers is critical, and a contiguous group covers them."""

from dataclasses import dataclass
from random import Random

from wattline.policy.reuse import Group, Pair, frontier

LAYERS = 32
STEP = 2
"""Layers by which the profile moves [P]."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """From which pairs are drawn."""

    critical_share: float = 0.11
    """Of the layers, on average [P]."""
    spread: float = 0.5
    """Of the layers within which a pair's critical ones lie, on average [R]: 1 is anywhere."""
    other_drop: float = 0.00025
    """Mean loss of a layer that is not critical [R]."""
    transition_drop: float = 0.003
    """Loss of a step from a taken layer to a computed one [R]."""


@dataclass(frozen=True, slots=True)
class Model:
    """What a pair loses by the layers taken over."""

    drops: tuple[float, ...]
    """By layer, if only that one is taken."""
    transition_drop: float

    def drop(self, first: int, count: int) -> float:
        """Return the loss where a group is computed and all else taken: losses of layers multiply [R]."""
        kept = 1.0
        for layer, drop in enumerate(self.drops):
            if not first <= layer < first + count:
                kept *= 1.0 - drop
        if count and first > 0:
            kept *= 1.0 - self.transition_drop
        return 1.0 - kept

    def profile(self) -> Pair:
        """Return what an offline profile at the paper's step keeps."""
        layers = len(self.drops)
        groups = [
            Group(first, count, self.drop(first, count))
            for count in range(0, layers, STEP)
            for first in range(0, layers - count + 1, STEP)
        ]
        return Pair("base", "base", layers, frontier(groups))


def drawn(seed: int, number: int, of: Drawn) -> tuple[Model, ...]:
    """Return so many pairs; a critical layer alone costs 10 to 25 % (the paper: above 10 %)."""
    random = Random(f"droidspeak pairs {seed}")
    models = []
    for _ in range(number):
        count = max(1, sum(random.random() < of.critical_share for _ in range(LAYERS)))
        width = min(LAYERS, max(count, round(LAYERS * of.spread * random.uniform(0.5, 1.5))))
        start = random.randint(0, LAYERS - width)
        critical = set(random.sample(range(start, start + width), count))
        drops = tuple(
            random.uniform(0.10, 0.25) if layer in critical else random.uniform(0, 2 * of.other_drop)
            for layer in range(LAYERS)
        )
        models.append(Model(drops, of.transition_drop))
    return tuple(models)
