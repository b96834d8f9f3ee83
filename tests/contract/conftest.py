"""Devices that the contract is held against."""

import ctypes
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.contract.machine import Machine, in_process, through_nvml

from wattline.fake.nvml import MAPPING_VARIABLE


@pytest.fixture
def driver_path(tmp_path, monkeypatch, nvml_library) -> Path:
    """Where the node's GPUs are; the library is loaded already, and the loader looks at its name only."""
    ctypes.CDLL(str(nvml_library))
    path = tmp_path / "n1.gpus"
    monkeypatch.setenv(MAPPING_VARIABLE, str(path))
    return path


@pytest.fixture(params=["in the same process", "NVML"])
def make(request, driver_path) -> Iterator[Callable[..., Machine]]:
    """Makes an open machine of a product, several where a test wants them."""
    machines: list[Machine] = []

    def make(product: str = "h100", *, newer: bool = False) -> Machine:
        if request.param == "NVML":
            machine = through_nvml(product, driver_path, newer=newer)
        else:
            machine = in_process(product, newer=newer)
        machines.append(machine)
        machine.device.open()
        return machine

    yield make
    for machine in machines:
        machine.device.close()
