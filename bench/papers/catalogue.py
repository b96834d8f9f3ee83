"""The papers in the order of the reference page."""

from bench.papers import (
    droidspeak,
    energy_per_query,
    input_power,
    kairos,
    medha,
    modserve,
    murakkab,
    saga,
    slim_sc,
    stabilisation,
    tapas,
    together,
)
from bench.papers.study import Paper

PAPERS: tuple[Paper, ...] = (
    kairos.PAPER,
    saga.PAPER,
    energy_per_query.PAPER,
    slim_sc.PAPER,
    murakkab.PAPER,
    stabilisation.PAPER,
    modserve.PAPER,
    tapas.PAPER,
    droidspeak.PAPER,
    input_power.PAPER,
    medha.PAPER,
    together.PAPER,
)
