"""Between the world's GPUs and their fake driver: settings go one way, sensors the other."""

from collections.abc import Callable, Sequence
from collections.abc import Mapping as ByName
from dataclasses import dataclass
from pathlib import Path

from wattline.fake.nvml.card import HAS_MARGIN, Card, Sensors
from wattline.fake.nvml.mapping import Mapping
from wattline.model.gpu import EventReason
from wattline.world.gpu import Gpu
from wattline.world.products import Product


@dataclass(slots=True)
class _Counters:
    """Seconds that each reason has been set, which the world does not count itself."""

    at_seconds: float
    power_cap: float = 0.0
    sw_thermal: float = 0.0
    hw_thermal: float = 0.0
    power_brake: float = 0.0

    def pass_to(self, at_seconds: float, reasons: EventReason) -> None:
        passed = max(0.0, at_seconds - self.at_seconds)
        self.at_seconds = at_seconds
        self.power_cap += passed if EventReason.SW_POWER_CAP in reasons else 0.0
        self.sw_thermal += passed if EventReason.SW_THERMAL in reasons else 0.0
        self.hw_thermal += passed if EventReason.HW_THERMAL in reasons else 0.0
        self.power_brake += passed if EventReason.HW_POWER_BRAKE in reasons else 0.0


class GpuBank:
    """The GPUs of one node and the mapping that shows them; lives in the world process."""

    def __init__(self, mapping: Mapping, gpus: Sequence[Gpu]) -> None:
        self.mapping = mapping
        self.gpus = tuple(gpus)
        self._seen_changes = -1
        self._counters = [_Counters(gpu.now_seconds) for gpu in gpus]
        self.pull()
        self.publish()

    @classmethod
    def create(
        cls, path: Path, gpus: Sequence[Gpu], card: Callable[[Product, str], Card] = Card.of
    ) -> "GpuBank":
        """Switch a node on with these GPUs; ``card`` makes their identities, e.g. with capabilities of newer ones."""
        return cls(Mapping.create(path, [card(gpu.product, gpu.uuid) for gpu in gpus]), gpus)

    def pull(self) -> None:
        """Give the GPUs what their driver was asked for; call it before they advance."""
        changes = self.mapping.changes
        if changes == self._seen_changes:
            return
        self._seen_changes = changes
        for index, gpu in enumerate(self.gpus):
            settings = self.mapping.settings(index)
            gpu.set_limit(settings.limit_watts)
            if settings.locked_mhz is None:
                gpu.reset_clocks()
            else:
                gpu.lock_clocks(*settings.locked_mhz)

    def publish(self, busy: ByName[str, float] | None = None) -> None:
        """Show what the GPUs do now; ``busy`` is the busy share by UUID where it is known."""
        for index, gpu in enumerate(self.gpus):
            counters = self._counters[index]
            counters.pass_to(gpu.now_seconds, gpu.reasons)
            idle = EventReason.IDLE in gpu.reasons
            sensors = Sensors(
                watts=gpu.watts,
                instant_watts=gpu.instant_watts,
                energy_joules=gpu.energy_joules,
                clock_mhz=gpu.clock_mhz,
                busy_ratio=(busy or {}).get(gpu.uuid, 0.0 if idle else 1.0),
                celsius=gpu.celsius,
                margin_celsius=gpu.margin_celsius if gpu.product.name in HAS_MARGIN else None,
                reasons=gpu.reasons,
                power_cap_seconds=counters.power_cap,
                sw_thermal_seconds=counters.sw_thermal,
                hw_thermal_seconds=counters.hw_thermal,
                power_brake_seconds=counters.power_brake,
            )
            self.mapping.publish(index, sensors)
