"""Fake NVIDIA GPUs: our own ``libnvidia-ml.so.1`` over a file that the world, the driver and tests share."""

from wattline.fake.nvml.bank import GpuBank
from wattline.fake.nvml.card import Card, DriverSettings, Sensors
from wattline.fake.nvml.faults import Faults
from wattline.fake.nvml.journal import Record, limits
from wattline.fake.nvml.layout import Call, Point, RootOnly
from wattline.fake.nvml.library import LIBRARY_NAME, MAPPING_VARIABLE, BuildError, build
from wattline.fake.nvml.mapping import Mapping, MappingError
from wattline.fake.nvml.twin import Twin

__all__ = [
    "LIBRARY_NAME",
    "MAPPING_VARIABLE",
    "BuildError",
    "Call",
    "Card",
    "DriverSettings",
    "Faults",
    "GpuBank",
    "Mapping",
    "MappingError",
    "Point",
    "Record",
    "RootOnly",
    "Sensors",
    "Twin",
    "build",
    "limits",
]
