"""Engines that sleep: what falling asleep and waking take, and what waits meanwhile.

vLLM's sleep mode keeps the process, its graphs and its allocator. Level 1 copies the weights to the host's memory,
level 2 drops them and reads them from disk again; both lose the KV memory. The times are straight lines through
two models measured on an A100 [R: vllm-project/vllm#48337, Qwen3-0.6B and Qwen3-8B in bf16, 1.2 and 16.4 GB]; that
the GPUs of a group copy at the same time is an [assumption]. Models of other sizes are on those lines by assumption
too: the blog of sleep mode reports wakes of 0.1 to 6 s, up to 235 billion parameters.
"""

from dataclasses import dataclass

from wattline.world.physics import EnginePhysics


@dataclass(frozen=True, slots=True)
class _Line:
    seconds: float
    seconds_per_gigabyte: float
    """Of weights on one GPU."""

    def at(self, gigabytes: float) -> float:
        return self.seconds + self.seconds_per_gigabyte * gigabytes


@dataclass(frozen=True, slots=True)
class Nap:
    """What one level costs one engine."""

    fall_seconds: float
    wake_seconds: float


_LINES = {
    1: (_Line(0.0, 0.64), _Line(1.14, 0.064)),  # measured 0.22 and 10.57 s; 1.22 and 2.19 s
    2: (_Line(0.1, 0.0125), _Line(1.43, 0.311)),  # measured 0.12 and 0.31 s; 1.80 and 6.53 s
}


def nap(physics: EnginePhysics, level: int) -> Nap:
    """Return the seconds an engine needs to fall asleep and to wake at level 1 or 2."""
    gigabytes = physics.architecture.weight_bytes / physics.gpus / 1e9
    fall, wake = _LINES[level]
    return Nap(fall.at(gigabytes), wake.at(gigabytes))
