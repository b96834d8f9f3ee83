"""``doctor``: what this node can do, read-only: devices, limits, clocks, permissions, other writers, what is blocked."""

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from wattline.model.errors import GpuError
from wattline.model.gpu import GpuIdentity, GpuReading
from wattline_agent.boot import boot_id
from wattline_agent.device import Device, DeviceUnusable
from wattline_agent.doctor_report import Finding, GpuReport, Report
from wattline_agent.locks import gpu_path, holder
from wattline_agent.nvml import NvmlDevice
from wattline_agent.pauses import Pauses
from wattline_agent.pods import PodDevices
from wattline_agent.record import Unreadable, load
from wattline_agent.writers import found

CAP_SYS_ADMIN = 1 << 21
INITIAL_PID_NAMESPACE = "pid:[4026531836]"
"""PROC_PID_INIT_INO of the kernel (include/linux/proc_ns.h): the processes of the whole machine."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where the agent of this node has its things, and where the machine shows its own."""

    node: str
    state: Path
    runtime: Path
    root: Path = Path("/")


def run(
    place: Place,
    pods: tuple[PodDevices, ...] = (),
    *,
    device: Device | None = None,
    driver_root: str = "",
    as_json: bool = False,
    say: Callable[[str], None] = print,
) -> int:
    """Print the report; return its exit code (``Report.code``)."""
    report = examined(place, pods, NvmlDevice(lambda: 0.0, driver_root) if device is None else device)
    if as_json:
        say(json.dumps(report.json(), indent=1))
    else:
        for line in report.lines():
            say(line)
    return report.code


def examined(place: Place, pods: tuple[PodDevices, ...], device: Device) -> Report:
    """Return what there is to say of this node; while the driver is left alone, it is not opened here either."""
    writers = found(place.root, pods, own_pids=_own_pids())
    whole = place.root != Path("/") or _whole()
    base = Report(state=str(place.state), writers=writers, whole=whole, may_write=may_write())
    paused = Pauses(place.runtime, place.node).reason()
    if paused:
        return replace(base, why=f"the driver is left alone: {paused}")
    try:
        gpus = device.open()
        if not gpus:
            return replace(base, why="the driver shows none")
        record, unreadable = _record(place)
        return replace(
            base,
            record=record,
            record_blocks=unreadable,
            gpus=tuple(_gpu(device, each, place.runtime, privileged=base.may_write) for each in gpus),
        )
    except (GpuError, DeviceUnusable) as error:
        return replace(base, why=str(error))
    finally:
        device.close()


def may_write() -> bool:
    """Whether this process has the right that setters need: root has it, in a container only where it is given."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("CapEff:"):
            return bool(int(line.split()[1], 16) & CAP_SYS_ADMIN)
    return False


def _own_pids() -> tuple[int, ...]:
    return (os.getpid(), os.getppid())


def _whole() -> bool:
    try:
        return str(Path("/proc/self/ns/pid").readlink()) == INITIAL_PID_NAMESPACE
    except OSError:
        return False


def _record(place: Place) -> tuple[str, bool]:
    path = place.state / "agents" / place.node / "device.json"
    try:
        left = load(path, boot_id(), 1.0)
    except Unreadable as error:
        return f"StateFileUnreadable: {error}; the agent only reads until it is mended or removed", True
    names = ", ".join(sorted(left.gpus))
    return (f"changed by an agent in this boot: {names}" if names else ""), False


def _gpu(device: Device, identity: GpuIdentity, runtime: Path, *, privileged: bool) -> GpuReport:
    findings = list(_rights(identity, runtime, privileged=privileged))
    now: dict[str, Any] | None = None
    own: tuple[str, ...] = ()
    try:
        reading = device.read(identity.uuid)
    except GpuError as error:
        findings.insert(0, Finding(str(error)))
    else:
        findings += _settings(reading)
        now, own = _now(reading), tuple(_own(identity, reading))
    return GpuReport(
        identity.uuid,
        identity.product,
        identity.index,
        identity.min_watts,
        identity.max_watts,
        identity.default_watts,
        identity.clocks_mhz,
        now,
        tuple(findings),
        own,
    )


def _own(identity: GpuIdentity, reading: GpuReading) -> Iterator[str]:
    """Yield what the device does by itself, where it can; and its parts, which share its clock and its limit."""
    if identity.tunes:
        yield f"profile  LLM inference: {reading.tuned or 'cannot be read'}"
    if identity.ramps:
        ramp = reading.ramp
        state = "cannot be read" if ramp is None else "on" if ramp.on else "off"
        yield f"ramp     power smoothing: {state}"
    if reading.parts:
        yield f"parts    {', '.join(reading.parts)}: limit and clock are the whole GPU's"


def _now(reading: GpuReading) -> dict[str, Any]:
    margin = "margin unknown" if reading.margin_celsius is None else f"{reading.margin_celsius:.0f} °C left"
    words = [word.lower() for word in reading.reasons.words()]
    return {
        "text": f"{reading.watts:.0f} W under {reading.limit_watts:.0f} W, {reading.clock_mhz} MHz "
        f"({', '.join(words) or 'no event'}), {reading.celsius:.0f} °C, {margin}",
        "watts": reading.watts,
        "limit_watts": reading.limit_watts,
        "asked_watts": reading.asked_watts,
        "clock_mhz": reading.clock_mhz,
        "celsius": reading.celsius,
        "margin_celsius": reading.margin_celsius,
        "event_reasons": words,
        "persistence": reading.persistence,
    }


def _rights(identity: GpuIdentity, runtime: Path, *, privileged: bool) -> Iterator[Finding]:
    if not privileged:
        yield Finding("Permissions: CAP_SYS_ADMIN is missing")
    if not identity.clocks_mhz:
        yield Finding("NotSupported: the driver lists no clocks")
    path = gpu_path(runtime, identity.uuid)
    try:
        taken = holder(path)
    except OSError as error:
        yield Finding(f"Locks: {path}: {error.strerror}")
    else:
        if taken:
            yield Finding(f"Taken: a node agent (process {taken}) holds it: {path}")


def _settings(reading: GpuReading) -> Iterator[Finding]:
    if not reading.persistence:
        yield Finding(
            "Persistence: off; the agent switches it on while it enforces, and off again", blocks=False
        )
    if reading.asked_watts is not None and reading.limit_watts < reading.asked_watts:
        yield Finding(
            f"OutOfBand: {reading.asked_watts:.0f} W asked for, {reading.limit_watts:.0f} W enforced by others "
            "(a BMC, the module's limit); the lower one counts",
            blocks=False,
        )
