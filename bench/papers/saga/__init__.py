"""SAGA: retention, affinity, stealing and fair turns for whole agent tasks."""

from bench.papers.saga.study import study
from bench.papers.study import Paper

PAPER = Paper(
    key="saga",
    title="SAGA",
    citation="Guo, Wu, Yiu: SAGA: Workflow-Atomic Scheduling for AI Agent Inference on GPU Clusters, arXiv 2605.00528, 2026.",
    policies=("wattline.policy.retain", "wattline.policy.steal", "wattline.policy.fair"),
    wired="None of the three is wired into the gateway yet; affinity and admission there are `policy.route` and `policy.admit`.",
    study=study,
    unknown=(
        "The mix of tools, the opening prompts, and what a task does between its steps: ours are in `workload.py`.",
        "The paper's full text; its table comes from the authors' repository, which a third party calls incomplete.",
    ),
)
