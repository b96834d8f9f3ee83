"""Does the shape of power and time over the clock hold on frequencies, stages and models that were left out?

    python bench/fidelity/clock.py shared/data/gpu

Perseus (SOSP'24), locked clocks, A100-SXM and A40, forward and backward of eight stages of two models. Three questions,
each against power, time and energy relative to the highest clock:

* the built-in shape ``perseus`` (mean forward of both models, seven knots) on every stage, also backward, which it was
  not made from;
* a shape of seven knots from GPT-3 forward alone, on BLOOM;
* what ``wattline profile fit`` uses where points span clocks, voltage and time: fitted to every second frequency of a
  stage, judged on the others.
"""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from statistics import fmean

import numpy as np
from data import folder, mark, middle, split, table, worst
from scipy.optimize import least_squares

from wattline.world.curve import PERSEUS, voltage_curve
from wattline.world.products import A100

PROMISE = 0.05
IDLE = {"a100_sxm": A100.idle_watts / 475.0, "a40": 0.10}  # share of the draw at the highest clock
Ratios = Callable[[float], tuple[float, float]]
"""Power and time against the highest clock, for a clock ratio."""


@dataclass(frozen=True)
class Sweep:
    model: str
    gpu: str
    stage: str
    instruction: str
    rows: tuple[tuple[float, float, float], ...]
    """Clock ratio, power and time against the highest clock."""


def sweeps(data) -> list[Sweep]:
    out = []
    for model in ("gpt3-175b", "bloom"):
        for gpu in ("a100_sxm", "a40"):
            found = defaultdict(list)
            for row in table(data / "zeus" / f"perseus_sosp24_stage_profile_{model}_{gpu}_bf16.csv.gz"):
                key = row["stage"], row["instruction"]
                found[key].append((float(row["frequency"]), float(row["time"]), float(row["energy"])))
            for (stage, instruction), rows in found.items():
                top = max(rows)
                out.append(Sweep(model, gpu, stage, instruction, tuple(
                    (mhz / top[0], joules / seconds / (top[2] / top[1]), seconds / top[1])
                    for mhz, seconds, joules in sorted(rows)
                )))  # fmt: skip
    return out


def errors(says: Ratios, sweep: Sweep, only: set[float] | None = None) -> list[tuple[float, float, float]]:
    out = []
    for ratio, power, time in sweep.rows:
        if only is None or ratio in only:
            p, t = says(ratio)
            out.append((p / power - 1, t / time - 1, p * t / (power * time) - 1))
    return out


def line(name: str, found: list[tuple[float, float, float]]) -> None:
    parts = list(zip(*found, strict=True))
    cells = [f"{mark(middle(part), PROMISE)} (worst {worst(part):+.1%})" for part in parts]
    print(f"| {name} | {len(found)} | {' | '.join(cells)} |")


def knots(fitted: list[Sweep]) -> Ratios:
    ratios = (0.617, 0.681, 0.745, 0.809, 0.872, 0.936, 1.0)
    power, time = [], []
    for at in ratios:
        near = [
            (p, t) for sweep in fitted
            for p, t in [min(((abs(r - at), p, t) for r, p, t in sweep.rows))[1:]]
        ]  # fmt: skip
        power.append(fmean(p for p, _ in near))
        time.append(fmean(t for _, t in near))
    return lambda ratio: (float(np.interp(ratio, ratios, power)), float(np.interp(ratio, ratios, time)))


def fitted_curve(sweep: Sweep, fitted: set[float]) -> Ratios:
    idle = IDLE[sweep.gpu]

    def says(values) -> Ratios:
        shape = voltage_curve(*values[:3], 0.0)
        return lambda ratio: (
            values[3] * shape.total_power_ratio(ratio, idle),
            values[4] * shape.time_ratio(ratio),
        )

    found = least_squares(
        lambda values: np.ravel([e[:2] for e in errors(says(values), sweep, fitted)]),
        [0.8, 0.7, 0.7, 1.0, 1.0], bounds=([0.5, 0.0, 0.0, 0.9, 0.9], [1.0, 1.5, 1.5, 1.1, 1.1]),
    )  # fmt: skip
    return says(found.x)


def main() -> None:
    found = sweeps(folder())
    print("| shape, judged on | clocks | power | time | energy |\n|---|---|---|---|---|")
    for gpu in ("a100_sxm", "a40"):
        for instruction in ("forward", "backward"):
            here = [s for s in found if (s.gpu, s.instruction) == (gpu, instruction)]
            idle = IDLE[gpu]
            line(
                f"built-in perseus, {gpu} {instruction}",
                [
                    e for s in here
                    for e in errors(lambda r, i=idle: (PERSEUS.total_power_ratio(r, i), PERSEUS.time_ratio(r)), s)
                ],
            )  # fmt: skip
            says = knots([s for s in here if s.model == "gpt3-175b"])
            line(
                f"knots of GPT-3, on BLOOM, {gpu} {instruction}",
                [e for s in here if s.model == "bloom" for e in errors(says, s)],
            )
            left = []
            for sweep in here:
                fitted, held = split(ratio for ratio, _, _ in sweep.rows)
                left += errors(fitted_curve(sweep, fitted), sweep, held)
            line(f"voltage curve, on every second clock, {gpu} {instruction}", left)


if __name__ == "__main__":
    main()
