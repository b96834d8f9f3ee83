"""Power stabilisation: swings of training jobs and of inference fleets, and what takes them off the grid."""

from bench.papers.stabilisation.study import study
from bench.papers.study import Paper

PAPER = Paper(
    key="stabilisation",
    title="Power stabilisation",
    citation="Choukse, Warrier, Heath and others: Power Stabilization for AI Training Datacenters, arXiv 2508.14318, 2025.",
    policies=("wattline.policy.smooth",),
    wired=(
        "Ramps of steps of clocks and limits run in the node agent, which also asks devices that can smooth themselves to do so. Floors "
        "are the device's; storage is nobody's whom a scheduler can ask."
    ),
    study=study,
    unknown=(
        "The production traces and most results: iterations here are square waves with jitter and pauses for checkpoints.",
        "How long a device waits before it ramps down, and its ramps: ours are said with each row.",
    ),
)
