"""The node under an agent: two fake GPUs with work to do, their world, its meter, and faults on command."""

from collections.abc import Callable
from pathlib import Path

from wattline.fake.nvml import Card, Faults, Mapping, Sensors
from wattline.world.gpu import PRODUCTS, Gpu
from wattline.world.load import compute_bound

PRODUCT = PRODUCTS["h100"]
UUIDS = ("GPU-0", "GPU-1")
PREVIOUS_WATTS = (700.0, 650.0)
"""Limits that stand before any agent comes."""
PREVIOUS_PERSISTENCE = (False, True)
HOT_CELSIUS, HOT_MARGIN = 86.5, 0.5
"""Half a degree before the device slows itself down."""
SAMPLED_SECONDS = 0.025
"""What a power sensor covers of each 100 ms (GPU_Power_Benchmark: A100 and H100)."""
SLOW_SETTER_SECONDS = (0.05, 0.3)
_WORK = compute_bound(650.0)


class Machine:
    """Switched on when made; ``step`` is the only way its world moves."""

    def __init__(self, path: Path, *, at_seconds: float, slow: bool = False) -> None:
        self.gpus = tuple(
            Gpu(PRODUCT, uuid, at_seconds=at_seconds, sampled_seconds=SAMPLED_SECONDS if slow else 0.1)
            for uuid in UUIDS
        )
        self.mapping = Mapping.create(path, [Card.of(PRODUCT, uuid) for uuid in UUIDS])
        self.faults = Faults(self.mapping)
        self.hot: set[int] = set()
        self.drawn_watts = 0.0
        """What all GPUs drew in the last second, by the world's own meter."""
        with self.mapping.locked():
            for index, (watts, persistence) in enumerate(
                zip(PREVIOUS_WATTS, PREVIOUS_PERSISTENCE, strict=True)
            ):
                settings = self.mapping.node.gpus[index].settings
                settings.limit_mw, settings.persistence = round(watts * 1000), int(persistence)
            self.mapping.node.changes += 1
        if slow:
            self.faults.setters_take(*SLOW_SETTER_SECONDS)
            self.faults.one_lock(on=True)
        self.step(at_seconds)

    def step(self, at_seconds: float) -> None:
        """Let the world's time pass until then."""
        for index, gpu in enumerate(self.gpus):
            settings = self.mapping.settings(index)
            if gpu.limit_watts != settings.limit_watts:
                gpu.set_limit(settings.limit_watts)
            if gpu.locked_mhz != settings.locked_mhz:
                if settings.locked_mhz is None:
                    gpu.reset_clocks()
                else:
                    gpu.lock_clocks(*settings.locked_mhz)
            gpu.advance(at_seconds, _WORK)
            hot = index in self.hot
            self.mapping.publish(
                index,
                Sensors(
                    watts=gpu.watts,
                    instant_watts=gpu.instant_watts,
                    energy_joules=gpu.energy_joules,
                    clock_mhz=gpu.clock_mhz,
                    busy_ratio=1.0,
                    celsius=HOT_CELSIUS if hot else 60.0,
                    margin_celsius=HOT_MARGIN if hot else 27.0,
                    reasons=gpu.reasons,
                ),
            )
        self.drawn_watts = sum(gpu.watts for gpu in self.gpus)

    def limits(self) -> tuple[float, ...]:
        """Return the limits in force."""
        return tuple(self.mapping.settings(index).limit_watts for index in range(len(UUIDS)))

    def bound_watts(self, bound: Callable[[float], float]) -> float:
        """Return what the GPUs can draw at most under the limits in force."""
        return sum(bound(watts) for watts in self.limits())

    def untouched(self) -> bool:
        """Whether everything is as it was before any agent came."""
        found = [self.mapping.settings(index) for index in range(len(UUIDS))]
        return (
            tuple(each.asked_watts for each in found) == PREVIOUS_WATTS
            and tuple(each.persistence for each in found) == PREVIOUS_PERSISTENCE
            and all(each.locked_mhz is None for each in found)
        )

    def bring_back(self) -> None:
        """Reset the GPUs that fell off the bus."""
        for index in range(len(UUIDS)):
            if self.mapping.node.gpus[index].lost:
                self.faults.bring_back(index)
