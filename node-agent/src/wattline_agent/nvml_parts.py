"""Parts of a GPU (MIG) through NVML: their UUIDs, by which pods are given them. Clock and power are the whole's."""

from typing import Any

import pynvml

from wattline_agent.nvml_calls import UNSUPPORTED, call, if_supported

_ABSENT = UNSUPPORTED | {pynvml.NVML_ERROR_NOT_FOUND, pynvml.NVML_ERROR_INVALID_ARGUMENT}


def parts(handle: Any) -> tuple[str, ...]:
    """Return the UUIDs of the parts that the GPU is divided into now, sorted; none where MIG is off."""
    current, _ = if_supported([0, 0], "nvmlDeviceGetMigMode", handle)
    if current != pynvml.NVML_DEVICE_MIG_ENABLE:
        return ()
    places = range(if_supported(0, "nvmlDeviceGetMaxMigDeviceCount", handle))
    found = [_part(handle, place) for place in places]
    return tuple(sorted(call("nvmlDeviceGetUUID", part) for part in found if part is not None))


def _part(handle: Any, place: int) -> Any:
    """Return a part's handle; none where there is no part at this place."""
    return if_supported(None, "nvmlDeviceGetMigDeviceHandleByIndex", handle, place, codes=_ABSENT)
