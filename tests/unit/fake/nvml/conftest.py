"""Fake GPUs as unmodified nvidia-ml-py sees them."""

import ctypes
import os
from collections.abc import Callable, Iterator

import pynvml
import pytest

from wattline.fake.nvml import MAPPING_VARIABLE, Faults, GpuBank
from wattline.world.gpu import PRODUCTS, Gpu


@pytest.fixture
def bank(tmp_path, monkeypatch, nvml_library) -> Iterator[GpuBank]:
    """Two GPUs behind the library, which is loaded already: its name is all that the loader looks at."""
    ctypes.CDLL(str(nvml_library))
    path = tmp_path / "n1.gpus"
    monkeypatch.setenv(MAPPING_VARIABLE, str(path))
    yield GpuBank.create(path, [Gpu(PRODUCTS["h200"], f"GPU-{index}") for index in range(2)])
    while _shut():
        pass


@pytest.fixture
def faults(bank) -> Faults:
    return Faults(bank.mapping)


@pytest.fixture
def gpu(bank):
    """Handle of the first GPU."""
    pynvml.nvmlInit()
    return pynvml.nvmlDeviceGetHandleByIndex(0)


def _shut() -> bool:
    try:
        pynvml.nvmlShutdown()
    except pynvml.NVMLError as error:
        return error.value != pynvml.NVML_ERROR_UNINITIALIZED
    return True


def _start(work: Callable[[], None]) -> int:
    child = os.fork()
    if child != 0:
        return child
    try:
        work()
    except BaseException:  # noqa: BLE001 - whatever it is, this process must not return into pytest
        os._exit(1)
    os._exit(0)


@pytest.fixture
def forked() -> Callable[..., list[int]]:
    """Run work in processes of its own, all at once; return how they ended: exit codes, or minus the signal."""

    def run(work: Callable[[], None], times: int = 1) -> list[int]:
        children = [_start(work) for _ in range(times)]
        return [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]

    return run
