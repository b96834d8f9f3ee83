"""Input-dependent power: budgets by a quantile of what contents do."""

from bench.papers.input_power.study import study
from bench.papers.study import Paper

PAPER = Paper(
    key="input_power",
    title="Input-dependent power",
    citation="Gregersen, Patel, Choukse: Input-Dependent Power Usage in GPUs, arXiv 2409.18324, 2024.",
    policies=("wattline.policy.quantile",),
    wired=(
        "Not wired: the operator divides budgets by floors, demand and ceilings, and devices hold their limits, so a wrong mean costs speed and "
        "not the budget. Where no limit is set, plans need the quantile."
    ),
    study=study,
    unknown=(
        "How much contents move the power of an LLM: the paper measures single multiplications (almost 40 % between patterns), without magnitudes by pattern and GPU in what we have. Checking it needs a GPU.",
        "How contents correlate between replicas, and how long they last.",
    ),
)
