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
        "The appendix; the load at which the ladder's percentages are taken, but that it is a high one: ours is 0.9 of what its baseline can do at all.",
        "The factor of its objectives: ours is eight times a median text, or a median request of one image, alone on its baseline.",
        "Stage times of its models: ours follow from parameters and patches at a stated share of an A100's arithmetic.",
    ),
)
