"""Every function we call exists in nvidia-ml-py, is called as NVIDIA's header has it, and none that must not be called is."""

import ctypes
import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pynvml
import pytest
from tests.fakes.nvml_recorder import Recorder

from wattline.fake.nvml import MAPPING_VARIABLE, Card, Faults, GpuBank
from wattline.fake.nvml.card import B200_PROFILES
from wattline.model.gpu import Ramp
from wattline.world.gpu import PRODUCTS, Gpu
from wattline_agent import nvml, nvml_calls
from wattline_agent.device import DeviceUnusable
from wattline_agent.nvml import NvmlDevice

SOURCE = "\n".join(path.read_text() for path in sorted(Path(nvml.__file__).parent.glob("nvml*.py")))

GPU = "nvmlDevice_t"
U32 = "unsigned int"
SIGNATURES = {
    "nvmlInitWithFlags": ("int",),
    "nvmlShutdown": (),
    "nvmlDeviceGetCount_v2": ("unsigned int*",),
    "nvmlDeviceGetHandleByIndex_v2": (U32, "nvmlDevice_t*"),
    "nvmlDeviceGetUUID": (GPU, "char*", U32),
    "nvmlDeviceGetName": (GPU, "char*", U32),
    "nvmlDeviceGetPowerManagementLimitConstraints": (GPU, "unsigned int*", "unsigned int*"),
    "nvmlDeviceGetPowerManagementDefaultLimit": (GPU, "unsigned int*"),
    "nvmlDeviceGetSupportedMemoryClocks": (GPU, "unsigned int*", "unsigned int*"),
    "nvmlDeviceGetSupportedGraphicsClocks": (GPU, U32, "unsigned int*", "unsigned int*"),
    "nvmlDeviceGetFieldValues": (GPU, "int", "nvmlFieldValue*"),
    "nvmlDeviceGetPowerUsage": (GPU, "unsigned int*"),
    "nvmlDeviceGetTotalEnergyConsumption": (GPU, "unsigned long long*"),
    "nvmlDeviceGetPowerManagementLimit": (GPU, "unsigned int*"),
    "nvmlDeviceGetEnforcedPowerLimit": (GPU, "unsigned int*"),
    "nvmlDeviceGetClockInfo": (GPU, U32, "unsigned int*"),
    "nvmlDeviceGetTemperature": (GPU, U32, "unsigned int*"),
    "nvmlDeviceGetTemperatureThreshold": (GPU, U32, "unsigned int*"),
    "nvmlDeviceGetMarginTemperature": (GPU, "nvmlMarginTemperature_v1*"),
    "nvmlDeviceGetCurrentClocksEventReasons": (GPU, "unsigned long long*"),
    "nvmlDeviceGetPersistenceMode": (GPU, "unsigned int*"),
    "nvmlDeviceGetMigMode": (GPU, "unsigned int*", "unsigned int*"),
    "nvmlDeviceGetMaxMigDeviceCount": (GPU, "unsigned int*"),
    "nvmlDeviceGetMigDeviceHandleByIndex": (GPU, U32, "nvmlDevice_t*"),
    "nvmlDeviceWorkloadPowerProfileGetProfilesInfo": (GPU, "nvmlWorkloadPowerProfileProfilesInfo_v1*"),
    "nvmlDeviceWorkloadPowerProfileGetCurrentProfiles": (GPU, "nvmlWorkloadPowerProfileCurrentProfiles_v1*"),
    "nvmlDeviceSetPowerManagementLimit": (GPU, U32),
    "nvmlDeviceSetGpuLockedClocks": (GPU, U32, U32),
    "nvmlDeviceResetGpuLockedClocks": (GPU,),
    "nvmlDeviceSetPersistenceMode": (GPU, U32),
    "nvmlDeviceWorkloadPowerProfileUpdateProfiles_v1": (GPU, "nvmlWorkloadPowerProfileUpdateProfiles_v1*"),
    "nvmlDeviceWorkloadPowerProfileSetRequestedProfiles": (
        GPU,
        "nvmlWorkloadPowerProfileRequestedProfiles_v1*",
    ),
    "nvmlDeviceWorkloadPowerProfileClearRequestedProfiles": (
        GPU,
        "nvmlWorkloadPowerProfileRequestedProfiles_v1*",
    ),
    "nvmlDevicePowerSmoothingUpdatePresetProfileParam": (GPU, "nvmlPowerSmoothingProfile_v1*"),
    "nvmlDevicePowerSmoothingActivatePresetProfile": (GPU, "nvmlPowerSmoothingProfile_v1*"),
    "nvmlDevicePowerSmoothingSetState": (GPU, "nvmlPowerSmoothingState_v1*"),
}
"""Parameters of NVIDIA's C functions (nvml.h of CUDA 13), enumerations as the integers they are."""


@pytest.mark.parametrize("name", nvml_calls.CALLS)
def test_nvidia_ml_py_has(name):
    assert callable(getattr(pynvml, name))


def test_the_list_of_calls_is_whole():
    assert set(re.findall(r'"(nvml\w+)"', SOURCE)) == set(nvml_calls.CALLS)


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


@pytest.fixture
def spoken(tmp_path, monkeypatch, nvml_library) -> dict[str, set[tuple[str, ...]]]:
    """What a device says to its driver's library, everything once, also what only older drivers hear."""
    monkeypatch.setenv(MAPPING_VARIABLE, str(tmp_path / "n1.gpus"))

    def card(product, uuid):
        return replace(Card.of(product, uuid), profiles=B200_PROFILES, smooths=True)

    bank = GpuBank.create(tmp_path / "n1.gpus", [Gpu(PRODUCTS["h200"], "GPU-0")], card)
    faults = Faults(bank.mapping)
    faults.partition(0, on=True, parts=("MIG-0",))
    library = ctypes.CDLL(str(nvml_library))
    seen: dict[str, set[tuple[str, ...]]] = {}
    for lacks in (frozenset(), frozenset({"nvmlDeviceWorkloadPowerProfileUpdateProfiles_v1"})):
        recorder = Recorder(library, lacks)
        monkeypatch.setattr(pynvml, "nvmlLib", recorder)
        monkeypatch.setattr(pynvml, "_nvmlGetFunctionPointer_cache", {})
        device = NvmlDevice(lambda: 0.0)
        device.open()
        device.read("GPU-0")
        for on in (True, False):
            device.set_tuned("GPU-0", on=on)
            device.set_persistence("GPU-0", on=on)
            device.lock_clock("GPU-0", 900 if on else None)
            device.set_ramp("GPU-0", Ramp(on, 1, 100.0, 0.0))
            device.set_limit("GPU-0", 300.0)
        faults.hide_fields(0, pynvml.NVML_FI_DEV_POWER_INSTANT)
        device.read("GPU-0")
        faults.hide_fields(0)
        device.close()
        for name, ways in recorder.seen.items():
            seen.setdefault(name, set()).update(ways)
    return seen


def test_every_call_has_the_types_of_nvidias_header(spoken):
    ways = {name: {_certain(way) for way in ways} for name, ways in spoken.items()}

    assert ways == {name: {types} for name, types in SIGNATURES.items()}
    assert len(SIGNATURES) == len(nvml_calls.CALLS)


def _certain(way: tuple[str, ...]) -> tuple[str, ...]:
    """A null pointer, by which the package asks for a length first, is a pointer of any type."""
    return tuple("unsigned int*" if kind == "NoneType" else kind for kind in way)


@pytest.mark.parametrize(
    ("package", "says"),
    [
        pytest.param(
            SimpleNamespace(__path__=["site-packages/pynvml"]), "old distribution", id="the old pynvml"
        ),
        pytest.param(
            SimpleNamespace(nvmlInit=print), "it has no nvmlShutdown", id="an nvidia-ml-py that is too old"
        ),
    ],
)
def test_another_package_of_that_name_is_refused_in_one_line(package, says):
    with pytest.raises(DeviceUnusable, match=says) as refused:
        nvml_calls.check_package(package)

    assert "\n" not in str(refused.value)
    assert "nvidia-ml-py" in str(refused.value)


def test_a_device_of_another_package_does_not_open(monkeypatch):
    monkeypatch.setattr(pynvml, "__path__", ["site-packages/pynvml"], raising=False)

    with pytest.raises(DeviceUnusable):
        NvmlDevice(lambda: 0.0).open()
