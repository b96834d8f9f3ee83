"""KAIROS: clocks, admission and routing by the memory that agents hold."""

from bench.papers.kairos.study import study
from bench.papers.study import Paper

PAPER = Paper(
    key="kairos",
    title="KAIROS",
    citation="Yuan, Chowdhury, Talati: KAIROS: Stateful, Context-Aware Power-Efficient Agentic Inference Serving, arXiv 2604.16682, 2026.",
    policies=("wattline.policy.clock", "wattline.policy.admit", "wattline.policy.route"),
    wired="All three run in gateway, node agent and simulator.",
    study=study,
    unknown=(
        "The control period, the frequency table and the traces: the product's clock law learns instead of following a table, once a second.",
        "The scope of Fig. 12: both readings stand apart.",
    ),
)
