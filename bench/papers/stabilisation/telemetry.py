"""What a driver's readings show of a square wave: ``world.meter`` in front of it."""

from collections.abc import Sequence

import numpy as np

from wattline.world.meter import GRID_SECONDS, Meter

HIGH_WATTS, LOW_WATTS = 700.0, 210.0
SECONDS = 40.0


def readings(
    hertz: float, phase: float, *, sampled_seconds: float = GRID_SECONDS
) -> tuple[np.ndarray, np.ndarray]:
    """Return the averages of a second and the instant powers read every 100 ms of a square wave with a duty of a half."""
    meter = Meter(0.0, LOW_WATTS, sampled_seconds=sampled_seconds)
    edges = [(index + phase) / (2 * hertz) for index in range(int(2 * hertz * SECONDS) + 1)]
    reads = [GRID_SECONDS * tick for tick in range(1, int(SECONDS / GRID_SECONDS))]
    averages, instants = [], []
    high = False
    for at, is_read in sorted([(edge, False) for edge in edges] + [(read, True) for read in reads]):
        if at > 0:
            meter.add(at, HIGH_WATTS if high else LOW_WATTS)
        if is_read:
            averages.append(meter.watts)
            instants.append(meter.instant_watts)
        else:
            high = not high
    start = int(5.0 / GRID_SECONDS)
    return np.array(averages[start:]), np.array(instants[start:])


def amplitude_seen(series: np.ndarray, hertz: float) -> float:
    """Return the amplitude at a frequency against that of the square wave's own fundamental there."""
    moments = GRID_SECONDS * np.arange(len(series))
    whole = round(int(len(series) * GRID_SECONDS * hertz) / hertz / GRID_SECONDS)
    turned = np.exp(-2j * np.pi * hertz * moments[:whole])
    amplitude = 2 * abs(((series - series.mean())[:whole] * turned).mean())
    return float(amplitude / (4 / np.pi * (HIGH_WATTS - LOW_WATTS) / 2))


def swing_seen(series: np.ndarray) -> float:
    """Return highest less lowest reading against the swing there is."""
    return float(np.ptp(series)) / (HIGH_WATTS - LOW_WATTS)


def resolved(hertz: Sequence[float], phase: float, *, sampled_seconds: float = GRID_SECONDS) -> float:
    """Return the highest frequency up to which the instant power shows every fundamental within a tenth."""
    best = 0.0
    for each in hertz:
        _, instants = readings(each, phase, sampled_seconds=sampled_seconds)
        if abs(amplitude_seen(instants, each) - 1.0) > 0.1:
            break
        best = each
    return best
