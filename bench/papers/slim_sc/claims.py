"""The paper's numbers, with the bands in which ours are accepted.

What others measured of Slim-SC, memory in use and the rows with sixteen chains were added when 64 became the set-up.
"""

from bench.papers.study import Claim, Kind

_A, _E = Kind.ARITHMETIC, Kind.EMERGENT
ALIKE = "Slim-SC against SC with as many chains"

LATENCY = Claim(
    "latency",
    f"time to the vote, {ALIKE} (better of RP and DP)",
    "up to −45 %, R1-Distill [P abs]",
    _E,
    -45,
    -20,
    "%",
)
USE = Claim(
    "kv-use", "KV memory in use while a question runs, mean, the same", "up to −26 %, R1-Distill [P abs]; its code logs the engine's use by step [A]", _E, -26, -10, "%"
)  # fmt: skip
MEMORY = Claim("kv", "KV memory × time, the same", "up to −26 %, R1-Distill [P abs]", _E, -26, -10, "%")
ENERGY = Claim("joules", "joules of a question, the same", "not given", _E, None, -5, "%", headline=False)
MEASURED = Claim(
    "measured", "time to the vote, RP, where tokens saved are set to the quarter that was measured on GPQA", "−6, −12, −39 %, three models (14 billion parameters: −39) by others [S]", Kind.CHECKED, -39, -6, "%", headline=False
)  # fmt: skip
ALONE = Claim(
    "alone", "seconds of SC with 64 chains on such a question, 14 billion parameters on one GPU", "1,081 on GPQA by others [S]", Kind.CHECKED, 540, 2160, "s", headline=False
)  # fmt: skip
LATENCY_FEW = Claim("latency-few", "time to the vote with sixteen chains, which fit in memory, the same", "up to −45 %, chains not said [P abs]", _E, -45, -20, "%", headline=False)  # fmt: skip
RIGHT = Claim(
    "accuracy",
    "accuracy where wrong chains are redundant, the same",
    "+2.1 points (0.578 → 0.599) [S]; kept or better [P abs]",
    _A,
    -1,
    None,
    "points",
)
HARD_LOST = Claim(
    "hard",
    "accuracy on hard questions, RP without a guard",
    "−7.7 points (AIME25, 69.4 → 61.7, a later comparison) [S]",
    _A,
    -15,
    -2,
    "points",
)
HARD_FEW = Claim("hard-few", "the same with sixteen chains", "chains not said [S]", _A, -15, -2, "points", headline=False)  # fmt: skip
GUARD = Claim(
    "guard", "accuracy on hard questions with our guard (worse of RP and DP)", "ours", _A, -1, None, "points"
)
GUARDED = Claim(
    "guarded-latency",
    "time to the vote that the guard leaves saved where wrong chains are redundant",
    "ours",
    _E,
    None,
    -10,
    "%",
    headline=False,
)
AGAINST_HALF = Claim("half", "accuracy against SC with half the chains, where wrong chains are redundant", "not given", _A, 0, None, "points", headline=False)  # fmt: skip
