"""NVIDIA's GPUs through NVML. Every call goes through ``nvml_calls``; a GPU is always the whole one, never a part."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any, TypeVar

import pynvml

from wattline.model.errors import GpuBlocked, GpuError, GpuLost
from wattline.model.gpu import EventReason, GpuIdentity, GpuReading, Ramp, Tuned
from wattline_agent import nvml_library, nvml_profiles, nvml_smoothing
from wattline_agent.device import DriverAway
from wattline_agent.nvml_calls import UNSUPPORTED, call, check_package, if_supported, refuse
from wattline_agent.nvml_parts import parts

PARTS_SECONDS = 10.0
"""Ours: time between two looks at how a GPU is divided; that changes by hand."""
_DRAW_FIELDS = (
    pynvml.NVML_FI_DEV_POWER_AVERAGE,
    pynvml.NVML_FI_DEV_POWER_INSTANT,
    pynvml.NVML_FI_DEV_TOTAL_ENERGY_CONSUMPTION,
)
_EVENT_FIELDS = {
    EventReason.SW_POWER_CAP: pynvml.NVML_FI_DEV_CLOCKS_EVENT_REASON_SW_POWER_CAP,
    EventReason.SW_THERMAL: pynvml.NVML_FI_DEV_CLOCKS_EVENT_REASON_SW_THERM_SLOWDOWN,
    EventReason.HW_THERMAL: pynvml.NVML_FI_DEV_CLOCKS_EVENT_REASON_HW_THERM_SLOWDOWN,
    EventReason.HW_POWER_BRAKE: pynvml.NVML_FI_DEV_CLOCKS_EVENT_REASON_HW_POWER_BRAKE_SLOWDOWN,
}
"""Counters in nanoseconds, which miss nothing between two readings; a device may have any of them or none."""
_SLOWDOWNS = (pynvml.NVML_TEMPERATURE_THRESHOLD_SLOWDOWN, pynvml.NVML_TEMPERATURE_THRESHOLD_GPU_MAX)
"""The hardware's slowdown, and the highest operating temperature, above which the driver's own begins."""
T = TypeVar("T")
_EventSeconds = tuple[tuple[EventReason, float], ...]


class NvmlDevice:
    """The node's NVIDIA GPUs.

    ``now`` gives the world time that readings carry; ``driver_root`` is the folder below which the driver's library
    is, where it is not where the loader looks.
    """

    def __init__(self, now: Callable[[], float], driver_root: str = "") -> None:
        self._now = now
        self._driver_root = driver_root
        self._handles: dict[str, Any] = {}
        self._clocks_mhz: dict[str, tuple[int, ...]] = {}
        self._field_draw: dict[str, bool] = {}
        self._excluded: dict[str, frozenset[int]] = {}
        """Profiles that inference cannot go with, of the GPUs that offer inference."""
        self._ramps: set[str] = set()
        self._parts: dict[str, tuple[float, tuple[str, ...]]] = {}
        """Parts of each GPU, and when they were looked for."""
        self._open = False

    def open(self) -> tuple[GpuIdentity, ...]:
        """Find the GPUs by UUID; handles of an earlier opening are stale after a reset, so all are made anew."""
        self.close()
        check_package()
        nvml_library.load(self._driver_root)
        call("nvmlInit")
        self._open = True
        identities: list[GpuIdentity] = []
        failed: GpuError | None = None
        for index in range(call("nvmlDeviceGetCount")):
            try:
                handle = call("nvmlDeviceGetHandleByIndex", index)
                identity = _identity(handle, index)
                excluded = _told(None, nvml_profiles.excluded_by, handle)
                ramps = _told(False, nvml_smoothing.offered, handle)
            except GpuError as error:
                # a lost GPU keeps its index on some drivers; one that cannot say what it is, or that says the driver
                # is away though others answer, must not take these along; all are looked for again by UUID
                failed = error
                continue
            self._handles[identity.uuid] = handle
            self._clocks_mhz[identity.uuid] = identity.clocks_mhz
            if excluded is not None:
                self._excluded[identity.uuid] = excluded
            if ramps:
                self._ramps.add(identity.uuid)
            identities.append(replace(identity, tunes=excluded is not None, ramps=ramps))
        if failed is not None and not identities and not isinstance(failed, (GpuLost, GpuBlocked)):
            raise failed
        return tuple(identities)

    def close(self) -> None:
        """Let go of the driver."""
        for each in (self._handles, self._excluded, self._ramps, self._parts):
            each.clear()
        if self._open:
            self._open = False
            with suppress(GpuError):
                call("nvmlShutdown")

    def read(self, uuid: str) -> GpuReading:
        """Return one reading."""
        handle = self._handle(uuid)
        watts, instant_watts, energy_joules, event_seconds = self._draw(uuid, handle)
        return GpuReading(
            at_seconds=self._now(),
            watts=watts,
            instant_watts=instant_watts,
            energy_joules=energy_joules,
            limit_watts=call("nvmlDeviceGetEnforcedPowerLimit", handle) / 1000,
            asked_watts=call("nvmlDeviceGetPowerManagementLimit", handle) / 1000,
            clock_mhz=call("nvmlDeviceGetClockInfo", handle, pynvml.NVML_CLOCK_SM),
            celsius=float(call("nvmlDeviceGetTemperature", handle, pynvml.NVML_TEMPERATURE_GPU)),
            margin_celsius=if_supported(None, "nvmlDeviceGetMarginTemperature", handle),
            reasons=EventReason(call("nvmlDeviceGetCurrentClocksEventReasons", handle)),
            persistence=bool(if_supported(0, "nvmlDeviceGetPersistenceMode", handle)),
            event_seconds=event_seconds,
            tuned=self._tuned(uuid, handle),
            ramp=self._ramp(uuid, handle),
            parts=self._parts_of(uuid, handle),
        )

    def set_limit(self, uuid: str, watts: float) -> None:
        """Ask for a power limit."""
        call("nvmlDeviceSetPowerManagementLimit", self._handle(uuid), round(watts * 1000))

    def lock_clock(self, uuid: str, mhz: int | None) -> None:
        """Ask for a clock between the slowest supported one and ``mhz``, or give it back to the driver."""
        handle = self._handle(uuid)
        if mhz is None:
            call("nvmlDeviceResetGpuLockedClocks", handle)
        else:
            call("nvmlDeviceSetGpuLockedClocks", handle, min(self._clocks_mhz[uuid], default=mhz), mhz)

    def set_persistence(self, uuid: str, *, on: bool) -> None:
        """Keep the driver's settings while nobody uses the GPU, or not."""
        call("nvmlDeviceSetPersistenceMode", self._handle(uuid), int(on))

    def set_tuned(self, uuid: str, *, on: bool) -> None:
        """Ask for the profile LLM_INFERENCE beside what others ask for, or no longer."""
        nvml_profiles.ask(self._handle(uuid), on=on)

    def set_ramp(self, uuid: str, ramp: Ramp) -> None:
        """Ask for a ramp and a floor of the GPU's own power."""
        nvml_smoothing.set_ramp(self._handle(uuid), ramp)

    def _handle(self, uuid: str) -> Any:
        if not self._open:
            raise DriverAway("DriverAway: NVML is not open")
        try:
            return self._handles[uuid]
        except KeyError:
            raise GpuLost(f"GpuLost: the driver shows no {uuid}") from None

    def _tuned(self, uuid: str, handle: Any) -> Tuned | None:
        """A reading is worth having also where this part of it cannot be read."""
        if uuid in self._excluded:
            with suppress(GpuError):
                return nvml_profiles.tuned(handle, self._excluded[uuid])
        return None

    def _ramp(self, uuid: str, handle: Any) -> Ramp | None:
        """As above."""
        if uuid in self._ramps:
            with suppress(GpuError):
                return nvml_smoothing.ramp(handle)
        return None

    def _parts_of(self, uuid: str, handle: Any) -> tuple[str, ...]:
        """As above; looked for now and then."""
        at_seconds, found = self._parts.get(uuid, (float("-inf"), ()))
        if self._now() - at_seconds >= PARTS_SECONDS:
            with suppress(GpuError):
                found = parts(handle)
            self._parts[uuid] = self._now(), found
        return found

    def _draw(self, uuid: str, handle: Any) -> tuple[float, float, float, _EventSeconds]:
        """Return average watts, instant watts, joules and counted events, in one batched call where it has the fields."""
        if self._field_draw.get(uuid, True):
            asked = [*_DRAW_FIELDS, *_EVENT_FIELDS.values()]
            fields: list[Any] = list(if_supported((), "nvmlDeviceGetFieldValues", handle, asked))
            drawn, counted = fields[: len(_DRAW_FIELDS)], fields[len(_DRAW_FIELDS) :]
            codes = {int(field.nvmlReturn) for field in drawn}
            if codes == {pynvml.NVML_SUCCESS}:
                average, instant, energy = (field.value for field in drawn)
                events = _events(counted)
                return average.uiVal / 1000, instant.uiVal / 1000, energy.ullVal / 1000, events
            for code in sorted(codes - UNSUPPORTED - {pynvml.NVML_SUCCESS}):
                refuse("nvmlDeviceGetFieldValues", pynvml.NVMLError(code))
            self._field_draw[uuid] = False
        watts = call("nvmlDeviceGetPowerUsage", handle) / 1000
        return watts, watts, call("nvmlDeviceGetTotalEnergyConsumption", handle) / 1000, ()


def _events(fields: list[Any]) -> _EventSeconds:
    return tuple(
        (reason, field.value.ullVal / 1e9)
        for reason, field in zip(_EVENT_FIELDS, fields, strict=False)
        if int(field.nvmlReturn) == pynvml.NVML_SUCCESS
    )


def _identity(handle: Any, index: int) -> GpuIdentity:
    low, high = call("nvmlDeviceGetPowerManagementLimitConstraints", handle)
    memory_mhz = max(if_supported([], "nvmlDeviceGetSupportedMemoryClocks", handle), default=None)
    clocks_mhz: list[int] = (
        []
        if memory_mhz is None
        else if_supported([], "nvmlDeviceGetSupportedGraphicsClocks", handle, memory_mhz)
    )
    default = call("nvmlDeviceGetPowerManagementDefaultLimit", handle)
    if not 0 < low <= default <= high:
        raise GpuError(f"NoSense: limits between {low} and {high} mW do not fit a default of {default} mW")
    return GpuIdentity(
        uuid=call("nvmlDeviceGetUUID", handle),
        product=call("nvmlDeviceGetName", handle),
        min_watts=low / 1000,
        max_watts=high / 1000,
        default_watts=default / 1000,
        clocks_mhz=tuple(sorted(clocks_mhz)),
        index=index,
        slowdown_celsius=_slowdown_celsius(handle),
    )


def _slowdown_celsius(handle: Any) -> float | None:
    """Return the lowest temperature at which the device slows itself down; a threshold of 0 is one it does not tell."""
    told = [
        _told(0.0, if_supported, 0.0, "nvmlDeviceGetTemperatureThreshold", handle, kind)
        for kind in _SLOWDOWNS
    ]
    return min((float(celsius) for celsius in told if celsius > 0), default=None)


def _told(otherwise: T, ask: Callable[..., T], *arguments: Any) -> T:
    """Return the answer to what is good to know; a GPU that cannot tell it is a GPU all the same."""
    try:
        return ask(*arguments)
    except GpuLost:
        raise
    except GpuError:
        return otherwise
