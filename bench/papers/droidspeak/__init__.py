"""DroidSpeak: KV memory shared between models of one foundation."""

from bench.papers.droidspeak.study import study
from bench.papers.study import Paper

PAPER = Paper(
    key="droidspeak",
    title="DroidSpeak",
    citation="Liu et al.: DroidSpeak: KV Cache Sharing for Cross-LLM Communication and Multi-LLM Serving, arXiv 2411.02820; NSDI 2026.",
    policies=("wattline.policy.reuse",),
    wired="Not wired: mixing fetched and computed layers is an engine's. A gateway can decide it, where an engine takes such a decision; none in use does.",
    study=study,
    unknown=(
        "By which rule a request gets its point of the frontier: least loss that meets the objective, else the fastest.",
        "Where critical layers lie in each pair, how losses add up, and the parts of the example of 47, 30 and 17 units: ours are in `pairs.py` and the tests.",
    ),
)
