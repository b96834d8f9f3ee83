"""Fit the six physical parameters of each model to ML.ENERGY's measurements; print them, and how well they hold.

    python bench/fit_engine.py .../mlenergy_leaderboard_v3_configurations.csv.gz

Fitted on every second batch size, judged on the others. Needs numpy and scipy. The numbers go into
``wattline/world/engines.py`` by hand.
"""

import csv
import gzip
import sys
from dataclasses import replace
from itertools import product
from pathlib import Path
from statistics import median

import numpy as np
from scipy.optimize import least_squares

from wattline.world.curve import PERSEUS
from wattline.world.engines import ENGINES
from wattline.world.measured import MEASURED, service_of
from wattline.world.physics import EnginePhysics, Fit
from wattline.world.power import PowerModel
from wattline.world.steady import steady

LOWER = [0.55, 0.03, 0.0005, 0.0, 50.0, 100.0]
UPPER = [
    0.93,
    0.8,
    0.02,
    0.001,
    550.0,
    600.0,
]  # computing at full clock draws the limit, 700 W with 100 W of idle
START = [0.002, 0.00005, 280.0, 500.0]
SCALE = [0.1, 0.1, 0.001, 0.00002, 100.0, 100.0]


def errors(physics: EnginePhysics, rows: list[dict[str, str]]) -> list[tuple[float, float, float]]:
    """Relative errors of watts, inter-token latency and throughput, row by row."""
    power = PowerModel(physics.product, PERSEUS)
    out = []
    for row in rows:
        seen = steady(physics, power, physics.product.max_mhz, service_of(row))
        watts = float(row["avg_power_watts"]) / physics.gpus
        rate = float(row["output_throughput_tokens_per_sec"])
        itl = float(row["median_itl_ms"]) / 1e3
        out.append((seen.watts / watts - 1, seen.itl_seconds / itl - 1, seen.tokens_per_second / rate - 1))
    return out


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    with gzip.open(Path(sys.argv[1]), "rt") as lines:
        table = list(csv.DictReader(lines))
    for measured in MEASURED:
        physics = ENGINES[measured.model, "h100", measured.gpus]
        rows = measured.rows(table)
        fitted, held = measured.split(rows)

        def residuals(
            values: np.ndarray, physics: EnginePhysics = physics, fitted: list = fitted
        ) -> np.ndarray:
            found = errors(replace(physics, fit=Fit(*values)), fitted)
            return np.array([part for pair in found for part in (pair[0], pair[1], pair[2] / 2)])

        best = None
        for bandwidth, compute in product((0.6, 0.9), (0.1, 0.2, 0.35, 0.5, 0.75)):
            start = [bandwidth, compute, *START]
            found = least_squares(
                residuals, start, bounds=(LOWER, UPPER), x_scale=SCALE, loss="soft_l1", f_scale=0.05
            )
            if best is None or found.cost < best.cost:
                best = found
        fit = Fit(*(float(f"{value:.3g}") for value in best.x))
        report(measured.model, replace(physics, fit=fit), held)


def report(model: str, physics: EnginePhysics, held: list[dict[str, str]]) -> None:
    print(f"\n{model} ×{physics.gpus}: {physics.fit}")
    found = errors(physics, held)
    for row, (watts, itl, rate) in zip(held, found, strict=True):
        print(
            f"  batch {row['max_num_seqs']:>5}: watts {watts:+.1%}, latency {itl:+.1%}, throughput {rate:+.1%}"
        )
    print(
        f"  median error {median(abs(e[0]) for e in found):.1%} watts, {median(abs(e[1]) for e in found):.1%} latency, "
        f"{median(abs(e[2]) for e in found):.1%} throughput"
    )


if __name__ == "__main__":
    main()
