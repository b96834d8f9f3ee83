"""A synchronous training job, one GPU of it for all: iterations of computing and waiting, under smoothing and storage."""

from dataclasses import dataclass
from math import inf
from random import Random

import numpy as np

from wattline.world.smoothing import Smoother, SmoothingSettings, Storage

TDP_WATTS = 700.0
WAITING_WATTS = 0.3 * TDP_WATTS
"""While gradients are exchanged [R: the lower end of 30 to 100 %]."""
STEP_SECONDS = 0.005
"""Of the trace: 200 Hz."""
WARM_UP_SECONDS = 5.0
BAND_HERTZ = (0.1, 20.0)
"""A utility's, as the paper gives an example [S]."""
CHECKPOINT_EVERY_SECONDS, CHECKPOINT_SECONDS = 30.0, 2.0
"""Pauses of the job; ours."""
GPU_JOULES = 65.0
"""Storage for each GPU [S]."""


@dataclass(frozen=True, slots=True)
class Job:
    """A job, and what smooths it."""

    seed: int
    seconds: float
    period_seconds: float
    duty_ratio: float = 0.7
    """Of an iteration at full power."""
    floor_ratio: float = 0.0
    """Of TDP."""
    ramp_ratio: float | None = None
    """Of TDP in a second, up and down; none: at once."""
    storage_joules: float = 0.0
    """For each GPU."""
    follow_seconds: float = 2.0
    """With which storage lets the grid follow."""
    storage_ratio: float = 1.0
    """Of TDP, that storage gives at most: what is short of joules lasts longer so."""
    peak_ratio: float = 1.0
    """Of TDP while computing."""
    checkpoints: bool = True


def play(job: Job) -> dict[str, float]:
    """Return range, ramps, band and energies, in shares of TDP; the warm-up is not counted."""
    drawn, asked, grid, iterations = trace(job)
    start = int(WARM_UP_SECONDS / STEP_SECONDS)
    grid = grid[start:]
    above, below = np.maximum(drawn - asked, 0)[start:], np.maximum(asked - drawn, 0)[start:]
    work = asked[start:].sum() - below.sum()
    tenth, second = int(0.1 / STEP_SECONDS), int(1.0 / STEP_SECONDS)
    band, share = band_of(grid)
    return {
        "range": float(np.ptp(grid)) / TDP_WATTS,
        "peak": float(grid.max()) / TDP_WATTS,
        "ramp_tenth": 10 * float(np.abs(grid[tenth:] - grid[:-tenth]).max()) / TDP_WATTS,
        "ramp_second": float(np.abs(grid[second:] - grid[:-second]).max()) / TDP_WATTS,
        "band": band / TDP_WATTS,
        "band_share": share,
        "burnt": float(above.sum() / work),
        "missing": float(below.sum() / asked[start:].sum()),
        "losses": float((grid.sum() - drawn[start:].sum()) / drawn[start:].sum()),
        "iterations": iterations,
        "joules_per_iteration": float(grid.sum()) * STEP_SECONDS / max(iterations, 1.0),
    }


def trace(job: Job) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """Return what is drawn, what the work asks for and what the grid gives, step by step, and iterations after the warm-up.

    Computing is done as fast as watts allow: a device that draws less than it is asked for computes that much slower.
    """
    rng = Random(f"stabilisation {job.seed}")
    ramp = inf if job.ramp_ratio is None else job.ramp_ratio * TDP_WATTS
    settings = SmoothingSettings(job.floor_ratio * TDP_WATTS, ramp, ramp, ceiling_watts=1.1 * TDP_WATTS)
    smoother = Smoother(settings, WAITING_WATTS)
    storage = (
        Storage(
            job.storage_joules,
            WAITING_WATTS,
            follow_seconds=job.follow_seconds,
            most_given_watts=job.storage_ratio * TDP_WATTS,
        )
        if job.storage_joules
        else None
    )
    steps = int(job.seconds / STEP_SECONDS)
    drawn, asked, grid = np.empty(steps), np.empty(steps), np.empty(steps)
    computing, left = True, 0.0
    next_checkpoint, iterations = CHECKPOINT_EVERY_SECONDS, 0.0
    for step in range(steps):
        at = step * STEP_SECONDS
        if left <= 1e-9:
            computing = not computing
            part = job.duty_ratio if computing else 1.0 - job.duty_ratio
            left = part * job.period_seconds * rng.uniform(0.97, 1.03)
            if computing and at >= WARM_UP_SECONDS:
                iterations += 1.0
            if not computing and job.checkpoints and at >= next_checkpoint:
                left += CHECKPOINT_SECONDS
                next_checkpoint += CHECKPOINT_EVERY_SECONDS
        asks = job.peak_ratio * TDP_WATTS if computing else WAITING_WATTS
        draws = smoother.step(asks, STEP_SECONDS)
        left -= STEP_SECONDS * (min(1.0, draws / asks) if computing else 1.0)
        asked[step], drawn[step] = asks, draws
        grid[step] = storage.step(draws, STEP_SECONDS) if storage else draws
    return drawn, asked, grid, iterations


def band_of(watts: np.ndarray) -> tuple[float, float]:
    """Return the root mean square of what swings inside the band, and its share of the energy of all that swings."""
    power = np.abs(np.fft.rfft(watts - watts.mean())) ** 2
    hertz = np.fft.rfftfreq(len(watts), STEP_SECONDS)
    inside = power[(hertz >= BAND_HERTZ[0]) & (hertz <= BAND_HERTZ[1])].sum()
    return float(np.sqrt(2 * inside) / len(watts)), float(inside / power[1:].sum()) if power[
        1:
    ].any() else 0.0
