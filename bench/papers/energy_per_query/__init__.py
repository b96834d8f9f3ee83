"""Energy per query: the paper's Monte Carlo, the same with our node, and which lever saves what."""

from bench.papers.energy_per_query.study import study
from bench.papers.study import Paper

PAPER = Paper(
    key="energy_per_query",
    title="Energy per query",
    citation=(
        "Oviedo, Kazhamiaka, Choukse, Kim, Luers, Nakagawa, Bianchini, Lavista Ferres: Energy Use of AI Inference: Efficiency "
        "Pathways and Test-Time Compute, arXiv 2509.20241v1, 2025; v2 and Joule, 2026: ... and Test-Time Scaling."
    ),
    policies=("wattline.policy.clock", "wattline.policy.route"),
    wired=(
        "Clock and consolidating routes run in gateway and node agent; the other levers are choices of who deploys. The study "
        "moves the physics that the policies act on, not the policies."
    ),
    study=study,
    unknown=(
        "The coefficients of throughput: the constant that its median implies stands in its place, so medians of class A are circular and only spreads and ratios say something.",
        "What each intervention is: ours are named one by one.",
        "The models: Llama-3.1-405B in 8 bits stands for all above 200 billion parameters.",
    ),
)
