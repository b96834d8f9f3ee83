"""Every call to NVML, and what its codes mean to us; with its neighbours ``nvml*.py`` the only door to ``pynvml``.

Nothing is called that ``CALLS`` does not list; never a process list, which holds the driver's global lock for
milliseconds. The first version of the limit setter is used on purpose: nvidia-ml-py drops the return code of the
second and reports success.
"""

from typing import Any, NoReturn, TypeVar

import pynvml

from wattline.model.errors import GpuBlocked, GpuError, GpuLost
from wattline_agent.device import DeviceUnusable, DriverAway, DriverChanged

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
    "nvmlDeviceGetMigMode",
    "nvmlDeviceGetMaxMigDeviceCount",
    "nvmlDeviceGetMigDeviceHandleByIndex",
    "nvmlDeviceWorkloadPowerProfileGetProfilesInfo",
    "nvmlDeviceWorkloadPowerProfileGetCurrentProfiles",
    "nvmlDeviceSetPowerManagementLimit",
    "nvmlDeviceSetGpuLockedClocks",
    "nvmlDeviceResetGpuLockedClocks",
    "nvmlDeviceSetPersistenceMode",
    "nvmlDeviceWorkloadPowerProfileUpdateProfiles_v1",
    "nvmlDeviceWorkloadPowerProfileSetRequestedProfiles",
    "nvmlDeviceWorkloadPowerProfileClearRequestedProfiles",
    "nvmlDevicePowerSmoothingUpdatePresetProfileParam",
    "nvmlDevicePowerSmoothingActivatePresetProfile",
    "nvmlDevicePowerSmoothingSetState",
)
"""Every function of nvidia-ml-py that the agent calls."""

UNSUPPORTED = frozenset(
    {
        pynvml.NVML_ERROR_NOT_SUPPORTED,
        pynvml.NVML_ERROR_FUNCTION_NOT_FOUND,
        pynvml.NVML_ERROR_DEPRECATED,
    }
)
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


def check_package(package: Any = pynvml) -> None:
    """Raise ``DeviceUnusable`` unless this is nvidia-ml-py, and one that has every call.

    Another distribution has the same module name: the old ``pynvml``, a package where nvidia-ml-py is one file.
    """
    if hasattr(package, "__path__"):
        raise DeviceUnusable(
            "the module pynvml is the old distribution of that name: pip uninstall pynvml, pip install nvidia-ml-py"
        )
    missing = [name for name in CALLS if not callable(getattr(package, name, None))]
    if missing:
        raise DeviceUnusable(f"nvidia-ml-py is too old, it has no {missing[0]}: pip install -U nvidia-ml-py")


def call(name: str, *arguments: Any) -> Any:
    """Call one function; raise what its code means to us."""
    try:
        return getattr(pynvml, name)(*arguments)
    except pynvml.NVMLError as error:
        refuse(name, error)


def if_supported(otherwise: T, name: str, *arguments: Any, codes: frozenset[int] = UNSUPPORTED) -> T:
    """Call one function; return ``otherwise`` where it ends with one of ``codes``."""
    try:
        found: T = getattr(pynvml, name)(*arguments)
    except pynvml.NVMLError as error:
        if error.value in codes:
            return otherwise
        refuse(name, error)
    return found


def refuse(name: str, error: pynvml.NVMLError) -> NoReturn:
    """Raise what an NVML code means to us, from the original."""
    said = f"{name}: {error}"
    match error.value:
        case pynvml.NVML_ERROR_NO_PERMISSION:
            raise GpuBlocked(f"Permissions: {said}") from error
        case code if code in UNSUPPORTED:
            raise GpuBlocked(f"NotSupported: {said}") from error
        case code if code in _LOST:
            raise GpuLost(f"GpuLost: {said}") from error
        case code if code in _AWAY:
            raise DriverAway(f"DriverAway: {said}") from error
        case pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH:
            raise DriverChanged(f"DriverChanged: {said}") from error
        case code:
            raise GpuError(f"Nvml{code}: {said}") from error
