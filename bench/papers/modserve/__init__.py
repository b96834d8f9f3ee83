"""ModServe: images and text in servers of their own, spread, ordered by urgency, and scaled by their own load."""

from bench.papers.modserve.study import study
from bench.papers.study import Paper

PAPER = Paper(
    key="modserve",
    title="ModServe",
    citation="ModServe: Scalable and Resource-Efficient Large Multimodal Model Serving, arXiv 2502.00937; SoCC'25.",
    policies=("wattline.policy.scale", "wattline.policy.modal"),
    wired="Not yet: the study calls the policies; pools have a role, and nothing scales them by it.",
    study=study,
    unknown=(
        "The appendix; which trace the ladder's percentages are from; the load at which they are taken: ours is 0.9 of the capacity of the step before.",
        "Objectives: ours is five times what a request, or a mean one if that is longer, takes alone on the paper's baseline.",
        "Stage times of its models: ours follow from parameters and patches at a stated share of an A100's arithmetic.",
    ),
)
