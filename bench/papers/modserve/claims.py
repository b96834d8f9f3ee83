"""The paper's numbers, with the bands in which ours are accepted; fixed before anything was run."""

from bench.papers.study import Claim, Kind

_E = Kind.EMERGENT

ENCODE = Claim(
    "encode", "share of encoding in the time to the first token, alone", "79 % (Llama3.2-11B) [S]", _E, 55, 90, "%", headline=False
)  # fmt: skip
DECOUPLED = Claim(
    "decoupled", "P99 time to the first token, lower decoupled, cross-attention", "42 % [P]", _E, 20, 75, "%"
)  # fmt: skip
DECOUPLED_ALL = Claim("decoupled-all", "the same, decoder-only", "47 % [P]", _E, 20, 75, "%")
ORDERED = Claim("ordered", "lower again by urgency, cross-attention", "25 % [P]", _E, 5, 50, "%")
SPREAD = Claim("spread", "lower again by least waiting tokens, cross-attention", "32 % [P]", _E, 5, 60, "%")
STEPS = Claim("steps", "steps that lower P99, of three, both models", "each [R]", _E, 6, 6, headline=False)
THROUGHPUT = Claim(
    "throughput", "most requests within the objective against the best of one kind of server, cross-attention", "3.3 [P]", _E, 1.65, 6.6, "×"
)  # fmt: skip
THROUGHPUT_ALL = Claim("throughput-all", "the same, decoder-only", "5.5 [P]", _E, 2.2, 11, "×")
HOURS = Claim(
    "hours", "fewer GPU-hours with replicas by role than with the best of one kind of server, cross-attention, both followed", "41.3 % [P]", _E, 15, 60, "%"
)  # fmt: skip
HOURS_ALL = Claim("hours-all", "the same, decoder-only", "25 % [P]", _E, 10, 60, "%")
ATTAINED = Claim(
    "attained", "demand within capacity meanwhile, ours", "0.99 kept [P]", _E, 0.99, None, "", headline=False
)  # fmt: skip

THEIRS = Claim(
    "throughput-theirs", "most requests against the paper's own baseline, four GPUs each and turn by turn, cross-attention", "3.3 [P]", _E, 1.65, 6.6, "×", headline=False
)  # fmt: skip
THEIRS_ALL = Claim(
    "throughput-theirs-all", "the same, decoder-only", "5.5 [P]", _E, 2.2, 11, "×", headline=False
)
HOURS_PEAK = Claim(
    "hours-peak", "fewer GPU-hours by role, followed, than with the paper's own baseline for its peak, cross-attention", "41.3 % [P]", _E, 15, 60, "%", headline=False
)  # fmt: skip
