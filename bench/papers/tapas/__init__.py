"""TAPAS: placing, routing and reconfiguring by heat and power in sampled halls, half of whose tenants are opaque."""

from bench.papers.study import Paper
from bench.papers.tapas.study import study

PAPER = Paper(
    key="tapas",
    title="TAPAS",
    citation=(
        "Stojkovic, Zhang, Goiri, Choukse, Qiu, Fonseca, Torrellas, Bianchini: TAPAS: Thermal- and Power-Aware Scheduling for "
        "LLM Inference in Cloud Platforms, arXiv 2501.02600; ASPLOS'25."
    ),
    policies=(
        "wattline.policy.thermal",
        "wattline.policy.site",
        "wattline.policy.weights",
        "wattline.policy.degrade",
        "wattline.policy.emergency",
    ),
    wired=(
        "Not yet: the study calls the policies; the operator places by granted watts (`wattline.policy.place`), and node agents "
        "foresee heat themselves and hold emergency levels ready."
    ),
    study=study,
    unknown=(
        "All coefficients, air flow, safe temperatures and powers, sizes and schedulers: ours are named in wattline.world.facility and in the study.",
        "What the paper's percentages of temperature and row power are taken from: ours are the hottest GPU and the fullest row, nothing added.",
        "What serves as performance in an emergency: ours is the speed of busy work and the share of the demand that is served.",
    ),
)
