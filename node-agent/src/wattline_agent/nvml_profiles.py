"""Workload power profiles through NVML (B200 and later): LLM_INFERENCE, where the device offers it.

Profiles that are asked for are arbitrated by the device, so what is asked for and what is in force are two things.
"""

from ctypes import byref
from typing import Any

import pynvml

from wattline.model.errors import GpuBlocked
from wattline.model.gpu import Tuned
from wattline_agent.nvml_calls import UNSUPPORTED, call, if_supported

_INFERENCE: int = pynvml.NVML_POWER_PROFILE_LLM_INFERENCE
_BITS = 32
_QUIET = UNSUPPORTED | {pynvml.NVML_ERROR_NO_PERMISSION, pynvml.NVML_ERROR_ARGUMENT_VERSION_MISMATCH}
"""Answers to the question what is offered that mean: nothing that we can use."""


def excluded_by(handle: Any) -> frozenset[int] | None:
    """Return the profiles that inference cannot go with; none where the device does not offer inference."""
    info = pynvml.c_nvmlWorkloadPowerProfileProfilesInfo_v1_t()
    said = if_supported(
        None, "nvmlDeviceWorkloadPowerProfileGetProfilesInfo", handle, byref(info), codes=_QUIET
    )
    offered = _numbers(info.perfProfilesMask)
    if said is None or _INFERENCE not in offered:
        return None
    own = _numbers(info.perfProfile[_INFERENCE].conflictingmask)
    others = {each for each in offered if _INFERENCE in _numbers(info.perfProfile[each].conflictingmask)}
    return frozenset(own | others)


def tuned(handle: Any, excluded: frozenset[int]) -> Tuned:
    """Return what became of asking for inference; ``excluded`` are the profiles that it cannot go with."""
    now = pynvml.c_nvmlWorkloadPowerProfileCurrentProfiles_v1_t()
    call("nvmlDeviceWorkloadPowerProfileGetCurrentProfiles", handle, byref(now))
    requested = _numbers(now.requestedProfilesMask)
    if _INFERENCE in requested:
        return Tuned.ON if _INFERENCE in _numbers(now.enforcedProfilesMask) else Tuned.OVERRULED
    return Tuned.EXCLUDED if requested & excluded else Tuned.OFF


def ask(handle: Any, *, on: bool) -> None:
    """Ask for inference beside what others ask for, or no longer; an older driver has two calls for it."""
    update = pynvml.c_nvmlWorkloadPowerProfileUpdateProfiles_v1_t()
    update.operation = (
        pynvml.NVML_POWER_PROFILE_OPERATION_SET if on else pynvml.NVML_POWER_PROFILE_OPERATION_CLEAR
    )
    _add(update.updateProfilesMask)
    try:
        call("nvmlDeviceWorkloadPowerProfileUpdateProfiles_v1", handle, byref(update))
    except GpuBlocked as error:
        if not str(error).startswith("NotSupported"):
            raise
        older = pynvml.c_nvmlWorkloadPowerProfileRequestedProfiles_v1_t()
        _add(older.requestedProfilesMask)
        name = (
            "nvmlDeviceWorkloadPowerProfileSetRequestedProfiles"
            if on
            else "nvmlDeviceWorkloadPowerProfileClearRequestedProfiles"
        )
        call(name, handle, byref(older))


def _add(mask: Any) -> None:
    mask.mask[_INFERENCE // _BITS] |= 1 << _INFERENCE % _BITS


def _numbers(mask: Any) -> set[int]:
    return {
        place * _BITS + bit for place, word in enumerate(mask.mask) for bit in range(_BITS) if word >> bit & 1
    }
