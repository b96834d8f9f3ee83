"""What we claim of levers that act together, and the bands, fixed before the first run of all cells."""

from bench.papers.study import Claim, Kind

_E = Kind.EMERGENT
_NOBODY = "not given: each paper moves its own levers"

TOGETHER = Claim(
    "together",
    "joules per finished run saved by all levers, against none under the same budgets by uniform limits",
    "46.3 % [S, KAIROS Fig. 12: routing, admission and clock]; the rest not given",
    _E,
    5,
    None,
    "%",
)
ABOVE_BEST = Claim(
    "above-best",
    "saving of all together less that of the best lever alone",
    _NOBODY,
    _E,
    0,
    None,
    "points",
)
OVERLAP = Claim(
    "overlap", "sum of the savings alone less the saving together", _NOBODY, _E, 0, None, "points"
)
BEYOND = Claim(
    "beyond",
    "the same, against savings that each take their share of what the others leave",
    _NOBODY,
    _E,
    0,
    None,
    "points",
    headline=False,
)
OVER = Claim(
    "over", "seconds over a budget with sharing, mean of the cells that have it", _NOBODY, _E, None, 0, "s"
)
RATE = Claim(
    "rate", "P5 rate of the pool that has least, all levers on", "≥ 20 tok/s [S, KAIROS]", _E, 20, None, "tok/s"
)  # fmt: skip
WAIT = Claim(
    "wait",
    "P99 of the time to the first token, all levers over none",
    _NOBODY,
    _E,
    None,
    2,
    headline=False,
)
FINISHED = Claim("finished", "finished share of the runs offered, all levers on", _NOBODY, _E, 0.99, None)
RECOMPUTED = Claim(
    "recomputed", "recomputed share of prefill, all levers on", "< 0.1 [C, KAIROS]", _E, None, 0.1
)
COMPANY = Claim(
    "company",
    "what the lever that adds least to all the others adds to their saving",
    _NOBODY,
    _E,
    -1,
    None,
    "points",
    headline=False,
)
HEAT = Claim(
    "heat", "hottest GPU of the day, all levers on", "no thermal slowdown, 87 °C [C]", _E, None, 87, "°C",
    headline=False,
)  # fmt: skip
