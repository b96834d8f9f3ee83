"""Does the response to a power limit hold on limits that were left out?

    python bench/fidelity/caps.py shared/data/gpu

Single-stream decoding (Ollama) of many models under power limits on three workstation GPUs. What belongs to the GPU (idle
power, the floor below which limits are not honoured, voltage curve, on-chip transport) is fitted for all models together,
what belongs to a model (its speed, its watts) for each, on every second limit; the limits between judge. Through the
world's own `PowerModel`. The recorded joules are some three quarters of limit times time at every limit that binds, on all
three GPUs, as if samples were a third further apart than was reckoned with: one factor for each GPU is fitted. Rows
more than 25 % off the mean of their neighbours are faults of the recording (they are counted).
"""

from collections import defaultdict
from dataclasses import dataclass, replace
from math import sqrt
from statistics import fmean

import numpy as np
from data import folder, mark, middle, split, table, worst
from scipy.optimize import least_squares

from wattline.world.curve import voltage_curve
from wattline.world.load import Load
from wattline.world.power import PowerModel
from wattline.world.products import A100

PROMISE = 0.10
NEVER = 1e3  # seconds of a step that a limit below idle power never lets begin
PRODUCTS = {  # lowest and highest limit, highest clock [D]
    "rtx 4000": (30.0, 130.0, 2175), "rtx 5000": (100.0, 250.0, 2550), "rtx 6000": (150.0, 600.0, 2600),
}  # fmt: skip


@dataclass(frozen=True)
class Row:
    model: str
    cap: float
    watts: float
    rate: float


def rows(data) -> dict[str, list[Row]]:
    out = defaultdict(list)
    for name, label, seconds, joules, tokens in (
        ("llm_power_cap_rtx_summary", "model_dir", "TotalLatency(s)", "TotalEnergy(J)", "TotalTokens"),
        ("llm_power_cap_rtx_legacy_summary", "file", "Time(s)", "TotalEnergy(J)", "TotalTokens"),
    ):
        for row in table(data / f"{name}.csv.gz"):
            time, energy, count = (float(row[c] or 0) for c in (seconds, joules, tokens))
            if min(time, energy, count) > 0:
                model = f"{name[14:20]} {row.get('group', '')} {row[label]}"
                out[row["gpu_dir"]].append(Row(model, float(row["PowerCap(W)"]), energy / time, count / time))
    return out


def sound(found: list[Row]) -> list[Row]:
    """Return the rows that are not off the mean of their neighbours by a quarter."""
    out = []
    by_model = defaultdict(list)
    for row in found:
        by_model[row.model].append(row)
    for mine in by_model.values():
        mine.sort(key=lambda row: row.cap)
        for at, row in enumerate(mine):
            beside = mine[at - 1 : at + 2 : 2] if 0 < at < len(mine) - 1 else [row]
            between = [sqrt(beside[0].rate * beside[-1].rate), sqrt(beside[0].watts * beside[-1].watts)]
            if abs(row.rate / between[0] - 1) <= 0.25 and abs(row.watts / between[1] - 1) <= 0.25:
                out.append(row)
    return out


def model_of(gpu: str, values) -> PowerModel:
    low, high, mhz = PRODUCTS[gpu]
    idle, floor, v_floor, v_slope, follows = values[:5]
    product = replace(
        A100, name=gpu, min_mhz=210, max_mhz=mhz, lock_ceiling_mhz=mhz, min_watts=low, max_watts=high, idle_watts=idle,
        floor_watts=floor, busy_watts=0.0, leakage_watts_per_celsius=0.0,
    )  # fmt: skip
    return PowerModel(product, voltage_curve(v_floor, v_slope, 1.0, follows))


def said(power: PowerModel, transport: float, watts: float, cap: float) -> tuple[float, float]:
    """Return watts and seconds of a step that takes one second where nothing limits it."""
    load = Load(memory_seconds=1.0, memory_watts=watts, issue_seconds=transport)
    draw = power.under(load, len(power.clocks_mhz) - 1, cap, power.product.idle_celsius)
    return draw.watts, power.step_seconds(load, draw) if draw.duty else NEVER


def fitted(gpu: str, found: list[Row]):
    """Return what belongs to the GPU, and transport, watts and speed by model."""
    low, high, _ = PRODUCTS[gpu]
    names = sorted({row.model for row in found})
    most = {name: max(row.watts for row in found if row.model == name) for name in names}

    def parts(values):
        power = model_of(gpu, values)
        each = {}
        for name, transport, share in zip(names, values[6::2], values[7::2], strict=True):
            watts = share * most[name]
            mine = [row for row in found if row.model == name]
            speed = np.exp(
                fmean(np.log(row.rate * said(power, transport, watts, row.cap)[1]) for row in mine)
            )
            each[name] = (transport, watts, float(speed))
        return power, values[5], each

    def residuals(values):
        power, recorded, each = parts(values)
        return np.ravel([errors(power, recorded, each, row) for row in found])

    lower = [0.02 * high, 0.5 * low, 0.3, 0.0, 0.0, 0.6] + [0.05, 0.2] * len(names)
    upper = [0.5 * high, 3.0 * low, 1.0, 1.5, 1.0, 1.0] + [1.0, 2.0] * len(names)
    tried = [
        least_squares(
            residuals,
            [0.2 * high, floor * low, 0.7, 0.6, 0.6, 0.75] + [0.6, 0.8] * len(names),
            bounds=(lower, upper),
            loss="soft_l1",
            f_scale=0.05,
            x_scale="jac",
            max_nfev=60,
        )
        for floor in (1.0, 1.4, 1.7, 2.0)
    ]
    found_best = min(tried, key=lambda one: one.cost)
    return parts(found_best.x), found_best.x[:6]


def errors(power: PowerModel, recorded: float, each, row: Row) -> tuple[float, float]:
    transport, watts, speed = each[row.model]
    w, seconds = said(power, transport, watts, row.cap)
    return recorded * w / row.watts - 1, speed / seconds / row.rate - 1


def main() -> None:
    print(
        "| GPU | models | rows left out | watts | tokens a second | joules a token |\n|---|---|---|---|---|---|"
    )
    for gpu, every in rows(folder()).items():
        found = sound(every)
        caps, _ = split(row.cap for row in found)
        known = [row for row in found if row.cap in caps]
        counted = {m for m in {row.model for row in known} if sum(row.model == m for row in known) >= 4}
        known = [row for row in known if row.model in counted]
        held = [row for row in found if row.cap not in caps and row.model in counted]
        (power, recorded, each), shared = fitted(gpu, known)
        off = [errors(power, recorded, each, row) for row in held]
        cells = [[w for w, _ in off], [r for _, r in off], [(1 + w) / (1 + r) - 1 for w, r in off]]
        shown = [f"{mark(middle(cell), PROMISE)} (worst {worst(cell):+.0%})" for cell in cells]
        print(f"| {gpu} | {len(counted)} | {len(held)} | {' | '.join(shown)} |")
        dropped = len(every) - len(found)
        print(f"  {gpu}: {dropped} faulty rows; idle {shared[0]:.0f} W, floor {shared[1]:.0f} W, voltage {shared[2]:.2f}, "
              f"slope {shared[3]:.2f}, share that follows {shared[4]:.2f}, recorded {shared[5]:.2f}", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
