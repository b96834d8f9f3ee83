"""Power smoothing through NVML (Blackwell and later): the ramp upwards and the floor of the active preset.

The driver takes a ramp in W/s and tells it in mW/s. Numbers of fields have moved between drivers, and some need
rights even to be read; so a device has power smoothing only where every answer makes sense.
"""

from ctypes import byref
from typing import Any

import pynvml

from wattline.model.gpu import Ramp
from wattline_agent.nvml_calls import call, if_supported

_SHAPE = (
    pynvml.NVML_FI_PWR_SMOOTHING_MAX_NUM_PRESET_PROFILES,
    pynvml.NVML_FI_PWR_SMOOTHING_MIN_PERCENT_TMP_FLOOR_SETTING,
    pynvml.NVML_FI_PWR_SMOOTHING_MAX_PERCENT_TMP_FLOOR_SETTING,
)
_STATE = (pynvml.NVML_FI_PWR_SMOOTHING_ENABLED, pynvml.NVML_FI_PWR_SMOOTHING_ACTIVE_PRESET_PROFILE)
_RATES = (
    pynvml.NVML_FI_PWR_SMOOTHING_PROFILE_RAMP_UP_RATE,
    pynvml.NVML_FI_PWR_SMOOTHING_PROFILE_PERCENT_TMP_FLOOR,
)
_KINDS = ("dVal", "uiVal", "ulVal", "ullVal", "sllVal", "siVal", "usVal")
"""Members of a field's value, by the number of its type (``NVML_VALUE_TYPE_*``)."""
_PERCENT_MAX = 100


def offered(handle: Any) -> bool:
    """Return whether the device smooths its power, with a floor that can be off, and lets us know."""
    shape = _values(handle, _SHAPE)
    if shape is None or ramp(handle) is None:
        return False
    presets, least, most = shape
    return 1 <= presets <= pynvml.NVML_POWER_SMOOTHING_MAX_NUM_PROFILES and least == 0 < most <= _PERCENT_MAX


def ramp(handle: Any) -> Ramp | None:
    """Return what is in force; none where it is not told."""
    state = _values(handle, _STATE)
    if state is None:
        return None
    on, preset = int(state[0]), int(state[1])
    if on not in {0, 1} or not 0 <= preset < pynvml.NVML_POWER_SMOOTHING_MAX_NUM_PROFILES:
        return None
    rates = _values(handle, tuple((field, preset) for field in _RATES))
    return None if rates is None else Ramp(bool(on), preset, rates[0] / 1000, rates[1])


def set_ramp(handle: Any, wanted: Ramp) -> None:
    """Have a preset be as wanted and active, and smoothing on or off.

    Smoothing goes off before the preset changes and on after it: stopped anywhere, the device follows the old preset
    or none.
    """
    if not wanted.on:
        _switch(handle, on=False)
    for parameter, value in (
        (pynvml.NVML_POWER_SMOOTHING_PROFILE_PARAM_PERCENT_TMP_FLOOR, wanted.floor_percent),
        (pynvml.NVML_POWER_SMOOTHING_PROFILE_PARAM_RAMP_UP_RATE, wanted.up_watts_per_second),
    ):
        preset = pynvml.c_nvmlPowerSmoothingProfile_v1_t()
        preset.profileId, preset.paramId, preset.value = wanted.preset, parameter, value
        call("nvmlDevicePowerSmoothingUpdatePresetProfileParam", handle, byref(preset))
    active = pynvml.c_nvmlPowerSmoothingProfile_v1_t()
    active.profileId = wanted.preset
    call("nvmlDevicePowerSmoothingActivatePresetProfile", handle, byref(active))
    if wanted.on:
        _switch(handle, on=True)


def _switch(handle: Any, *, on: bool) -> None:
    state = pynvml.c_nvmlPowerSmoothingState_v1_t()
    state.state = int(on)
    call("nvmlDevicePowerSmoothingSetState", handle, byref(state))


def _values(handle: Any, fields: tuple[Any, ...]) -> list[float] | None:
    """Return the fields' values; none unless the device tells all of them."""
    found: list[Any] = list(if_supported((), "nvmlDeviceGetFieldValues", handle, list(fields)))
    if not found or any(int(each.nvmlReturn) != pynvml.NVML_SUCCESS for each in found):
        return None
    if any(not 0 <= int(each.valueType) < len(_KINDS) for each in found):
        return None
    return [float(getattr(each.value, _KINDS[int(each.valueType)])) for each in found]
