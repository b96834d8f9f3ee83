"""Does the meter read a known load as an A100's sensor did?

    python bench/fidelity/sensor.py shared/data/gpu

GPU_Power_Benchmark's logs: nvidia-smi every ~15 ms while a load was switched on and off at known moments. Phase and period of
the sensor's grid, the delay until a reading is out, and the two levels of power are taken from the first half of a log; the
second half judges, by the median and the root mean square of (said − read) over the swing. Three meters are compared: the world's
instant reading with the 25 ms window that A100 and H100 have, the same with the whole 100 ms, and the average of a second.
"""

from datetime import datetime, timedelta, timezone
from itertools import pairwise, product
from math import sqrt
from statistics import fmean, median

from data import folder, table

from wattline.world.meter import AVERAGE_SECONDS, GRID_SECONDS, Meter

LOG_ZONE = timezone(timedelta(hours=1))
"""The logs are in British summer time, the moments of the load in UTC."""

METERS = {
    "25 ms of each 100 ms": 0.025,
    "all of each 100 ms": GRID_SECONDS,
    "average of 1 s": AVERAGE_SECONDS,
}


def readings(path) -> list[tuple[float, float]]:
    """Return moments and instant watts."""
    return [
        (
            datetime.strptime(row["timestamp"], "%Y/%m/%d %H:%M:%S.%f").replace(tzinfo=LOG_ZONE).timestamp(),
            float(row["power.draw.instant [W]"]),
        )
        for row in table(path)
    ]


def switches(path) -> list[float]:
    """Return the moments at which the load went on and off, in turn."""
    return sorted({int(row["timestamp"]) / 1e6 for row in table(path)})


def said(log, switched, window: float, phase: float, delay: float, stretch: float) -> list[float]:
    """Return what a meter reads of a load of 1 that was switched so, at the moments of a log."""
    start = log[0][0] - 3.0
    meter = Meter(0.0, 0.0, sampled_seconds=min(window, GRID_SECONDS))
    out, at, level = [], 0, 0.0
    for seconds, _ in log:
        until = seconds - delay
        while at < len(switched) and switched[at] <= until:
            meter.add((switched[at] - start) / stretch + phase, level)
            level = 1.0 - level
            at += 1
        meter.add((until - start) / stretch + phase, level)
        out.append(meter.watts if window >= AVERAGE_SECONDS else meter.instant_watts)
    return out


def levels(shares, log) -> tuple[float, float]:
    """Return off and on watts by least squares."""
    mean, read = fmean(shares), fmean(watts for _, watts in log)
    spread = sum((s - mean) ** 2 for s in shares) or 1.0
    swing = sum((s - mean) * (watts - read) for s, (_, watts) in zip(shares, log, strict=True)) / spread
    return read - swing * mean, swing


def errors(shares, log, off: float, swing: float) -> list[float]:
    return [abs(off + swing * s - watts) for s, (_, watts) in zip(shares, log, strict=True)]


def judged(log, switched, window: float, stretches) -> tuple[float, float, float]:
    """Return median and root mean square error of the second half, and the grid's stretch that the first half chose."""
    half = len(log) // 2
    best = None
    for stretch, phase, delay in product(stretches, [n / 100 for n in range(10)], (0.0, 0.025, 0.05)):
        shares = said(log, switched, window, phase, delay, stretch)
        off, swing = levels(shares[:half], log[:half])
        fit = fmean(errors(shares[:half], log[:half], off, swing))
        if best is None or fit < best[0]:
            best = (fit, errors(shares[half:], log[half:], off, swing), stretch)
    span = max(watts for _, watts in log) - min(watts for _, watts in log)
    return median(best[1]) / span, sqrt(fmean(e * e for e in best[1])) / span, best[2]


def main() -> None:
    data = folder()
    print("| log | " + " | ".join(METERS) + " |\n|---|---|---|---|")
    for name, last, stretches in (
        ("transient_response", 2, (1.0,)),
        ("5050", None, [1 + n / 1000 for n in range(25)]),
    ):
        switched = switches(data / f"nvml_sensor_A100_{name}_timestamps.csv.gz")[:last]
        log = [
            each
            for each in readings(data / f"nvml_sensor_A100_{name}.csv.gz")
            if switched[0] - 1 < each[0] < switched[-1] + (3 if last else 0)
        ]
        cells = []
        for window in METERS.values():
            middle, square, stretch = judged(log, switched, window, stretches)
            cells.append(f"{middle:.1%} (rms {square:.1%}, grid {stretch * GRID_SECONDS * 1e3:.1f} ms)")
        print(f"| {name} ({len(log)} readings, {len(switched)} switches) | {' | '.join(cells)} |", flush=True)
    print("\n| log | readings change every | world |\n|---|---|---|")
    for name in ("transient_response", "5050", "power_update_freq"):
        log = readings(data / f"nvml_sensor_A100_{name}.csv.gz")
        changed = [after[0] for before, after in pairwise(log) if after[1] != before[1]]
        gaps = median(after - before for before, after in pairwise(changed))
        print(f"| {name} | {gaps * 1e3:.0f} ms (median of {len(changed)}) | {GRID_SECONDS * 1e3:.0f} ms |")
    log = readings(data / "nvml_sensor_A100_transient_response.csv.gz")
    on = switches(data / "nvml_sensor_A100_transient_response_timestamps.csv.gz")[0]
    low, high = fmean(w for t, w in log if t < on), fmean(w for t, w in log if on + 1 < t < on + 5)
    reached = next(t for t, w in log if t > on and w > low + 0.9 * (high - low))
    print(
        f"\nStep from {low:.0f} to {high:.0f} W: nine tenths of it are read {1e3 * (reached - on):.0f} ms later."
    )


if __name__ == "__main__":
    main()
