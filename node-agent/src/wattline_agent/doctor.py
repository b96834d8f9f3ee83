"""``doctor``: what this node can do, read-only: devices, limits, clocks, permissions, what is blocked and why."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from wattline.model.errors import GpuError
from wattline.model.gpu import GpuIdentity, GpuReading
from wattline_agent.device import Device
from wattline_agent.locks import Taken, gpu_path, take
from wattline_agent.nvml import NvmlDevice

CAP_SYS_ADMIN = 1 << 21


def run(
    state: Path, runtime: Path, *, device: Device | None = None, say: Callable[[str], None] = print
) -> int:
    """Print the report; 1 with one clear line if there is nothing to hold."""
    device = NvmlDevice(lambda: 0.0) if device is None else device
    try:
        gpus = device.open()
    except GpuError as error:
        say(f"no GPU can be held here: {error}")
        return 1
    try:
        if not gpus:
            say("no GPU can be held here: the driver shows none")
            return 1
        privileged = may_write()
        say(f"{len(gpus)} GPU{'s' if len(gpus) != 1 else ''}, state in {state}")
        for identity in gpus:
            for line in lines(device, identity, runtime, privileged=privileged):
                say(line)
        say(
            "can enforce"
            if privileged
            else "can only observe: setting clocks and limits needs root or CAP_SYS_ADMIN"
        )
    finally:
        device.close()
    return 0


def lines(device: Device, identity: GpuIdentity, runtime: Path, *, privileged: bool) -> Iterator[str]:
    """Yield what there is to say of one GPU."""
    yield f"{identity.uuid}  {identity.product}"
    yield (
        f"  limit    {identity.min_watts:.0f} to {identity.max_watts:.0f} W, default {identity.default_watts:.0f} W"
    )
    clocks = identity.clocks_mhz
    yield (
        f"  clock    {clocks[0]} to {clocks[-1]} MHz, {len(clocks)} steps"
        if clocks
        else "  clock    blocked: NotSupported: the driver lists no clocks"
    )
    try:
        reading = device.read(identity.uuid)
    except GpuError as error:
        yield f"  reading  {error}"
        return
    yield f"  now      {_now(reading)}"
    for blocked in _blocked(reading, identity, runtime, privileged=privileged):
        yield f"  blocked  {blocked}"


def may_write() -> bool:
    """Whether this process has the rights that setters need in practice: root or CAP_SYS_ADMIN."""
    if os.geteuid() == 0:
        return True
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("CapEff:"):
            return bool(int(line.split()[1], 16) & CAP_SYS_ADMIN)
    return False


def _now(reading: GpuReading) -> str:
    margin = "margin unknown" if reading.margin_celsius is None else f"{reading.margin_celsius:.0f} °C left"
    why = ", ".join(word.lower() for word in reading.reasons.words()) or "no event"
    return (
        f"{reading.watts:.0f} W under {reading.limit_watts:.0f} W, {reading.clock_mhz} MHz ({why}), "
        f"{reading.celsius:.0f} °C, {margin}"
    )


def _blocked(reading: GpuReading, identity: GpuIdentity, runtime: Path, *, privileged: bool) -> Iterator[str]:
    if not privileged:
        yield "Permissions: neither root nor CAP_SYS_ADMIN"
    if not reading.persistence:
        yield "Persistence: off; the agent switches it on while it enforces, and off again"
    if reading.asked_watts is not None and reading.limit_watts < reading.asked_watts:
        yield f"OutOfBand: {reading.asked_watts:.0f} W asked for, {reading.limit_watts:.0f} W enforced by others"
    path = gpu_path(runtime, identity.uuid)
    if path.exists():
        try:
            os.close(take(path, f"GPU {identity.uuid}"))
        except Taken as error:
            yield f"Taken: {error}"
        except OSError as error:
            yield f"Locks: {path}: {error.strerror}"
