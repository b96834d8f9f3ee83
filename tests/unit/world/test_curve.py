"""The clock–power curves against what was measured."""

import csv
import gzip
from itertools import pairwise
from pathlib import Path
from statistics import median

import pytest

from wattline.world.curve import FLAT, LINEAR, PERSEUS, SHAPES, PowerShape
from wattline.world.gpu import Gpu
from wattline.world.load import Load, compute_bound, memory_bound
from wattline.world.power import PowerModel
from wattline.world.products import A100, H100, H200, PRODUCTS, Product

PERSEUS_POINTS = {1.0: 1.0, 0.936: 0.90, 0.872: 0.74, 0.809: 0.64, 0.745: 0.57, 0.681: 0.53, 0.617: 0.49}


def watts_ratio(product: Product, shape: PowerShape, load: Load, clock_ratio: float) -> float:
    power = PowerModel(product, shape)
    at = power.watts(load, power.index_of(clock_ratio * product.max_mhz + 7), product.idle_celsius)
    return at / power.watts(load, len(power.clocks_mhz) - 1, product.idle_celsius)


def pure_compute(product: Product) -> Load:
    return compute_bound(product.max_watts - product.idle_watts)


@pytest.mark.parametrize("product", PRODUCTS.values(), ids=lambda product: product.name)
@pytest.mark.parametrize(("clock_ratio", "power_ratio"), PERSEUS_POINTS.items())
def test_computing_draws_as_the_perseus_sweep_says(product: Product, clock_ratio: float, power_ratio: float):
    assert watts_ratio(product, PERSEUS, pure_compute(product), clock_ratio) == pytest.approx(
        power_ratio, abs=0.015
    )


def test_power_and_time_follow_both_models_of_the_sweep(shared_data: Path):
    table = {}
    for model in ("bloom", "gpt3-175b"):
        file = shared_data / f"gpu/zeus/perseus_sosp24_stage_profile_{model}_a100_sxm_bf16.csv.gz"
        with gzip.open(file, "rt") as lines:
            for row in csv.DictReader(lines):
                if row["instruction"] == "forward":
                    seconds, joules = table.get((model, int(row["frequency"])), (0.0, 0.0))
                    table[model, int(row["frequency"])] = (
                        seconds + float(row["time"]),
                        joules + float(row["energy"]),
                    )
    for mhz in range(870, 1411, 15):
        power, time = 0.0, 0.0
        for model in ("bloom", "gpt3-175b"):
            (seconds, joules), (full_seconds, full_joules) = table[model, mhz], table[model, 1410]
            power += joules / seconds / (full_joules / full_seconds) / 2
            time += seconds / full_seconds / 2
        assert watts_ratio(A100, PERSEUS, pure_compute(A100), mhz / 1410) == pytest.approx(power, abs=0.03)
        assert PERSEUS.time_ratio(mhz / 1410) == pytest.approx(time, abs=0.01)


@pytest.mark.parametrize("shape", SHAPES.values(), ids=lambda shape: shape.name)
def test_memory_bound_work_pays_for_a_clock_it_has_no_use_for(shape: PowerShape):
    power = PowerModel(H200, shape)
    load = memory_bound(220.0)  # 360 W at full clock
    slow, fast = power.index_of(1590), power.index_of(1980)
    more = power.watts(load, fast, 50.0) / power.watts(load, slow, 50.0) - 1
    assert 0.07 <= more <= 0.13
    assert load.step_seconds(power.time_ratios[slow]) == load.step_seconds(power.time_ratios[fast])


def least_energy(shape: PowerShape) -> float:
    power = PowerModel(H100, shape)
    load = pure_compute(H100)
    joules = [
        power.watts(load, index, H100.idle_celsius) * load.step_seconds(power.time_ratios[index])
        for index in range(len(power.clocks_mhz))
    ]
    return min(joules) / joules[-1]


def test_the_flat_curve_saves_nineteen_percent_at_best():
    assert least_energy(FLAT) == pytest.approx(0.81, abs=0.01)


def test_the_linear_curve_saves_nothing_when_computing():
    assert least_energy(LINEAR) == pytest.approx(1.0, abs=0.001)


@pytest.mark.parametrize("shape", SHAPES.values(), ids=lambda shape: shape.name)
@pytest.mark.parametrize("product", PRODUCTS.values(), ids=lambda product: product.name)
def test_more_clock_never_draws_less_nor_takes_longer(shape: PowerShape, product: Product):
    power = PowerModel(product, shape)
    for load in (
        pure_compute(product),
        memory_bound(200.0),
        Load(
            memory_seconds=0.6,
            compute_seconds=0.5,
            fixed_seconds=0.1,
            memory_watts=200.0,
            compute_watts=400.0,
        ),
    ):
        clocks = range(len(power.clocks_mhz))
        watts = [power.watts(load, index, 50.0) for index in clocks]
        seconds = [load.step_seconds(power.time_ratios[index]) for index in clocks]
        assert all(slow <= fast * 1.03 for slow, fast in pairwise(watts))
        assert seconds == sorted(seconds, reverse=True)


def test_a_memory_bound_load_slows_only_where_the_chip_cannot_carry_the_bytes():
    gpu = Gpu(H100, "a")
    load = Load(memory_seconds=1.0, issue_seconds=0.4, memory_watts=250.0)
    gpu.lock_clocks(345, 900)
    gpu.advance(5.0, load)
    assert gpu.step_seconds_for(load) == pytest.approx(1.0)
    gpu.lock_clocks(345, 345)
    gpu.advance(10.0, load)
    assert gpu.step_seconds_for(load) > 2.0


def test_a_limited_h100_multiplies_as_fast_as_between_the_shapes(shared_data: Path):
    """Measured under limits of 500 and 350 W; the three shapes have to hold the truth between them."""
    measured: dict[float, list[float]] = {}
    with gzip.open(shared_data / "gpu/h100_gemm_power_cap_trials.csv.gz", "rt") as lines:
        for row in csv.DictReader(lines):
            measured.setdefault(float(row["power_limit_w"]), []).append(float(row["throughput_tflops"]))
    for limit in (500.0, 350.0):
        truth = median(measured[limit]) / median(measured[700.0])
        ratios = []
        for shape in SHAPES.values():
            power = PowerModel(H100, shape)
            load = compute_bound(600.0)
            free, limited = (
                power.settled(load, len(power.clocks_mhz) - 1, limit_watts=watts) for watts in (700.0, limit)
            )
            ratios.append(power.step_seconds(load, free) / power.step_seconds(load, limited))
        assert min(ratios) < truth < max(ratios)
