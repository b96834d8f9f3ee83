"""The mix: short chats by recorded lengths, and one in twenty with the lengths of Medha-SWE."""

import csv
import gzip
from dataclasses import dataclass
from functools import lru_cache
from math import exp, log
from random import Random

SHORT_TOKENS = 8192
LONG_SHARE = 0.05
LONG_MEDIAN, LONG_P90 = 393_000, 839_000
"""Prompts of Medha-SWE [P]."""
OUTPUT_MEDIAN, OUTPUT_P90 = 518, 808
"""What it has them answer [P]."""
LONG_MOST = 2_000_000
"""[R] The paper gives no longest one."""
_NORMAL_P90 = 1.2816


@dataclass(frozen=True, slots=True)
class Asked:
    """One request."""

    name: str
    at_seconds: float
    tokens: int
    output_tokens: int

    @property
    def long(self) -> bool:
        return self.tokens > SHORT_TOKENS


@lru_cache(maxsize=4)
def short_sizes(path: str | None) -> tuple[tuple[int, int], ...]:
    """Return prompt and answer of recorded short requests (Azure, conversation), or of generated ones of that shape."""
    if path is None:
        random = Random("short")
        return tuple(
            (
                min(SHORT_TOKENS, int(_lognormal(random, 1020, 2735)) + 1),
                min(1000, int(_lognormal(random, 129, 424)) + 1),
            )
            for _ in range(5000)
        )
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        rows = [(int(row["ContextTokens"]), int(row["GeneratedTokens"])) for row in csv.DictReader(lines)]
    return tuple(row for row in rows if 0 < row[0] <= SHORT_TOKENS and row[1] > 0)


def mix(
    seed: int, seconds: float, per_second: float, path: str | None, *, long_share: float = LONG_SHARE,
    median: float = LONG_MEDIAN,
) -> tuple[Asked, ...]:  # fmt: skip
    """Return Poisson arrivals of the mix; without long ones, the same short ones at the same times."""
    when, which = Random(f"medha when {seed}"), Random(f"medha which {seed}")
    sizes = short_sizes(path)
    out: list[Asked] = []
    now = 0.0
    while (now := now + when.expovariate(per_second)) < seconds:
        short = which.choice(sizes)
        dice = which.random()
        scale = median / LONG_MEDIAN
        long = (
            min(LONG_MOST, max(SHORT_TOKENS + 1, int(scale * _lognormal(which, LONG_MEDIAN, LONG_P90)))),
            max(1, int(_lognormal(which, OUTPUT_MEDIAN, OUTPUT_P90))),
        )
        if dice < LONG_SHARE:
            if dice < long_share:
                out.append(Asked(str(len(out)), now, *long))
        else:
            out.append(Asked(str(len(out)), now, *short))
    return tuple(out)


def _lognormal(random: Random, median: float, p90: float) -> float:
    return median * exp(log(p90 / median) / _NORMAL_P90 * random.gauss(0.0, 1.0))
