"""The paper's numbers, with the bands in which ours are accepted; fixed before anything was run."""

from bench.papers.study import Claim, Kind

_E = Kind.EMERGENT

CELSIUS = Claim(
    "celsius", "hottest GPU, lower than with bin-packing, nothing added", "17 % [S]", _E, 5, 25, "%"
)
ROW = Claim("row", "fullest row at its peak, lower, nothing added", "23 % [S]", _E, 10, 35, "%")
CAPACITY = Claim(
    "capacity",
    "more servers than bin-packing with as rare a violation, median of the halls",
    "up to 40 % [S]",
    _E,
    15,
    60,
    "%",
)
WORST = Claim("capacity-worst", "the same in the worst decile", "not given", _E, 0, None, "%", headline=False)
HOT = Claim("hot", "time in which a GPU slows itself, less, 30 % added", "97 % [S]", _E, 80, None, "%")
HELD = Claim("held", "time in which a full row is slowed, less, 30 % added", "99 % [S]", _E, 80, None, "%")
STEPS = Claim(
    "steps",
    "steps of the ladder that do not raise throttled time, of three",
    "monotone [R]",
    _E,
    3,
    3,
    headline=False,
)
FIRST_BYTE = Claim(
    "first-byte",
    "P99 time to the first token against bin-packing, nothing added",
    "kept [S]",
    _E,
    None,
    1.05,
    "×",
)
ERROR = Claim(
    "error", "error of the learned temperatures, on hours left out", "below 1 [S]", _E, None, 1.0, "°C"
)
UNIFORM_OPAQUE = Claim(
    "uniform-opaque",
    "speed that opaque tenants lose at 75 % of the watts, uniform cap of 35 %",
    "35 % [S]",
    _E,
    25,
    40,
    "%",
    headline=False,
)
UNIFORM_SERVED = Claim("uniform-served", "the same, endpoints", "28 % [S]", _E, 20, 40, "%", headline=False)
OURS_OPAQUE = Claim(
    "ours-opaque",
    "speed that opaque tenants lose, ours",
    "not given; below the cap's 35 %",
    _E,
    None,
    15,
    "%",
)
OURS_SERVED = Claim(
    "ours-served", "the same, endpoints", "not given; below the cap's 28 %", _E, None, 20, "%"
)
