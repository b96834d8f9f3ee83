"""GPUs whose sensors are silent: their share of the failsafe watts, by the power they are predicted to draw. Pure.

A reading that fails is held through; nothing is loosened on one older than a second. After five seconds nobody knows
what the GPU does, and what it drew before says best what it draws now (Google's Thunderbolt caps by such a prediction
too, patents US11966273 and US11599184). So it goes to its share of the node's failsafe, and never above its limit; it
is raised again only after it reads again.
"""

from collections.abc import Mapping
from math import fsum

from wattline.model.bounds import limit_for
from wattline_agent.gpu import Gpu


def shares(failsafe_watts: float, gpus: Mapping[str, Gpu], now: float) -> dict[str, float]:
    """Return the limits of the silent ones among the GPUs of an order, in watts."""
    silent = [uuid for uuid, gpu in gpus.items() if _silent(gpu, now)]
    if not silent:
        return {}
    predicted = {uuid: predicted_watts(gpu) for uuid, gpu in gpus.items()}
    whole = fsum(predicted.values())
    return {uuid: _limit(gpus[uuid], failsafe_watts * predicted[uuid] / whole) for uuid in silent}


def predicted_watts(gpu: Gpu) -> float:
    """Return what a GPU draws as far as its last readings tell: the most of ten seconds, or of longer means."""
    if gpu.last is None:
        return gpu.identity.max_watts
    lately = [watts for sample in gpu.fit.samples for watts in sample.lagged_watts]
    return max(gpu.last.watts, gpu.identity.min_watts, *lately)


def _silent(gpu: Gpu, now: float) -> bool:
    return gpu.reading is None and gpu.last is not None and not gpu.lost and not gpu.contested(now)


def _limit(gpu: Gpu, share_watts: float) -> float:
    share = limit_for(gpu.identity.product, share_watts)
    return max(gpu.identity.min_watts, min(gpu.last_asked_watts, share))
