"""The papers in the order of the reference page."""

from bench.papers import kairos
from bench.papers.study import Paper

PAPERS: tuple[Paper, ...] = (kairos.PAPER,)
