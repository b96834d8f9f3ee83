"""Medha's claims and the bands in which ours are accepted: the paper's are ratios at loads that it gives in requests a
second of its own machine, so ours on the schedule have one end, a third of the paper's."""

from bench.papers.study import Claim, Kind

_E = Kind.EMERGENT

CONVOY = Claim(
    "convoy", "P50 of first tokens under FCFS, with 5 % long requests over without, load 0.7", "30 [P]", _E, 10, None, "×"
)  # fmt: skip
CONVOY_TAIL = Claim("convoy-p99", "the same at P99", "174 [P]", _E, 58, None, "×")
MEDIAN = Claim(
    "median", "P50 of first tokens, FCFS over LARS, load 0.7", "30 at 0.75 requests/s [P]", _E, 10, None, "×"
)  # fmt: skip
BEST = Claim(
    "best", "P50 of first tokens, best of FCFS, EDF and LRS over LARS, load 0.9", "above 1 [P]", _E, 1, None, "×"
)  # fmt: skip
FINISHED = Claim(
    "finished", "long requests answered in time's end under LARS over FCFS, load 0.9", "none starves [R]", _E, 0.95, None, "×"
)  # fmt: skip
CAPACITY = Claim(
    "capacity",
    "load at which 90 % of first tokens come within the objective, LARS over FCFS",
    "5 (effective capacity) [P]",
    _E,
    2,
    None,
    "×",
)
RESERVED = Claim(
    "reserved",
    "long requests fewer with a quarter of the GPUs reserved for short ones, offered 1.1 of what can be computed",
    "up to 20 % [P]",
    _E,
    5,
    35,
    "%",
)
BUDGET = Claim(
    "budget", "iterations predicted to pass their budget, every order and load", "none [P]", _E, 0, 0, "%"
)
SHRINKS = Claim(
    "shrinks", "first chunks over last ones of a prompt of a million tokens", "big early, small late [P]", _E, 4, None, "×"
)  # fmt: skip
SMALL = Claim(
    "small",
    "more time for chunks of 32 than of 2,048 tokens after a million, one node",
    "11 % [P]",
    _E,
    0,
    25,
    "%",
    headline=False,
)
LATE = Claim(
    "late-chunk",
    "iteration with a chunk of 512 tokens after a million, one node",
    "about 250 ms [P]",
    _E,
    125,
    500,
    "ms",
    headline=False,
)
SATURATES = Claim(
    "saturates",
    "chunk that computes longer than it reads after a million tokens, one node",
    "40 tokens [P]",
    _E,
    20,
    80,
    "tokens",
    headline=False,
)
