"""Medha: relative slack and packed chunks for long prompts among short ones."""

from bench.papers.medha.study import study
from bench.papers.study import Paper

PAPER = Paper(
    key="medha",
    title="Medha",
    citation="Agrawal et al.: No Request Left Behind: Tackling Heterogeneity in Long-Context LLM Inference with Medha, arXiv 2409.17264.",
    policies=("wattline.policy.slack",),
    wired=(
        "Not wired yet. Chunks and who passes whom inside an engine are the engine's: a gateway can order its own queue by relative slack, "
        "turn by turn, and keep a second long prompt back from a replica that computes one; it cannot preempt."
    ),
    study=study,
    unknown=(
        "Deadlines of the requests: half a second and twice the work stand in their place.",
        "Bounds of a long prompt's share of an iteration: a tenth and nine tenths.",
        "The text of v1 (Mnemosyne); stream pipelines and sharded KV are not part of this.",
    ),
)
