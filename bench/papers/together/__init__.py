"""All levers together: which interact, and which cancel."""

from bench.papers.study import Paper
from bench.papers.together.study import study

PAPER = Paper(
    key="together",
    title="All together",
    citation="Ours: no paper moves the levers of the others.",
    policies=(
        "wattline.policy.admit",
        "wattline.policy.route",
        "wattline.policy.clock",
        "wattline.policy.share",
        "wattline.policy.rest",
    ),
    wired="All but `rest` run in gateway, node agent, operator and simulator; `rest` runs in this study alone.",
    study=study,
)
