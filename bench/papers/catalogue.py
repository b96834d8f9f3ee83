"""The papers in the order of the reference page."""

from bench.papers import droidspeak, energy_per_query, kairos, medha, murakkab, saga, slim_sc, tapas, together
from bench.papers.study import Paper

PAPERS: tuple[Paper, ...] = (
    kairos.PAPER,
    saga.PAPER,
    energy_per_query.PAPER,
    slim_sc.PAPER,
    murakkab.PAPER,
    tapas.PAPER,
    droidspeak.PAPER,
    medha.PAPER,
    together.PAPER,
)
