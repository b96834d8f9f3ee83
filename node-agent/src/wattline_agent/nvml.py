"""NVIDIA's GPUs through NVML: the only module that imports ``pynvml``.

It calls what ``CALLS`` lists and nothing else; never a process list, which holds the driver's global lock for
milliseconds. The first version of the limit setter is used on purpose: nvidia-ml-py drops the return code of the
second and reports success.
"""

from collections.abc import Callable
from contextlib import suppress
from typing import Any, NoReturn, TypeVar

import pynvml

from wattline.model.errors import GpuBlocked, GpuError, GpuLost
from wattline.model.gpu import EventReason, GpuIdentity, GpuReading
from wattline_agent.device import DriverAway, DriverChanged

CALLS = (
    "nvmlInit",
    "nvmlShutdown",
    "nvmlDeviceGetCount",
    "nvmlDeviceGetHandleByIndex",
    "nvmlDeviceGetUUID",
    "nvmlDeviceGetName",
    "nvmlDeviceGetPowerManagementLimitConstraints",
    "nvmlDeviceGetPowerManagementDefaultLimit",
    "nvmlDeviceGetSupportedMemoryClocks",
    "nvmlDeviceGetSupportedGraphicsClocks",
    "nvmlDeviceGetFieldValues",
    "nvmlDeviceGetPowerUsage",
    "nvmlDeviceGetTotalEnergyConsumption",
    "nvmlDeviceGetPowerManagementLimit",
    "nvmlDeviceGetEnforcedPowerLimit",
    "nvmlDeviceGetClockInfo",
    "nvmlDeviceGetTemperature",
    "nvmlDeviceGetMarginTemperature",
    "nvmlDeviceGetTemperatureThreshold",
    "nvmlDeviceGetCurrentClocksEventReasons",
    "nvmlDeviceGetPersistenceMode",
    "nvmlDeviceSetPowerManagementLimit",
    "nvmlDeviceSetGpuLockedClocks",
    "nvmlDeviceResetGpuLockedClocks",
    "nvmlDeviceSetPersistenceMode",
)
"""Every function of nvidia-ml-py that this module calls."""

_DRAW_FIELDS = (
    pynvml.NVML_FI_DEV_POWER_AVERAGE,
    pynvml.NVML_FI_DEV_POWER_INSTANT,
    pynvml.NVML_FI_DEV_TOTAL_ENERGY_CONSUMPTION,
)
_SLOWDOWNS = (pynvml.NVML_TEMPERATURE_THRESHOLD_SLOWDOWN, pynvml.NVML_TEMPERATURE_THRESHOLD_GPU_MAX)
"""The hardware's slowdown, and the highest operating temperature, above which the driver's own begins."""
_UNSUPPORTED = {
    pynvml.NVML_ERROR_NOT_SUPPORTED,
    pynvml.NVML_ERROR_FUNCTION_NOT_FOUND,
    pynvml.NVML_ERROR_DEPRECATED,
}
_LOST = {
    pynvml.NVML_ERROR_GPU_IS_LOST,
    pynvml.NVML_ERROR_RESET_REQUIRED,
    pynvml.NVML_ERROR_GPU_NOT_FOUND,
    pynvml.NVML_ERROR_NOT_FOUND,
}
_AWAY = {
    pynvml.NVML_ERROR_UNINITIALIZED,
    pynvml.NVML_ERROR_DRIVER_NOT_LOADED,
    pynvml.NVML_ERROR_LIBRARY_NOT_FOUND,
}

T = TypeVar("T")


class NvmlDevice:
    """The node's NVIDIA GPUs; ``now`` gives the world time that readings carry."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._handles: dict[str, Any] = {}
        self._clocks_mhz: dict[str, tuple[int, ...]] = {}
        self._field_draw: dict[str, bool] = {}
        self._open = False

    def open(self) -> tuple[GpuIdentity, ...]:
        """Find the GPUs by UUID; handles of an earlier opening are stale after a reset, so all are made anew."""
        self.close()
        _call("nvmlInit")
        self._open = True
        identities: list[GpuIdentity] = []
        for index in range(_call("nvmlDeviceGetCount")):
            try:
                handle = _call("nvmlDeviceGetHandleByIndex", index)
                identity = _identity(handle, index)
            except (GpuLost, GpuBlocked):
                continue  # a lost GPU keeps its index on some drivers; it is looked for again by UUID
            self._handles[identity.uuid] = handle
            self._clocks_mhz[identity.uuid] = identity.clocks_mhz
            identities.append(identity)
        return tuple(identities)

    def close(self) -> None:
        """Let go of the driver."""
        self._handles.clear()
        if self._open:
            self._open = False
            with suppress(GpuError):
                _call("nvmlShutdown")

    def read(self, uuid: str) -> GpuReading:
        """Return one reading."""
        handle = self._handle(uuid)
        watts, instant_watts, energy_joules = self._draw(uuid, handle)
        return GpuReading(
            at_seconds=self._now(),
            watts=watts,
            instant_watts=instant_watts,
            energy_joules=energy_joules,
            limit_watts=_call("nvmlDeviceGetEnforcedPowerLimit", handle) / 1000,
            asked_watts=_call("nvmlDeviceGetPowerManagementLimit", handle) / 1000,
            clock_mhz=_call("nvmlDeviceGetClockInfo", handle, pynvml.NVML_CLOCK_SM),
            celsius=float(_call("nvmlDeviceGetTemperature", handle, pynvml.NVML_TEMPERATURE_GPU)),
            margin_celsius=_if_supported(None, "nvmlDeviceGetMarginTemperature", handle),
            reasons=EventReason(_call("nvmlDeviceGetCurrentClocksEventReasons", handle)),
            persistence=bool(_if_supported(0, "nvmlDeviceGetPersistenceMode", handle)),
        )

    def set_limit(self, uuid: str, watts: float) -> None:
        """Ask for a power limit."""
        _call("nvmlDeviceSetPowerManagementLimit", self._handle(uuid), round(watts * 1000))

    def lock_clock(self, uuid: str, mhz: int | None) -> None:
        """Ask for a clock between the slowest supported one and ``mhz``, or give it back to the driver."""
        handle = self._handle(uuid)
        if mhz is None:
            _call("nvmlDeviceResetGpuLockedClocks", handle)
        else:
            _call("nvmlDeviceSetGpuLockedClocks", handle, min(self._clocks_mhz[uuid], default=mhz), mhz)

    def set_persistence(self, uuid: str, *, on: bool) -> None:
        """Keep the driver's settings while nobody uses the GPU, or not."""
        _call("nvmlDeviceSetPersistenceMode", self._handle(uuid), int(on))

    def _handle(self, uuid: str) -> Any:
        if not self._open:
            raise DriverAway("DriverAway: NVML is not open")
        try:
            return self._handles[uuid]
        except KeyError:
            raise GpuLost(f"GpuLost: the driver shows no {uuid}") from None

    def _draw(self, uuid: str, handle: Any) -> tuple[float, float, float]:
        """Return average watts, instant watts and joules, in one batched call where the driver has the fields."""
        if self._field_draw.get(uuid, True):
            fields: list[Any] = list(
                _if_supported((), "nvmlDeviceGetFieldValues", handle, list(_DRAW_FIELDS))
            )
            codes = {int(field.nvmlReturn) for field in fields}
            if codes == {pynvml.NVML_SUCCESS}:
                average, instant, energy = (field.value for field in fields)
                return average.uiVal / 1000, instant.uiVal / 1000, energy.ullVal / 1000
            for code in sorted(codes - _UNSUPPORTED - {pynvml.NVML_SUCCESS}):
                _refuse("nvmlDeviceGetFieldValues", pynvml.NVMLError(code))
            self._field_draw[uuid] = False
        watts = _call("nvmlDeviceGetPowerUsage", handle) / 1000
        return watts, watts, _call("nvmlDeviceGetTotalEnergyConsumption", handle) / 1000


def _identity(handle: Any, index: int) -> GpuIdentity:
    low, high = _call("nvmlDeviceGetPowerManagementLimitConstraints", handle)
    memory_mhz = max(_if_supported([], "nvmlDeviceGetSupportedMemoryClocks", handle), default=None)
    clocks_mhz: list[int] = (
        []
        if memory_mhz is None
        else _if_supported([], "nvmlDeviceGetSupportedGraphicsClocks", handle, memory_mhz)
    )
    return GpuIdentity(
        uuid=_call("nvmlDeviceGetUUID", handle),
        product=_call("nvmlDeviceGetName", handle),
        min_watts=low / 1000,
        max_watts=high / 1000,
        default_watts=_call("nvmlDeviceGetPowerManagementDefaultLimit", handle) / 1000,
        clocks_mhz=tuple(sorted(clocks_mhz)),
        index=index,
        slowdown_celsius=_slowdown_celsius(handle),
    )


def _slowdown_celsius(handle: Any) -> float | None:
    """Return the lowest temperature at which the device slows itself down; a threshold of 0 is one it does not tell."""
    told: list[float] = []
    for kind in _SLOWDOWNS:
        try:
            told.append(_if_supported(0.0, "nvmlDeviceGetTemperatureThreshold", handle, kind))
        except (GpuLost, DriverAway, DriverChanged):
            raise
        except GpuError:
            continue  # a threshold that cannot be read is one that is not told
    return min((float(celsius) for celsius in told if celsius > 0), default=None)


def _call(name: str, *arguments: Any) -> Any:
    try:
        return getattr(pynvml, name)(*arguments)
    except pynvml.NVMLError as error:
        _refuse(name, error)


def _if_supported(otherwise: T, name: str, *arguments: Any) -> T:
    try:
        found: T = getattr(pynvml, name)(*arguments)
    except pynvml.NVMLError as error:
        if error.value in _UNSUPPORTED:
            return otherwise
        _refuse(name, error)
    return found


def _refuse(name: str, error: pynvml.NVMLError) -> NoReturn:
    """Raise what an NVML code means to us, from the original."""
    said = f"{name}: {error}"
    match error.value:
        case pynvml.NVML_ERROR_NO_PERMISSION:
            raise GpuBlocked(f"Permissions: {said}") from error
        case code if code in _UNSUPPORTED:
            raise GpuBlocked(f"NotSupported: {said}") from error
        case code if code in _LOST:
            raise GpuLost(f"GpuLost: {said}") from error
        case code if code in _AWAY:
            raise DriverAway(f"DriverAway: {said}") from error
        case pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH:
            raise DriverChanged(f"DriverChanged: {said}") from error
        case code:
            raise GpuError(f"Nvml{code}: {said}") from error
