"""One touch of one device: a reading, or a write with its read-back, and what became of it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from wattline.api.powernode import Outcome
from wattline.model.errors import GpuBlocked, GpuError, GpuLost
from wattline_agent.device import Device, DriverAway, DriverChanged
from wattline_agent.gpu import LIMIT_TOLERANCE_WATTS, Gpu
from wattline_agent.record import RecordFile
from wattline_agent.settings import Settings
from wattline_agent.tally import Tally


class Touch:
    """Reads and writes single GPUs; what it learns stands in the GPU's state afterwards, errors included."""

    def __init__(self, device: Device, record: RecordFile, stopwatch: Callable[[], float]) -> None:
        self._device = device
        self._record = record
        self._stopwatch = stopwatch
        self.tally = Tally()
        self.away = "DriverAway: not asked yet"
        """Why the driver answered for no GPU at all; empty while it does."""
        self.doubt = ""
        """Why one GPU's call says so; only the driver itself can tell whether that holds for all."""

    def read(self, gpu: Gpu, now: float) -> bool:
        """Take in a reading, or that there was none; say whether there was one."""
        try:
            reading = self._device.read(gpu.identity.uuid)
        except GpuError as error:
            self.tally.failures[_word(error)] += 1
            if not self.gone(gpu, error):
                gpu.failed(str(error), now)
            return False
        drift = gpu.saw(reading, now)
        if drift:
            self.tally.drifts[drift] += 1
        return True

    def set_persistence(self, gpu: Gpu, *, on: bool, now: float) -> None:
        """Switch persistence mode and see whether it stays."""
        try:
            gpu.wrote(now)
            with self.timed("persistence"):
                self._device.set_persistence(gpu.identity.uuid, on=on)
        except GpuBlocked as error:
            self.tally.actuations["persistence", "on" if on else "off", Outcome.BLOCKED] += 1
            gpu.hold(Outcome.BLOCKED, f"Persistence: {error}", now + gpu.settings.blocked_seconds)
            return
        except GpuError as error:
            self._failed(gpu, error, now, "persistence", "on" if on else "off")
            return
        self.read(gpu, now)
        kept = gpu.reading is not None and gpu.reading.persistence is on
        self.tally.actuations[
            "persistence", "on" if on else "off", Outcome.APPLIED if kept else Outcome.ERROR
        ] += 1
        if not kept:
            gpu.hold(
                Outcome.BLOCKED,
                "Persistence: the driver does not keep the mode",
                now + gpu.settings.blocked_seconds,
            )

    def set_limit(self, gpu: Gpu, watts: float, now: float, why: str) -> None:
        """Set a power limit and read it back; ``why`` is for people."""
        before = gpu.asked_watts
        direction = "down" if watts < gpu.asked_watts else "up"
        gpu.wrote(now)
        gpu.limit_last = True
        gpu.requested_watts = watts
        gpu.confirmed_watts = None
        try:
            with self.timed("limit"):
                self._device.set_limit(gpu.identity.uuid, watts)
        except GpuError as error:
            self._failed(gpu, error, now, "limit", direction)
            return
        stale = gpu.reading
        self.read(gpu, now)
        if gpu.reading is None or gpu.reading is stale:  # the next reading confirms it, whatever it says
            return
        if abs(gpu.asked_watts - watts) > LIMIT_TOLERANCE_WATTS:
            self.tally.actuations["limit", direction, Outcome.ERROR] += 1
            self.tally.mismatches += 1
            gpu.hold(
                Outcome.ERROR,
                f"ReadBackMismatch: asked for {watts:.0f} W, reads {gpu.asked_watts:.0f} W",
                now + gpu.settings.again_seconds,
            )
            return
        self.tally.actuations["limit", direction, Outcome.APPLIED] += 1
        self.tally.move(gpu.identity.uuid, f"limit {before:.0f} → {gpu.asked_watts:.0f} W", why, now)
        gpu.applied()

    def set_clock(self, gpu: Gpu, mhz: int | None, now: float, why: str) -> None:
        """Lock a clock, once it is on record that we do, or give it back to the driver."""
        uuid = gpu.identity.uuid
        direction = "up" if mhz is None or (gpu.clock_mhz is not None and mhz > gpu.clock_mhz) else "down"
        was = self._record.record.gpus[uuid]
        if mhz is not None and not was.clock_touched:
            try:
                self._record.remember(uuid, replace(was, clock_touched=True))
            except OSError as error:
                gpu.hold(
                    Outcome.ERROR,
                    f"NoRecord: the lock cannot be noted: {error}",
                    now + gpu.settings.again_seconds,
                )
                return
        gpu.wrote(now)
        gpu.limit_last = False
        known, before = gpu.clock_known, _clock(gpu.clock_mhz) if gpu.clock_known else "unknown"
        gpu.clock_known = False
        try:
            with self.timed("clock"):
                self._device.lock_clock(uuid, mhz)
        except GpuBlocked as error:
            self.tally.actuations["clock", direction, Outcome.BLOCKED] += 1
            gpu.clock_known = known  # what is refused changes nothing
            gpu.clock_blocked, gpu.clock_blocked_until = str(error), now + gpu.settings.blocked_seconds
            if not gpu.locked:
                self._record.note_unlocked(uuid)
            return
        except GpuError as error:
            self._failed(gpu, error, now, "clock", direction)
            return
        gpu.clock_known, gpu.clock_mhz, gpu.clock_at_seconds, gpu.clock_blocked = True, mhz, now, ""
        self.tally.actuations["clock", direction, Outcome.APPLIED] += 1
        self.tally.move(uuid, f"clock {before} → {_clock(mhz)}", why, now)
        gpu.applied()

    @contextmanager
    def timed(self, actuator: str) -> Iterator[None]:
        """Count how long the driver took, also where it refused."""
        began = self._stopwatch()
        try:
            yield
        finally:
            self.tally.took(actuator, self._stopwatch() - began)

    def gone(self, gpu: Gpu, error: GpuError) -> bool:
        """Take note of an error that says that the GPU is gone, or that the driver may be; say whether the GPU is."""
        if isinstance(error, DriverAway | DriverChanged):
            self.doubt = str(error)
        elif isinstance(error, GpuLost):
            gpu.lose(str(error))
        return isinstance(error, GpuLost)

    def _failed(self, gpu: Gpu, error: GpuError, now: float, actuator: str, direction: str) -> None:
        outcome, wait_seconds = refusal(error, gpu.settings)
        self.tally.actuations[actuator, direction, outcome] += 1
        if not self.gone(gpu, error):
            gpu.hold(outcome, str(error), now + wait_seconds)


def refusal(error: GpuError, settings: Settings) -> tuple[Outcome, float]:
    """Return what a write comes to that failed so, and the seconds until it is worth another try."""
    if isinstance(error, GpuBlocked):
        return Outcome.BLOCKED, settings.blocked_seconds
    return Outcome.ERROR, settings.again_seconds


def _clock(mhz: int | None) -> str:
    return "full speed" if mhz is None else f"{mhz} MHz"


def _word(error: GpuError) -> str:
    return str(error).partition(":")[0]
