"""Seeded runs shaped like the recorded ones, for people who do not have them.

The shape is that of 56 agentcgroup runs with true counts: turns per run with quantiles 16 / 44 / 114 at
5 / 50 / 95 %, output tokens 45 / 139 / 815, growth of the prompt beside the output 1 / 186 / 2019, a quarter
of the outputs dropped from the next prompt, two thirds of the tools instant and the rest seconds.
"""

from random import Random

from wattline.model.runs import Run
from wattline.sim.recording import Recording, Session, Writer, chained, unshared

OPENING_TOKENS = 13_200
HARNESS = "generated"


def generate(count: int, seed: int | str, *, shared_prefix: bool = True) -> Recording:
    """Return ``count`` runs; the same seed gives the same runs."""
    rng = Random(seed)
    sessions = tuple(Session((_run(rng, index),), (0.0,)) for index in range(count))
    return Recording(sessions if shared_prefix else unshared(sessions))


def _run(rng: Random, index: int) -> Run:
    turns = min(150, max(2, round(rng.lognormvariate(3.75, 0.64))))
    prompt = OPENING_TOKENS + round(rng.lognormvariate(5.2, 0.9))
    calls: list[tuple[int, int, float]] = []
    for _ in range(turns):
        output = min(6000, max(20, round(rng.lognormvariate(5.1, 0.95))))
        observed = min(12_000, round(rng.lognormvariate(5.1, 1.6)))
        slow = rng.random() < 0.34
        gap = min(120.0, rng.lognormvariate(2.1, 0.6)) if slow else rng.uniform(0.01, 0.1)
        calls.append((prompt, output, gap))
        prompt += observed + (0 if rng.random() < 0.25 else output)
    calls[-1] = (*calls[-1][:2], 0.0)
    name = f"generated-{index:04d}"
    return Run(name, name, HARNESS, chained(Writer(name, HARNESS, OPENING_TOKENS), calls))
