"""What a GPU is asked to do, as its clock, its power and its heat depend on it."""

# ruff: noqa: FURB136 - min() and max() cost three comparisons, and this runs for every simulated second

from typing import NamedTuple


class Load(NamedTuple):
    """Work in equal steps, back to back: the seconds one step needs of each part of the GPU, and what they draw.

    Memory and compute overlap, fixed time does not: a step takes ``max(memory, compute × time ratio) + fixed``.
    Only proportions matter to power, so seconds may be of any unit of work. All zero is an idle GPU.
    """

    memory_seconds: float = 0.0
    """HBM traffic of a step; does not follow the graphics clock."""
    compute_seconds: float = 0.0
    """Arithmetic of a step at full clock."""
    fixed_seconds: float = 0.0
    """Host, launches, waiting for other GPUs: neither."""
    memory_watts: float = 0.0
    """Dynamic power while memory is busy all the time at full clock."""
    compute_watts: float = 0.0
    """Dynamic power while the cores compute all the time at full clock."""
    issue_seconds: float = 0.0
    """On-chip transport of the same bytes at full clock: limits memory at low clocks, draws nothing of its own."""
    off: bool = False
    """No process holds the GPU: idle without what a process costs that waits (``Product.context_watts``)."""

    @property
    def busy(self) -> bool:
        """Whether anything runs."""
        return self.memory_seconds + self.compute_seconds + self.fixed_seconds > 0

    def step_seconds(self, time_ratio: float) -> float:
        """Return how long a step takes when computing takes ``time_ratio`` times its seconds at full clock."""
        cores = self.compute_seconds if self.compute_seconds >= self.issue_seconds else self.issue_seconds
        cores *= time_ratio
        return (self.memory_seconds if self.memory_seconds >= cores else cores) + self.fixed_seconds


IDLE = Load()
OFF = Load(off=True)


def compute_bound(watts: float) -> Load:
    """Return a load that only computes, with ``watts`` of dynamic power at full clock."""
    return Load(compute_seconds=1.0, compute_watts=watts)


def memory_bound(watts: float) -> Load:
    """Return a load that waits for memory all the time, with ``watts`` of dynamic power at full clock."""
    return Load(memory_seconds=1.0, memory_watts=watts)


LOADING = Load(memory_seconds=0.3, fixed_seconds=0.7, memory_watts=120.0)
"""Weights being copied in and graphs captured: seldom busy, yet awake [assumption]."""
