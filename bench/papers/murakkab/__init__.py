"""Murakkab: one plan of models, GPUs and replicas for all workflows, against hand-made ones."""

from bench.papers.murakkab.study import study
from bench.papers.study import Paper

PAPER = Paper(
    key="murakkab",
    title="Murakkab",
    citation=(
        "Chaudhry, Choukse, Qiu, Goiri, Fonseca, Belay, Bianchini: Murakkab: Resource-Efficient Agentic Workflow Orchestration in Cloud "
        "Platforms, arXiv 2508.18298, OSDI 2026."
    ),
    policies=("wattline.policy.plan",),
    wired="Not yet: the operator scales pools one by one; the plan is a library function with HiGHS behind a door.",
    study=study,
    unknown=(
        "Profiles of models and qualities of ways to do the work: speeds and watts are our engines', qualities are assumed.",
        "The factor in its capacity is never defined: ours has none.",
    ),
)
