"""KAIROS's claims and the bands in which ours are accepted."""

from bench.papers.study import Claim, Kind

_E = Kind.EMERGENT

KNEE = Claim(
    "knee", "clock at which a token costs the least energy", "~900 of 1680 MHz [S]", _E, 750, 1050, "MHz"
)
KNEE_WATTS = Claim("knee-watts", "power saved at 900 MHz in steady service", "~30 % [S]", _E, 20, 40, "%")
KNEE_JOULES = Claim(
    "knee-joules", "energy per token saved at 900 MHz in steady service", "~30 % [S]", _E, 20, 40, "%"
)
REVERSAL = Claim(
    "reversal",
    "joules per run at 600 MHz above those at 900 MHz, no admission, near capacity",
    "rises again below 900 MHz [S]; +6 % in a small model [C]",
    _E,
    1,
    None,
    "%",
)
MEAN = Claim(
    "mean", "joules per run saved against full clocks without admission, mean over loads", "27 % [P abs]", _E, 15, 35, "%"
)  # fmt: skip
BEST = Claim("best", "the same at the load where it is largest", "39.8 % [P abs]", _E, 25, 55, "%")
ALONE = Claim(
    "clock-alone",
    "the clock's part: against full clocks with the same admission, mean over loads below 0.95",
    "not given",
    _E,
    5,
    None,
    "%",
    headline=False,
)
RATE = Claim(
    "rate", "P5 of agents' rates at loads up to 0.7, lowest", "≥ 20 tok/s [S]", _E, 20, None, "tok/s"
)
RECOMPUTED = Claim(
    "recomputed", "recomputed share of prefill at loads up to 0.95, highest", "< 0.1 [C]", _E, None, 0.1
)
REGRET = Claim(
    "regret",
    "joules per run above the cheapest constant clock that meets the rate in hindsight, highest over loads",
    "not given",
    _E,
    None,
    3,
    "%",
    headline=False,
)
TIGHT = Claim(
    "slo",
    "saving left where the objective is 45 instead of 20 tok/s, as a share",
    "0.19 (32.9 % → 6.3 %) [S]",
    _E,
    None,
    0.6,
)
COLLAPSE = Claim(
    "collapse",
    "output tokens per second of a run's life without admission, above capacity",
    "2.3 tok/s [S, Fig. 10]",
    _E,
    None,
    5,
    "tok/s",
)
HELD = Claim("held", "the same with admission", "not given", _E, 10, None, "tok/s", headline=False)
ROUTED = Claim(
    "routed",
    "power saved by consolidating alone, several replicas at a light load, against affinity that spreads",
    "12.5 % (784.8 → 686.5 W) [S, C]",
    _E,
    5,
    25,
    "%",
)
TOGETHER = Claim(
    "together",
    "joules per run saved by routing, admission and clock together there, against full clocks, round-robin, no admission",
    "46.3 % [S, Fig. 12]",
    _E,
    25,
    65,
    "%",
)
