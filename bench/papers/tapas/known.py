"""What the operator of a hall has learned of it from earlier tenants: models of inlets, GPUs and air."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp
from random import Random

import numpy as np
from bench.papers.tapas.hall import GPUS, OTHER_BUSY_WATTS, OTHER_IDLE_WATTS

from wattline.policy import thermal
from wattline.policy.thermal import Model, Sample, ThermalSpec
from wattline.world.facility import Facility

SPEC = ThermalSpec()
NOISE_CELSIUS = 0.5
"""Standard deviation of what an inlet's sensor says [assumption]; GPUs say whole degrees."""
NOISE_AIR_RATIO = 0.03
"""Of what fans' speeds say of air [assumption]."""


@dataclass
class Known:
    """Models of each server."""

    inlet: list[Model]
    gpu: list[Model]
    """Of the hottest GPU above the inlet."""
    air: list[Model]

    @property
    def error_celsius(self) -> float:
        """Mean error of inlet and GPU together, on samples left out, of those that speak."""
        return float(np.mean([a.error + b.error for a, b in zip(self.inlet, self.gpu, strict=True)]))

    def inlet_celsius(self, server: int, outside_celsius: float, aisle_load: float) -> float | None:
        """Return what comes in."""
        return self.inlet[server].predict(thermal.inlet_features(outside_celsius, aisle_load))

    def rise_celsius(self, server: int, gpu_watts: float) -> float | None:
        """Return how much warmer the hottest GPU gets."""
        return self.gpu[server].predict(thermal.gpu_features(gpu_watts))


def learned(
    facility: Facility, seed: int, outside_celsius: Sequence[float], resistance: Sequence[float]
) -> Known:
    """Return what is known after the hours of ``outside_celsius``, under loads that are not those of the study."""
    rng = Random(f"known {seed}")
    count = len(facility.slots)
    inlets: list[list[Sample]] = [[] for _ in range(count)]
    gpus: list[list[Sample]] = [[] for _ in range(count)]
    airs: list[list[Sample]] = [[] for _ in range(count)]
    load = [rng.random() for _ in range(count)]
    kept = exp(-1 / 6)
    for hour, outside in enumerate(outside_celsius):
        load = [min(1.0, max(0.0, kept * was + (1 - kept) * rng.uniform(-1.0, 2.0))) for was in load]
        gpu = [100.0 + 500.0 * each for each in load]
        watts = [GPUS * a + OTHER_IDLE_WATTS + OTHER_BUSY_WATTS * b for a, b in zip(gpu, load, strict=True)]
        truth = facility.inlets(outside, watts)
        loads = [facility.aisle_load(aisle, watts) for aisle in range(len(facility.aisles))]
        for index, slot in enumerate(facility.slots):
            said = truth[index] + rng.gauss(0.0, NOISE_CELSIUS)
            hottest = round(truth[index] + resistance[index] * gpu[index])
            air = facility.air(index, watts[index]) * (1.0 + rng.gauss(0.0, NOISE_AIR_RATIO))
            at = hour * 3600.0
            inlets[index].append(Sample(at, thermal.inlet_features(outside, loads[slot.aisle]), said))
            gpus[index].append(Sample(at, thermal.gpu_features(gpu[index]), hottest - said))
            airs[index].append(Sample(at, thermal.air_features(watts[index]), air))
    return Known(*([thermal.decide(SPEC, each) for each in kind] for kind in (inlets, gpus, airs)))
