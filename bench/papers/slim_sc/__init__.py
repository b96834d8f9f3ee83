"""Slim-SC: chains of one question that think the same are cut, and the rest votes."""

from bench.papers.slim_sc.study import study
from bench.papers.study import Paper

PAPER = Paper(
    key="slim_sc",
    title="Slim-SC",
    citation=(
        "Hong, Guo, Singh, Choukse, Ustiugov: Slim-SC: Thought Pruning for Efficient Scaling with Self-Consistency, arXiv 2509.13990, "
        "EMNLP 2025."
    ),
    policies=("wattline.policy.prune",),
    wired="Not yet: a gateway that fans a request out would need a splitter of thoughts and an embedder.",
    study=study,
    unknown=(
        "Transition phrases, warm-up, least number of chains, the measure of diversity and the tie rule: see the policy.",
        "How alike thoughts are: the process here saves as many tokens as others measured with 64 chains; how much more alike wrong chains are is assumed. How many chains the headline is of: 64 here, as the later comparison has.",
    ),
)
