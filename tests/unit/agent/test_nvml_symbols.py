"""Every function we call exists in nvidia-ml-py, and none of those that must not be called is called."""

import re
from pathlib import Path

import pynvml
import pytest

from wattline_agent import nvml

SOURCE = Path(nvml.__file__).read_text()


@pytest.mark.parametrize("name", nvml.CALLS)
def test_nvidia_ml_py_has(name):
    assert callable(getattr(pynvml, name))


def test_the_list_of_calls_is_whole():
    assert set(re.findall(r'"(nvml\w+)"', SOURCE)) == set(nvml.CALLS)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("nvmlDeviceSetPowerManagementLimit_v2", id="drops the driver's answer"),
        pytest.param("RunningProcesses", id="holds the driver's global lock for milliseconds"),
        pytest.param("ApplicationsClocks", id="deprecated, refused by new drivers"),
        pytest.param("MemoryLockedClocks", id="costs more than it saves"),
    ],
)
def test_never_calls(name):
    assert name not in SOURCE
