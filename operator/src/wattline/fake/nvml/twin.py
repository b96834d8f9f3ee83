"""The same GPUs without a driver: what the agent asks of a device, answered by the world in the same process."""

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import replace

from wattline.fake.nvml.card import HAS_MARGIN
from wattline.model.errors import GpuBlocked, GpuError, GpuLost
from wattline.model.gpu import GpuIdentity, GpuReading, Ramp, Tuned
from wattline.world.gpu import Gpu


class Twin:
    """GPUs of the world as an agent's device; whoever owns the world lets their time pass."""

    def __init__(self, gpus: Sequence[Gpu], now: Callable[[], float], *, newer: bool = False) -> None:
        """``newer`` GPUs can tune themselves to inference and smooth their own power; the physics follow neither."""
        self._gpus = {gpu.uuid: gpu for gpu in gpus}
        self._now = now
        self._asked_watts = {gpu.uuid: gpu.limit_watts for gpu in gpus}
        self._persistence = dict.fromkeys(self._gpus, True)
        self._seen: frozenset[str] = frozenset()
        self._open = False
        self.lost: set[str] = set()
        """GPUs that fell off the bus; one that is taken out again is found by the next ``open``."""
        self._newer = newer
        self._tuned: set[str] = set()
        self._ramps = dict.fromkeys(
            self._gpus, Ramp(on=False, preset=0, up_watts_per_second=3e6, floor_percent=0)
        )
        self.parts: dict[str, tuple[str, ...]] = {}
        """UUIDs of the parts that a GPU is divided into, by its own."""
        self.excluded: set[str] = set()
        """GPUs of which somebody has asked what cannot go with inference."""
        self.read_only = False
        """Whether setters are refused for want of permissions."""

    def open(self) -> tuple[GpuIdentity, ...]:
        """Find the GPUs."""
        self._open = True
        self._seen = frozenset(self._gpus) - self.lost
        return tuple(
            replace(_identity(gpu), index=index, tunes=self._newer, ramps=self._newer)
            for index, (uuid, gpu) in enumerate(self._gpus.items())
            if uuid in self._seen
        )

    def close(self) -> None:
        """Let go of the driver; settings stay."""
        self._open = False

    def read(self, uuid: str) -> GpuReading:
        """Return one reading, in a driver's whole units."""
        gpu = self._gpu(uuid)
        margin = gpu.margin_celsius if gpu.product.name in HAS_MARGIN else None
        return GpuReading(
            at_seconds=self._now(),
            watts=round(gpu.watts, 3),
            instant_watts=round(gpu.instant_watts, 3),
            energy_joules=round(gpu.energy_joules, 3),
            limit_watts=gpu.limit_watts,
            clock_mhz=gpu.clock_mhz,
            celsius=float(round(gpu.celsius)),
            margin_celsius=None if margin is None else margin // 1,
            reasons=gpu.reasons,
            persistence=self._persistence[uuid],
            asked_watts=self._asked_watts[uuid],
            tuned=self._tuned_of(uuid) if self._newer else None,
            ramp=self._ramps[uuid] if self._newer else None,
            parts=self.parts.get(uuid, ()),
        )

    def set_limit(self, uuid: str, watts: float) -> None:
        """Set a power limit within the device's range; another is refused."""
        gpu = self._writable(uuid)
        if not gpu.product.min_watts <= watts <= gpu.product.max_watts:
            raise GpuError(f"InvalidArgument: {watts} W on {uuid}")
        gpu.set_limit(watts)
        self._asked_watts[uuid] = gpu.limit_watts

    def lock_clock(self, uuid: str, mhz: int | None) -> None:
        """Lock the clock at most at ``mhz``, or give it back to the driver."""
        gpu = self._writable(uuid)
        if mhz is None:
            gpu.reset_clocks()
            return
        clocks = gpu.product.clocks_mhz
        if mhz < clocks[0]:
            raise GpuError(f"InvalidArgument: {mhz} MHz on {uuid}")
        highest = clocks[bisect_right(clocks, min(mhz, gpu.product.lock_ceiling_mhz)) - 1]
        gpu.lock_clocks(clocks[0], highest)

    def set_persistence(self, uuid: str, *, on: bool) -> None:
        """Keep the driver's settings while nobody uses the GPU, or not."""
        self._writable(uuid)
        self._persistence[uuid] = on

    def set_tuned(self, uuid: str, *, on: bool) -> None:
        """Ask for inference, or no longer."""
        self._writable(uuid, newer=True)
        (self._tuned.add if on else self._tuned.discard)(uuid)

    def set_ramp(self, uuid: str, ramp: Ramp) -> None:
        """Take a ramp and a floor."""
        self._writable(uuid, newer=True)
        self._ramps[uuid] = ramp

    def _tuned_of(self, uuid: str) -> Tuned:
        if uuid in self._tuned:
            return Tuned.ON
        return Tuned.EXCLUDED if uuid in self.excluded else Tuned.OFF

    def _gpu(self, uuid: str) -> Gpu:
        if not self._open:
            raise GpuError("DriverAway: the device is not open")
        if uuid in self.lost or uuid not in self._seen:
            raise GpuLost(f"GpuLost: the driver shows no {uuid}")
        return self._gpus[uuid]

    def _writable(self, uuid: str, *, newer: bool = False) -> Gpu:
        gpu = self._gpu(uuid)
        if newer and not self._newer:
            raise GpuBlocked(f"NotSupported: {uuid} has nothing of the kind")
        if self.read_only:
            raise GpuBlocked(f"Permissions: settings of {uuid} are not ours to change")
        return gpu


def _identity(gpu: Gpu) -> GpuIdentity:
    product = gpu.product
    return GpuIdentity(
        uuid=gpu.uuid,
        product=product.device_name,
        min_watts=product.min_watts,
        max_watts=product.max_watts,
        default_watts=product.max_watts,
        clocks_mhz=product.clocks_mhz,
        slowdown_celsius=product.slowdown_celsius,
    )
