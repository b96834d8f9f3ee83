"""The paper's numbers, with the bands in which ours are accepted.

The paper's ratios belong to the paper's baseline; each stands beside the same against the best of one kind of server, with
the same band. Means of the ladder, and hours against the paper's baseline followed as well, were added when its full text
was at hand.
"""

from bench.papers.study import Claim, Kind

_E = Kind.EMERGENT

ENCODE = Claim(
    "encode", "share of encoding in the time to the first token, alone", "79 % (Llama3.2-11B) [S]", _E, 55, 90, "%", headline=False
)  # fmt: skip
DECOUPLED = Claim(
    "decoupled", "P99 time to the first token, lower decoupled, cross-attention", "42 % [P]", _E, 20, 75, "%"
)  # fmt: skip
DECOUPLED_ALL = Claim("decoupled-all", "the same, decoder-only", "47 % [P]", _E, 20, 75, "%")
DECOUPLED_BEST = Claim(
    "decoupled-best", "the same against the best of one kind turn by turn, cross-attention", "not given; 42 % against its own [P]", _E, 20, 75, "%", headline=False
)  # fmt: skip
MEAN = Claim(
    "mean", "mean time to the first token, lower decoupled, cross-attention", "27 % [P]", _E, 10, 60, "%", headline=False
)  # fmt: skip
MEAN_ALL = Claim("mean-all", "the same, decoder-only", "46 % [P]", _E, 20, 75, "%", headline=False)
ORDERED = Claim("ordered", "P99 lower again by urgency, cross-attention", "25 % [P]", _E, 5, 50, "%")
ORDERED_MEAN = Claim("ordered-mean", "mean lower again by urgency", "12 % [P]", _E, 3, 30, "%", headline=False)  # fmt: skip
SPREAD = Claim(
    "spread", "P99 lower again by least waiting tokens, cross-attention", "32 % [P]", _E, 5, 60, "%"
)
SPREAD_MEAN = Claim("spread-mean", "mean lower again by least waiting tokens", "14 % [P]", _E, 4, 35, "%", headline=False)  # fmt: skip
STEPS = Claim("steps", "steps that lower P99, of three, both models", "each [R]", _E, 6, 6, headline=False)

THEIRS = Claim(
    "throughput-theirs", "most requests against the paper's own baseline, four GPUs each and turn by turn, cross-attention", "3.3 [P]", _E, 1.65, 6.6, "×"
)  # fmt: skip
THEIRS_ALL = Claim("throughput-theirs-all", "the same, decoder-only", "5.5 [P]", _E, 2.2, 11, "×")
THROUGHPUT = Claim(
    "throughput", "most requests within the objective against the best of one kind of server, cross-attention", "not given; 3.3 against its own [P]", _E, 1.65, 6.6, "×"
)  # fmt: skip
THROUGHPUT_ALL = Claim("throughput-all", "the same, decoder-only", "not given; 5.5 against its own [P]", _E, 2.2, 11, "×")  # fmt: skip

HOURS_THEIRS = Claim(
    "hours-theirs", "fewer GPU-hours with replicas by role than with the paper's own baseline, cross-attention, both followed", "41.3 % [P]", _E, 15, 60, "%"
)  # fmt: skip
HOURS_THEIRS_ALL = Claim("hours-theirs-all", "the same, decoder-only", "25 % [P]", _E, 10, 60, "%")
HOURS = Claim(
    "hours", "fewer GPU-hours with replicas by role than with the best of one kind of server, cross-attention, both followed", "not given; 41.3 % against its own [P]", _E, 15, 60, "%"
)  # fmt: skip
HOURS_ALL = Claim("hours-all", "the same, decoder-only", "not given; 25 % against its own [P]", _E, 10, 60, "%")  # fmt: skip
HOURS_PEAK = Claim(
    "hours-peak", "fewer GPU-hours by role, followed, than with the paper's own baseline for its peak, cross-attention", "41.3 % [P]", _E, 15, 60, "%", headline=False
)  # fmt: skip
ATTAINED = Claim(
    "attained", "demand within capacity meanwhile, ours", "0.99 kept [P]", _E, 0.99, None, "", headline=False
)  # fmt: skip
