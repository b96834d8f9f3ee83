"""The file that a node's fake GPUs live in, as the world and tests see it; the shim sees it through layout.h."""

import ctypes
import mmap
import os
import struct
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from functools import reduce
from math import floor
from operator import xor
from pathlib import Path
from typing import Any

from wattline.fake.nvml import layout, mutex
from wattline.fake.nvml.card import Card, DriverSettings, Sensors
from wattline.fake.nvml.journal import Record
from wattline.fake.nvml.layout import Call, Entry, Node, Physics

DRIVER_VERSION = "580.173.02"
NVML_VERSION = "13.580.173.02"
_PHYSICS_WORDS = struct.Struct(f"{ctypes.sizeof(Physics) // 8}Q")
_UNKNOWN_ERROR = 999
FASTEST_RAMP_MW = 3_000_000_000
"""Ramp of a preset that nobody has set, in mW/s [assumption]: no ramp that a board could draw."""


class MappingError(Exception):
    """The file is not one of ours."""


def boot_ns() -> int:
    """Return the journal's time."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


class Mapping:
    """One node's GPUs, shared with every process that has the file mapped."""

    def __init__(self, path: Path, node: Node) -> None:
        self.path = path
        self.node: Any = node
        """The bytes themselves, for the modules of this package."""
        self._lock = ctypes.addressof(node) + Node.lock.offset

    @classmethod
    def create(cls, path: Path, cards: Sequence[Card], *, now_ns: Callable[[], int] = boot_ns) -> "Mapping":
        """Switch a machine on: a new file in the place of ``path``; users of an older one find their driver gone."""
        if not 0 < len(cards) <= layout.GPUS_MAX:
            raise MappingError(f"{path}: 1 to {layout.GPUS_MAX} GPUs, not {len(cards)}")
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(path.name + ".part")
        _reserve(part)
        mapping = cls(path, _map(part))
        node = mapping.node
        node.magic, node.version, node.size = layout.MAGIC, layout.VERSION, ctypes.sizeof(Node)
        node.driver_version, node.nvml_version = DRIVER_VERSION.encode(), NVML_VERSION.encode()
        mutex.make(mapping._lock)
        node.gpu_count = len(cards)
        for index, card in enumerate(cards):
            _identify(node.gpus[index].identity, index, card)
            node.gpus[index].settings.limit_mw = round(card.default_watts * 1000)
            node.gpus[index].settings.persistence = 1
            fresh_presets(node.gpus[index].settings)
            margin = card.reference_celsius - 30.0 if card.has_margin else None
            mapping.publish(index, Sensors(clock_mhz=card.clocks_mhz[0], margin_celsius=margin))
            mapping.record(Call.POWER_ON, index, old=0, new=round(card.default_watts * 1000), at_ns=now_ns())
        node.loaded = 1
        if path.exists():
            _retire(path)
        part.replace(path)
        return mapping

    @classmethod
    def open(cls, path: Path) -> "Mapping":
        """See the machine that somebody else has switched on."""
        node = _map(path)
        if (node.magic, node.version, node.size) != (layout.MAGIC, layout.VERSION, ctypes.sizeof(Node)):
            raise MappingError(f"{path}: not a file of fake GPUs of this version")
        return cls(path, node)

    @property
    def uuids(self) -> tuple[str, ...]:
        """The GPUs by index."""
        return tuple(gpu.identity.uuid.decode() for gpu in self._gpus())

    @property
    def changes(self) -> int:
        """A number that is another one after any setting may have changed."""
        return int(self.node.changes)

    def settings(self, index: int) -> DriverSettings:
        """Return what the driver holds of one GPU."""
        gpu = self.node.gpus[index]
        lock, limit_mw, outside_mw = gpu.settings.lock, gpu.settings.limit_mw, gpu.out_of_band_mw
        return DriverSettings(
            asked_watts=limit_mw / 1000,
            limit_watts=min(limit_mw, outside_mw or limit_mw) / 1000,
            locked_mhz=(lock >> 32, lock & 0xFFFFFFFF) if lock else None,
            persistence=bool(gpu.settings.persistence),
            profiles=_numbers(gpu.settings.profiles),
            smoothing=bool(gpu.settings.smoothing),
            preset=gpu.settings.preset,
            up_watts_per_second=(gpu.settings.presets[gpu.settings.preset] & 0xFFFFFFFF) / 1000,
            floor_percent=(gpu.settings.presets[gpu.settings.preset] >> 32 & 0xFFFF) / 100,
        )

    def publish(self, index: int, sensors: Sensors) -> None:
        """Say what one GPU is doing now; only the world process calls this. Readers see it whole or not yet."""
        gpu = self.node.gpus[index]
        number = gpu.published + 1
        fresh = Physics(
            energy_mj=round(sensors.energy_joules * 1000),
            reasons=int(sensors.reasons),
            power_cap_ns=round(sensors.power_cap_seconds * 1e9),
            sw_thermal_ns=round(sensors.sw_thermal_seconds * 1e9),
            hw_thermal_ns=round(sensors.hw_thermal_seconds * 1e9),
            power_brake_ns=round(sensors.power_brake_seconds * 1e9),
            watts_mw=round(sensors.watts * 1000),
            instant_mw=round(sensors.instant_watts * 1000),
            clock_mhz=sensors.clock_mhz,
            busy_percent=round(sensors.busy_ratio * 100),
            celsius=round(sensors.celsius),
            memory_celsius=_or_missing(sensors.memory_celsius),
            margin_celsius=_or_missing(sensors.margin_celsius),
        )
        fresh.check = reduce(xor, _PHYSICS_WORDS.unpack(bytes(fresh)), number)
        gpu.physics[number % 2] = fresh
        gpu.published = number

    def journal(self, since: int = 0) -> list[Record]:
        """Return every setter call and driver event after number ``since`` that the ring still holds, in order."""
        return list(_ring(self.node.setters, self.node.setter_head, since))

    def calls(self, since: int = 0) -> list[Record]:
        """Return the latest calls that only read."""
        return list(_ring(self.node.calls, self.node.call_head, since))

    def locked(self) -> AbstractContextManager[None]:
        """Hold the driver's lock, as a setter does."""
        return mutex.held(self._lock, settle=self._settle)

    def record(self, call: Call, index: int, *, old: int, new: int, at_ns: int) -> None:
        """Write a driver event into the record; the lock is held, or nobody else has the file yet."""
        head = self.node.setter_head
        entry = self.node.setters[head % layout.SETTER_RING]
        entry.boot_ns, entry.pid, entry.gpu, entry.call = at_ns, os.getpid(), index, call
        entry.old, entry.new, entry.code = old, new, 0
        entry.sequence = head + 1
        self.node.setter_head = head + 1
        self.node.changes += 1

    def _gpus(self) -> Iterator[Any]:
        return (self.node.gpus[index] for index in range(self.node.gpu_count))

    def _settle(self) -> None:
        """Finish the record of a setter that died inside: what the setting shows is what happened."""
        head = self.node.setter_head
        last = self.node.setters[(head - 1) % layout.SETTER_RING]
        if head == 0 or last.code != layout.PENDING:
            return
        settings = self.node.gpus[last.gpu].settings
        match last.call:
            case Call.SET_POWER_LIMIT:
                shown = settings.limit_mw
            case Call.SET_PERSISTENCE:
                shown = settings.persistence
            case Call.SET_PROFILES:
                shown = settings.profiles
            case Call.SET_PRESET:
                shown = settings.presets[(last.new >> 60) % layout.PRESETS]
            case Call.ACTIVATE_PRESET:
                shown = settings.preset
            case Call.SET_SMOOTHING:
                shown = settings.smoothing
            case _:
                shown = settings.lock
        last.code = 0 if shown == last.new else _UNKNOWN_ERROR
        self.node.changes += 1


def _reserve(path: Path) -> None:
    """Make a file of zeros that has its blocks: a full disk is an error here, not a dead process at some later store."""
    with path.open("wb") as file:
        try:
            os.posix_fallocate(file.fileno(), 0, ctypes.sizeof(Node))
        except OSError as error:
            path.unlink()
            raise MappingError(
                f"{path}: no room for {ctypes.sizeof(Node)} bytes of fake GPUs: {error.strerror}"
            ) from error


def _map(path: Path) -> Node:
    with path.open("r+b") as file:
        size = os.fstat(file.fileno()).st_size
        if size != ctypes.sizeof(Node):
            raise MappingError(f"{path}: {size} bytes, not a file of fake GPUs")
        return Node.from_buffer(mmap.mmap(file.fileno(), size))


def _retire(path: Path) -> None:
    try:
        old: Any = _map(path)
    except MappingError:
        return
    old.loaded = 0


def _identify(identity: Any, index: int, card: Card) -> None:
    if not 0 < len(card.clocks_mhz) <= layout.CLOCKS_MAX:
        raise MappingError(f"{card.uuid}: 1 to {layout.CLOCKS_MAX} clocks, not {len(card.clocks_mhz)}")
    identity.uuid, identity.name, identity.product = (
        card.uuid.encode(),
        card.name.encode(),
        card.product.encode(),
    )
    identity.serial = f"{1650000000000 + index}".encode()
    identity.min_mw, identity.max_mw = round(card.min_watts * 1000), round(card.max_watts * 1000)
    identity.default_mw = round(card.default_watts * 1000)
    identity.memory_mhz, identity.lock_clamp_mhz = card.memory_mhz, card.lock_clamp_mhz or 0
    identity.base_mhz = card.clocks_mhz[len(card.clocks_mhz) // 2]  # what locks by name mean [assumption]
    identity.reference_celsius = card.reference_celsius
    identity.slowdown_offset, identity.shutdown_offset = (
        card.slowdown_offset_celsius,
        card.shutdown_offset_celsius,
    )
    identity.smooths = int(card.smooths)
    identity.profiles = sum(1 << number for number in card.profiles)
    identity.pci_bus = 0x18 + index
    identity.clock_count = len(card.clocks_mhz)
    for place, mhz in enumerate(card.clocks_mhz):
        identity.clocks_mhz[place] = mhz


def fresh_presets(settings: Any) -> None:
    """Put the presets of power smoothing to what they are after a load of the driver [assumption: no ramp, no floor]."""
    for number in range(layout.PRESETS):
        settings.presets[number] = number << 60 | FASTEST_RAMP_MW
    settings.preset = settings.smoothing = 0


def _numbers(bits: int) -> frozenset[int]:
    return frozenset(number for number in range(bits.bit_length()) if bits >> number & 1)


def _or_missing(celsius: float | None) -> int:
    return layout.NOT_AVAILABLE if celsius is None else floor(celsius)


def _ring(ring: Sequence[Entry], head: int, since: int) -> Iterator[Record]:
    for place in range(max(since, head - len(ring)), head):
        entry = Entry.from_buffer_copy(ring[place % len(ring)])
        if entry.sequence == place + 1:  # else it is being written, or written over
            yield Record.of(entry)
