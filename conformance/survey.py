"""``python -m conformance.survey``: what a machine's NVML answers, getter by getter, to hold the fake library against.

Read-only: no setter is named here. On a machine with an NVIDIA GPU it prints what the driver says as JSON, with where
and when that was; ``--compare`` then says what the fake library answers otherwise for the same product. A capture
saved in ``conformance/captures`` is compared by the tests from then on.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pynvml

from wattline.doors.clock import utc
from wattline.fake.nvml import LIBRARY_NAME, MAPPING_VARIABLE, Card, Mapping, build
from wattline.world.gpu import PRODUCTS

CAPTURES = Path(__file__).with_name("captures")

Ask = Callable[[Any], Any]


def _threshold(kind: int, gpu: Any) -> int:
    celsius: int = pynvml.nvmlDeviceGetTemperatureThreshold(gpu, kind)
    return celsius


def _field(field: int, gpu: Any) -> int | float:
    """Return one field's value, by the type that the driver says it has."""
    (found,) = pynvml.nvmlDeviceGetFieldValues(gpu, [field])
    if found.nvmlReturn != pynvml.NVML_SUCCESS:
        raise pynvml.NVMLError(found.nvmlReturn)
    kinds = {0: "dVal", 1: "uiVal", 2: "ulVal", 3: "ullVal", 4: "sllVal", 5: "siVal", 6: "usVal"}
    value: int | float = getattr(found.value, kinds[found.valueType])
    return value


STANDING: dict[str, Ask] = {
    "name": pynvml.nvmlDeviceGetName,
    "limit constraints": pynvml.nvmlDeviceGetPowerManagementLimitConstraints,
    "default limit": pynvml.nvmlDeviceGetPowerManagementDefaultLimit,
    "memory clocks": pynvml.nvmlDeviceGetSupportedMemoryClocks,
    "graphics clocks": lambda gpu: pynvml.nvmlDeviceGetSupportedGraphicsClocks(
        gpu, max(pynvml.nvmlDeviceGetSupportedMemoryClocks(gpu))
    ),
    "most SM clock": lambda gpu: pynvml.nvmlDeviceGetMaxClockInfo(gpu, pynvml.NVML_CLOCK_SM),
    **{f"threshold {kind}": partial(_threshold, kind) for kind in range(4)},
    **{f"field {field}": partial(_field, field) for field in (187, 188, 189, 193, 194, 195, 196)},
}
"""What does not change while a machine is up: the fake library is to answer the same."""

MOVING: dict[str, Ask] = {
    "power": pynvml.nvmlDeviceGetPowerUsage,
    "energy": pynvml.nvmlDeviceGetTotalEnergyConsumption,
    "limit": pynvml.nvmlDeviceGetPowerManagementLimit,
    "enforced limit": pynvml.nvmlDeviceGetEnforcedPowerLimit,
    "SM clock": lambda gpu: pynvml.nvmlDeviceGetClockInfo(gpu, pynvml.NVML_CLOCK_SM),
    "temperature": lambda gpu: pynvml.nvmlDeviceGetTemperature(gpu, pynvml.NVML_TEMPERATURE_GPU),
    "margin": pynvml.nvmlDeviceGetMarginTemperature,
    "event reasons": pynvml.nvmlDeviceGetCurrentClocksEventReasons,
    "persistence": pynvml.nvmlDeviceGetPersistenceMode,
    "MIG mode": pynvml.nvmlDeviceGetMigMode,
    **{
        f"field {field}": partial(_field, field)
        for field in (74, 76, 82, 83, 185, 186, 190, 192, 269, 270, 271)
    },
}
"""What does change: only whether it is answered is compared."""


def survey() -> dict[str, Any]:
    """Return what this machine's NVML answers; raise pynvml's errors where it cannot be asked at all."""
    pynvml.nvmlInit()
    try:
        return {
            "taken": utc(),
            "driver": pynvml.nvmlSystemGetDriverVersion(),
            "nvml": pynvml.nvmlSystemGetNVMLVersion(),
            "nvidia-ml-py": version("nvidia-ml-py"),
            "kernel": platform.release(),
            "gpus": [
                _gpu(pynvml.nvmlDeviceGetHandleByIndex(index)) for index in range(pynvml.nvmlDeviceGetCount())
            ],
        }
    finally:
        pynvml.nvmlShutdown()


def differences(real: dict[str, Any], fake: dict[str, Any]) -> list[str]:
    """Return where the first GPU of two machines answers otherwise, a sentence each."""
    one, other = real["gpus"][0], fake["gpus"][0]
    found = [
        f"{name}: the device answers {one['standing'][name]}, the fake library {other['standing'].get(name)}"
        for name in one["standing"]
        if one["standing"][name] != other["standing"].get(name)
    ]
    for name, answer in one["moving"].items():
        codes = answer.get("error"), other["moving"].get(name, {}).get("error")
        if codes[0] != codes[1]:
            found.append(f"{name}: the device's code is {codes[0] or 0}, the fake library's {codes[1] or 0}")
    return found


def of_fake(product: str) -> dict[str, Any]:
    """Return what the fake library answers for a product, asked by a process of its own."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        library = build(folder / "lib", os.environ.get("CC", "cc"))
        Mapping.create(folder / "node.gpus", [Card.of(PRODUCTS[product], "GPU-0")])
        environment = os.environ | {
            "LD_LIBRARY_PATH": str(library.parent),
            MAPPING_VARIABLE: str(folder / "node.gpus"),
        }
        command = [sys.executable, "-m", "conformance.survey"]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def product_of(captured: dict[str, Any]) -> str | None:
    """Return our name of the product of a capture's first GPU; none where the fake library has no such product."""
    name = captured["gpus"][0]["standing"]["name"].get("value")
    return next((key for key, product in PRODUCTS.items() if product.device_name == name), None)


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says; 0 if nothing differs."""
    parser = argparse.ArgumentParser(prog="python -m conformance.survey", description=__doc__)
    parser.add_argument(
        "--compare", type=Path, metavar="FILE", help="a capture to hold the fake library against"
    )
    asked = parser.parse_args(arguments)
    if asked.compare is None:
        try:
            print(json.dumps(survey(), indent=1))
        except pynvml.NVMLError as error:
            print(f"no GPU can be asked here ({LIBRARY_NAME}: {error})", file=sys.stderr)
            return 2
        return 0
    captured = json.loads(asked.compare.read_text())
    product = product_of(captured)
    if product is None:
        print(f"{asked.compare}: the fake library has no such product", file=sys.stderr)
        return 2
    found = differences(captured, of_fake(product))
    print("\n".join(found) or f"the fake {product} answers as this {captured['driver']} did")
    return 1 if found else 0


def _gpu(gpu: Any) -> dict[str, Any]:
    return {
        "standing": {name: _answer(ask, gpu) for name, ask in STANDING.items()},
        "moving": {name: _answer(ask, gpu) for name, ask in MOVING.items()},
    }


def _answer(ask: Ask, gpu: Any) -> dict[str, Any]:
    try:
        return {"value": ask(gpu)}
    except pynvml.NVMLError as error:
        return {"error": int(error.value)}


if __name__ == "__main__":
    sys.exit(main())
