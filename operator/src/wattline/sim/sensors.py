"""What policies see of the world: exactly what is so, or what drivers, scrapes and shards say a moment later.

Power is on the driver's 100 ms grid and an average of one second either way (`world.meter`), and agent rates are
refreshed every 5 s (`sim.rates`).
"""

from collections.abc import Hashable
from dataclasses import dataclass

from wattline.loops.seen import ReplicaSeen
from wattline.model.gpu import GpuReading


@dataclass(frozen=True, slots=True)
class Sensors:
    """How coarse and how late."""

    celsius_step: float = 0.0
    """Temperatures are whole multiples of it; 0 leaves them as they are."""
    late: bool = False
    """Whether a step of a node sees GPUs, engines' counters and the gateway's answer as they were a second ago, at
    its last step. Limits are those of now: the agent reads back what it has written."""
    sampled_seconds: float = 0.1
    """Part of each 100 ms interval that the instant power covers."""


EXACT = Sensors()
REAL = Sensors(celsius_step=1.0, late=True, sampled_seconds=0.025)
"""Temperatures in whole degrees, as NVML says them; instant power of a quarter of the time, as on A100 and H100 [V:
GPU_Power_Benchmark]; readings of the last of an agent's steps, which scrapes and asks once a second."""


class View:
    """What one node's policies see."""

    def __init__(self, sensors: Sensors) -> None:
        self._sensors = sensors
        self._gpus: dict[str, GpuReading] = {}
        self._replicas: dict[Hashable, ReplicaSeen] = {}

    def gpu(self, uuid: str, now: GpuReading) -> GpuReading:
        """Return what is seen of a GPU that reads ``now``."""
        step = self._sensors.celsius_step
        if step:
            celsius = round(now.celsius / step) * step
            margin = now.margin_celsius
            now = now._replace(
                celsius=celsius, margin_celsius=None if margin is None else round(margin / step) * step
            )
        if not self._sensors.late:
            return now
        before, self._gpus[uuid] = self._gpus.get(uuid, now), now
        return before._replace(limit_watts=now.limit_watts, asked_watts=now.asked_watts)

    def replica(self, key: Hashable, now: ReplicaSeen) -> ReplicaSeen:
        """Return what is seen of a replica that is like ``now``."""
        if not self._sensors.late:
            return now
        before, self._replicas[key] = self._replicas.get(key, now), now
        return before
