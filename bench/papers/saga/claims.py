"""SAGA's claims and the bands in which ours are accepted."""

from bench.papers.study import Claim, Kind

_E = Kind.EMERGENT

ORDER = Claim(
    "order",
    "of LRU ≥ prefix-LRU ≥ WA-LRU ≥ full (completion time, 0.9 of prefix-LRU's capacity), steps that hold",
    "3 of 3 [A]",
    _E,
    3,
    3,
)
FASTER = Claim(
    "faster", "completion time of prefix-LRU with affinity over full, same load", "1.64 [P abs]", _E, 1.2, 2.2, "×"
)  # fmt: skip
OBJECTIVE = Claim(
    "slo", "tasks of full within 1.5 × their time alone, at 0.5 of prefix-LRU's capacity", "99.2 % [P abs]", _E, 95, None, "%"
)  # fmt: skip
MEMORY = Claim(
    "memory",
    "memory that holds live sessions, full over prefix-LRU, same load",
    "1.22 [P abs]",
    _E,
    1.05,
    1.4,
    "×",
)
ORDER_TOKENS = Claim(
    "order-tokens",
    "of Bélády ≤ ours ≤ WA-LRU ≤ prefix-LRU ≤ LRU (recomputed tokens, frozen sequence), steps that hold",
    "4 of 4 [A]",
    _E,
    3.5,
    4,
)
BELADY_LRU = Claim(
    "belady-lru", "recomputed tokens of LRU over Bélády's, frozen sequence", "2.84 [A]", _E, 1.6, 4.5, "×"
)
BELADY_PREFIX = Claim("belady-prefix", "the same of prefix-LRU", "1.97 [A]", _E, 1.3, 3.0, "×")
BELADY_WORKFLOW = Claim(
    "belady-wa", "the same of WA-LRU as the paper has it", "1.31 [A]", _E, None, 1.31, "×"
)
BELADY_OURS = Claim("belady-ours", "the same of ours, by next use", "1.31 [A]", _E, None, 1.31, "×")
BELADY_LEAST = Claim(
    "belady-least", "the least of any rule without foresight", "≥ 1", _E, 1, None, "×", headline=False
)
AFFINITY = Claim(
    "affinity",
    "slowdown without affinity over the largest of the other ablations",
    "1.78 (+96 % against +54 %) [A]",
    _E,
    1,
    None,
    "×",
)
VARIATION = Claim(
    "variation",
    "completion time at a tool-time CV of 3 over that at 0.5",
    "1.53 (298/195 s) [A]",
    _E,
    1.1,
    2.2,
    "×",
)
HELD_STEADY = Claim(
    "held-steady", "tools that end while their session is held, CV 0.5", "96 % [A]", _E, 85, 100, "%"
)
HELD_WILD = Claim("held-wild", "the same at CV 3", "71 % [A]", _E, 55, 90, "%")
ADMITTED = Claim(
    "admitted", "completion time of full over full with our admission, same load", "not in the paper", _E, 1, None, "×", headline=False
)  # fmt: skip
