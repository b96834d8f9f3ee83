"""The engines' parameters on the batch sizes they were not fitted to."""

import csv
import gzip
from pathlib import Path
from statistics import median

import pytest

from wattline.world.curve import PERSEUS
from wattline.world.engines import ENGINES
from wattline.world.measured import MEASURED, Measured, service_of
from wattline.world.physics import Fit
from wattline.world.power import PowerModel
from wattline.world.steady import steady


@pytest.mark.parametrize("measured", MEASURED, ids=lambda one: f"{one.model} x{one.gpus}")
def test_held_out_batch_sizes_are_within_the_promise(measured: Measured, shared_data: Path):
    physics = ENGINES[measured.model, "h100", measured.gpus]
    power = PowerModel(physics.product, PERSEUS)
    with gzip.open(shared_data / "gpu/mlenergy_leaderboard_v3_configurations.csv.gz", "rt") as lines:
        fitted, held = measured.split(measured.rows(list(csv.DictReader(lines))))
    assert not {row["max_num_seqs"] for row in fitted} & {row["max_num_seqs"] for row in held}
    watts, latency = {}, {}
    for row in held:
        seen = steady(physics, power, physics.product.max_mhz, service_of(row))
        batch = int(row["max_num_seqs"])
        watts[batch] = seen.watts / (float(row["avg_power_watts"]) / physics.gpus) - 1
        latency[batch] = seen.itl_seconds * 1e3 / float(row["median_itl_ms"]) - 1
    batch = max(watts, key=lambda batch: max(abs(watts[batch]) / 0.05, abs(latency[batch]) / 0.12))
    worst = f"worst row: batch {batch}, watts {watts[batch]:+.1%}, inter-token latency {latency[batch]:+.1%}"
    assert median(map(abs, watts.values())) <= 0.05, worst
    assert median(map(abs, latency.values())) <= 0.12, worst


def test_six_parameters_and_no_more():
    assert len(Fit.__dataclass_fields__) == 6


def test_kairos_card_holds_what_kairos_says():
    physics = ENGINES["Qwen/Qwen3-Coder-30B-A3B-Instruct", "h100-nvl", 1]
    assert physics.capacity_tokens == 417_000
    assert physics.source == "modelled"


@pytest.mark.parametrize("key", ENGINES, ids=lambda key: " ".join(map(str, key)))
def test_every_engine_fits_its_gpus(key: tuple[str, str, int]):
    physics = ENGINES[key]
    needed = (
        physics.architecture.weight_bytes + physics.capacity_tokens * physics.architecture.kv_bytes_per_token
    )
    assert needed < physics.gpus * physics.product.memory_bytes
    assert physics.source == ("fitted" if (key[1], "FP8" in key[0]) == ("h100", False) else "modelled")
