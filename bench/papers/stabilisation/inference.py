"""A fleet that serves: swings of independent replicas, and a raise of all clocks at once, staggered by ``policy.smooth``."""

from dataclasses import dataclass
from random import Random

import numpy as np

from wattline.policy.smooth import SmoothSpec, SmoothState, Step, decide
from wattline.world.curve import PERSEUS
from wattline.world.engines import ENGINES
from wattline.world.gpu import Gpu
from wattline.world.load import IDLE, compute_bound
from wattline.world.power import PowerModel

STEP_SECONDS = 0.1
ENGINE = ENGINES["Qwen/Qwen3-14B", "h100", 1]


@dataclass(frozen=True, slots=True)
class Fleet:
    """Replicas that get requests at random, each on its own."""

    seed: int
    replicas: int
    seconds: float
    per_second: float = 0.25
    """Requests for each replica."""
    prompt_tokens: int = 4000
    output_tokens: int = 120


def swings(fleet: Fleet) -> dict[str, float]:
    """Return the standard deviation of the fleet's watts against its mean, and the largest step in a second against it."""
    rng = Random(f"stabilisation fleet {fleet.seed}")
    power = PowerModel(ENGINE.product, PERSEUS)
    full = len(power.clocks_mhz) - 1
    prefill = ENGINE.step(0, 0, fleet.prompt_tokens, fleet.prompt_tokens / 2)
    decode = ENGINE.step(1, fleet.prompt_tokens)
    levels = {load: power.settled(load, full) for load in (prefill, decode, IDLE)}
    prefill_seconds = power.step_seconds(prefill, levels[prefill])
    decode_seconds = fleet.output_tokens * power.step_seconds(decode, levels[decode])
    steps = int(fleet.seconds / STEP_SECONDS)
    watts = np.zeros(steps)
    for _ in range(fleet.replicas):
        own = np.full(steps, levels[IDLE].watts)
        at = free = 0.0
        while True:
            at += rng.expovariate(fleet.per_second)
            free = max(at, free)
            if free >= fleet.seconds:
                break
            for seconds, load in ((prefill_seconds, prefill), (decode_seconds, decode)):
                _fill(own, free, free + seconds, levels[load].watts - levels[IDLE].watts)
                free += seconds
        watts += own
    watts = watts[int(10 / STEP_SECONDS) :]
    second = int(1.0 / STEP_SECONDS)
    return {
        "spread": float(watts.std() / watts.mean()),
        "ramp": float(np.abs(watts[second:] - watts[:-second]).max() / watts.mean()),
    }


def _fill(own: np.ndarray, start: float, end: float, watts: float) -> None:
    """Add watts from a moment to another, parts of a step in proportion."""
    first, last = start / STEP_SECONDS, min(end / STEP_SECONDS, float(len(own)))
    for index in range(int(first), min(int(last) + 1, len(own))):
        own[index] += watts * max(0.0, min(last, index + 1.0) - max(first, float(index)))


@dataclass(frozen=True, slots=True)
class Raise:
    """All groups of a domain are let up from a low clock to the full one in the same moment."""

    seed: int
    groups: int
    gpus_per_group: int
    ramp_ratio: float | None
    """Of the domain's limit in a second; none: at once."""
    pieces: int = 24


def raised(case: Raise) -> dict[str, float]:
    """Return the largest rise in any second and between whole seconds, as shares of the domain's limit, and seconds until all are up."""
    rng = Random(f"stabilisation raise {case.seed}")
    product = ENGINE.product
    gpus = [Gpu(product, f"gpu-{index}") for index in range(case.groups)]
    loads = [compute_bound(rng.uniform(300.0, 550.0)) for _ in gpus]
    most = case.groups * case.gpus_per_group * product.max_watts
    spec = SmoothSpec(None if case.ramp_ratio is None else case.ramp_ratio * most, None)
    state = SmoothState()
    clocks = [
        int(product.min_mhz + (product.max_mhz - product.min_mhz) * piece / case.pieces)
        for piece in range(case.pieces + 1)
    ]
    rungs = dict.fromkeys(range(case.groups), 4)
    watts: list[float] = []
    up_seconds = 0.0
    for second in range(120):
        if second >= 20 and any(rung < case.pieces for rung in rungs.values()):
            up_seconds = second - 19.0
            steps = [
                Step(str(index), tuple(case.gpus_per_group * (gpu.watts_for(load, clock) - gpu.watts_for(load, clocks[rungs[index]])) for clock in clocks[rungs[index] + 1 :]))
                for index, (gpu, load) in enumerate(zip(gpus, loads, strict=True))
                if rungs[index] < case.pieces
            ]  # fmt: skip
            decision = decide(spec, state, float(second), steps)
            state = decision.state
            for name, pieces in decision.pieces.items():
                rungs[int(name)] += pieces
        for index, gpu in enumerate(gpus):
            gpu.lock_clocks(product.min_mhz, clocks[rungs[index]])
        for tenth in range(10):
            before = sum(gpu.energy_joules for gpu in gpus)
            for gpu, load in zip(gpus, loads, strict=True):
                gpu.advance(second + (tenth + 1) / 10, load)
            watts.append(10 * case.gpus_per_group * (sum(gpu.energy_joules for gpu in gpus) - before))
    rises = [later - now for now, later in zip(watts[150:], watts[160:], strict=False)]
    aligned = [watts[10 * second + 9] - watts[10 * second - 1] for second in range(16, 120)]
    return {"rise": max(rises) / most, "aligned": max(aligned) / most, "seconds": up_seconds}
