"""What an agent relies on when it only reads: every vendor's device must pass, on doubles and on hardware.

Nothing here calls a setter. ``WATTLINE_CONTRACT_DEVICE=package.module:Class`` names a device of this machine, which is
made as the agent makes it and judged instead of our doubles; ``WATTLINE_DRIVER_ROOT`` is passed on to it.
"""

import importlib
import math
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from time import perf_counter

import pytest
from tests.contract.machine import in_process, through_nvml

from wattline.doors.clock import BootClock
from wattline.model.errors import GpuError, GpuLost
from wattline.model.gpu import EventReason, GpuIdentity
from wattline.world.gpu import PRODUCTS
from wattline_agent.device import Device

NAMED = "WATTLINE_CONTRACT_DEVICE"
SAFETY_SECONDS = 0.2
REASON = re.compile(r"^[A-Z][A-Za-z0-9]*: ")
HOTTEST_CELSIUS = 130
GREATEST_OVERSHOOT = 2.0
"""No board draws more than twice its greatest limit, also where a limit is slow to hold."""
DOUBLES = [f"{kind} {product}" for kind in ("in process", "NVML") for product in (*PRODUCTS, "newer")]


@dataclass
class Held:
    """An open device with what it said that it has."""

    device: Device
    gpus: tuple[GpuIdentity, ...]


@pytest.fixture(params=[NAMED] if NAMED in os.environ else DOUBLES)
def held(request) -> Iterator[Held]:
    if request.param == NAMED:
        module, _, name = os.environ[NAMED].partition(":")
        make = getattr(importlib.import_module(module), name)
        device = make(BootClock(1.0).now, os.environ.get("WATTLINE_DRIVER_ROOT", ""))
    else:
        kind, _, product = request.param.rpartition(" ")
        path = request.getfixturevalue("driver_path")
        newer, product = product == "newer", "h200" if product == "newer" else product
        nvml = kind == "NVML"
        machine = through_nvml(product, path, newer=newer) if nvml else in_process(product, newer=newer)
        machine.work(30)
        machine.divide(0, "MIG-1")
        device = machine.device
    gpus = device.open()
    yield Held(device, gpus)
    device.close()


def test_it_finds_gpus_each_with_a_name_of_its_own(held):
    assert held.gpus
    for names in ([gpu.uuid for gpu in held.gpus], [gpu.index for gpu in held.gpus]):
        assert len(set(names)) == len(names)
    assert all(gpu.uuid and gpu.product for gpu in held.gpus)


def test_a_limit_can_be_chosen_and_the_clocks_are_a_ladder(held):
    for gpu in held.gpus:
        assert 0 < gpu.min_watts <= gpu.default_watts <= gpu.max_watts
        assert list(gpu.clocks_mhz) == sorted(set(gpu.clocks_mhz)), "slowest first, each once"
        assert all(mhz > 0 for mhz in gpu.clocks_mhz)


def test_opened_again_it_finds_the_same(held):
    assert held.device.open() == held.gpus


def test_a_reading_is_of_this_world(held):
    for gpu in held.gpus:
        reading = held.device.read(gpu.uuid)

        for watts in (reading.watts, reading.instant_watts):
            assert 0 <= watts <= GREATEST_OVERSHOOT * gpu.max_watts
        assert 0 < reading.limit_watts <= gpu.max_watts
        assert reading.asked_watts is None or gpu.min_watts <= reading.asked_watts <= gpu.max_watts
        assert 0 <= reading.clock_mhz <= max(gpu.clocks_mhz, default=math.inf)
        assert 0 < reading.celsius < HOTTEST_CELSIUS
        assert reading.margin_celsius is None or abs(reading.margin_celsius) < HOTTEST_CELSIUS
        assert isinstance(reading.reasons, EventReason)
        assert isinstance(reading.persistence, bool)


def test_energy_and_time_only_go_on(held):
    for gpu in held.gpus:
        first, second = held.device.read(gpu.uuid), held.device.read(gpu.uuid)

        assert 0 <= first.energy_joules <= second.energy_joules
        assert first.at_seconds <= second.at_seconds


def test_what_it_can_do_by_itself_is_told_with_what_became_of_it(held):
    for gpu in held.gpus:
        reading = held.device.read(gpu.uuid)

        assert (reading.tuned is not None) is gpu.tunes
        assert (reading.ramp is not None) is gpu.ramps
        if reading.ramp is not None:
            assert reading.ramp.up_watts_per_second >= 0
            assert 0 <= reading.ramp.floor_percent <= 100


def test_a_part_is_of_one_gpu_and_is_none_itself(held):
    parts = [part for gpu in held.gpus for part in held.device.read(gpu.uuid).parts]

    assert len(set(parts)) == len(parts)
    assert not {*parts} & {gpu.uuid for gpu in held.gpus}
    for part in parts:
        with pytest.raises(GpuLost):
            held.device.read(part)


def test_reading_changes_nothing(held):
    for gpu in held.gpus:
        settings = {
            (reading.limit_watts, reading.asked_watts, reading.persistence, reading.tuned, reading.ramp)
            for reading in (held.device.read(gpu.uuid) for _ in range(10))
        }

        assert len(settings) == 1


def test_all_gpus_are_read_within_the_safety_period(held):
    rounds = []
    for _ in range(5):
        began = perf_counter()
        for gpu in held.gpus:
            held.device.read(gpu.uuid)
        rounds.append(perf_counter() - began)

    assert sorted(rounds)[2] < SAFETY_SECONDS


def test_a_gpu_nobody_has_heard_of_is_lost(held):
    with pytest.raises(GpuLost, match=REASON):
        held.device.read("GPU-of-nobody")


def test_closed_it_says_that_the_driver_is_away_and_opens_again(held):
    held.device.close()
    held.device.close()

    with pytest.raises(GpuError, match=r"^DriverAway: "):
        held.device.read(held.gpus[0].uuid)
    assert held.device.open() == held.gpus
    assert held.device.read(held.gpus[0].uuid).limit_watts > 0
