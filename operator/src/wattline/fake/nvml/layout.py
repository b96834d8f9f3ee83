"""The bytes that a node's fake GPUs share: the one definition, from which ``layout.h`` is written.

Who owns what in the file: *identity* stands from creation on; *settings* belong to the driver, that is, to whoever
holds the node's lock (the shim in any process, or a driver event made on command); *physics* belongs to the world
process alone; *faults* belong to tests. The record of setter calls is written under the lock and before the setting
itself, so that a writer killed at any point leaves a record that the next holder of the lock can settle.

``python -m wattline.fake.nvml header`` writes the header; ``make check`` and a test hold that it is up to date.
"""

import ctypes
from ctypes import Array, Structure, c_char, c_int32, c_int64, c_uint32, c_uint64
from enum import IntEnum
from typing import Any

MAGIC = 0x55504757  # "WGPU"
VERSION = 3
GPUS_MAX = 64
CLOCKS_MAX = 256
PARTS_MAX = 7
PRESETS = 5
SETTER_RING = 1 << 16
CALL_RING = 1 << 14
FIELD_WORDS = 5  # one bit for each of NVML's field ids, 308 of them
NOT_AVAILABLE = -(2**31)
PENDING = 0xFFFFFFFF
FOR_EVER = 0xFFFFFFFF
NO_GPU = -1


class Call(IntEnum):
    """Every call that faults can hit and the journal names; ``POWER_ON`` and the two after it happen to a driver."""

    INIT = 0
    SHUTDOWN = 1
    DRIVER_VERSION = 2
    NVML_VERSION = 3
    COUNT = 4
    HANDLE_BY_INDEX = 5
    HANDLE_BY_UUID = 6
    NAME = 7
    UUID = 8
    SERIAL = 9
    INDEX = 10
    MINOR_NUMBER = 11
    PCI_INFO = 12
    POWER_USAGE = 13
    TOTAL_ENERGY = 14
    POWER_LIMIT = 15
    POWER_LIMIT_CONSTRAINTS = 16
    POWER_LIMIT_DEFAULT = 17
    POWER_LIMIT_ENFORCED = 18
    POWER_MANAGEMENT_MODE = 19
    CLOCK = 20
    MAX_CLOCK = 21
    MEMORY_CLOCKS = 22
    GRAPHICS_CLOCKS = 23
    TEMPERATURE = 24
    TEMPERATURE_V = 25
    TEMPERATURE_THRESHOLD = 26
    MARGIN = 27
    FIELD_VALUES = 28
    EVENT_REASONS = 29
    SUPPORTED_EVENT_REASONS = 30
    PERSISTENCE = 31
    PERFORMANCE_STATE = 32
    UTILIZATION = 33
    MIG_MODE = 34
    VIRTUALIZATION_MODE = 35
    PROCESSES = 36
    SET_POWER_LIMIT = 37
    LOCK_CLOCKS = 38
    RESET_CLOCKS = 39
    SET_PERSISTENCE = 40
    POWER_ON = 41
    DRIVER_RELOAD = 42
    OUT_OF_BAND_LIMIT = 43
    SET_PROFILES = 44
    SET_PRESET = 45
    ACTIVATE_PRESET = 46
    SET_SMOOTHING = 47
    PROFILES_INFO = 48
    CURRENT_PROFILES = 49
    PARTS_MAX_COUNT = 50
    PART_BY_INDEX = 51
    WHOLE_OF_PART = 52
    IS_PART = 53


SETTERS = frozenset(call for call in Call if Call.SET_POWER_LIMIT <= call <= Call.SET_SMOOTHING)
"""Calls that stand in the record of setters; the journal of all others turns over much sooner."""


class Point(IntEnum):
    """Where in a call a fault strikes; getters know the first and the last only."""

    BEFORE = 0
    LOCKED = 1  # the lock is held, nothing is written
    RECORDED = 2  # the record is written, the setting is not
    WRITTEN = 3  # the setting is written, its record is not settled
    AFTER = 4  # all is done, the caller does not know


class RootOnly(IntEnum):
    """Who may call setters."""

    ANYBODY = 0
    ROOT = 1
    NOBODY = 2  # what a container without the capability sees, even as root


class Fault(Structure):
    """What happens at one call, once or several times."""

    _fields_ = (
        ("value", c_uint64),
        ("code", c_uint32),
        ("hang_ms", c_uint32),
        ("times", c_uint32),
        ("point", c_uint32),
        ("dies", c_uint32),
        ("lies", c_uint32),
        ("loses", c_uint32),  # the GPU falls off the bus at this call
        ("victim", c_uint32),  # the process that dies; 0: the caller
    )


class Identity(Structure):
    """What does not change while the machine is up."""

    _fields_ = (
        ("uuid", c_char * 96),
        ("name", c_char * 96),
        ("serial", c_char * 32),
        ("product", c_char * 32),
        ("min_mw", c_uint32),
        ("max_mw", c_uint32),
        ("default_mw", c_uint32),
        ("base_mhz", c_uint32),
        ("memory_mhz", c_uint32),
        ("lock_clamp_mhz", c_uint32),
        ("reference_celsius", c_int32),
        ("shutdown_offset", c_int32),
        ("slowdown_offset", c_int32),
        ("gpu_max_offset", c_int32),
        ("memory_max_offset", c_int32),
        ("pci_bus", c_uint32),
        ("clock_count", c_uint32),
        ("clocks_mhz", c_uint32 * CLOCKS_MAX),
        ("smooths", c_uint32),  # whether it has power smoothing
        ("profiles", c_uint64),  # workload power profiles it offers, one bit each
    )


class Settings(Structure):
    """What setters change; each is one aligned word, so that no reader and no killed writer sees half of it."""

    _fields_ = (
        ("lock", c_uint64),  # lowest MHz << 32 | highest MHz; 0: not locked
        ("limit_mw", c_uint32),
        ("persistence", c_uint32),
        ("profiles", c_uint64),  # workload power profiles that are asked for, one bit each
        (
            "presets",
            c_uint64 * PRESETS,
        ),  # number << 60 | floor in hundredths of a percent << 32 | mW/s upwards
        ("preset", c_uint32),  # the active one
        ("smoothing", c_uint32),
    )


class Part(Structure):
    """A part of a GPU (MIG): nothing but a name, for clock and power are the whole's."""

    _fields_ = (("uuid", c_char * 96),)


class Physics(Structure):
    """What the world publishes; ``check`` is the exclusive or of all words before it and of the publication's number."""

    _fields_ = (
        ("energy_mj", c_uint64),
        ("reasons", c_uint64),
        ("power_cap_ns", c_uint64),
        ("sync_boost_ns", c_uint64),
        ("sw_thermal_ns", c_uint64),
        ("hw_thermal_ns", c_uint64),
        ("power_brake_ns", c_uint64),
        ("watts_mw", c_uint32),
        ("instant_mw", c_uint32),
        ("clock_mhz", c_uint32),
        ("busy_percent", c_uint32),
        ("celsius", c_int32),
        ("memory_celsius", c_int32),
        ("margin_celsius", c_int32),
        ("padding", c_uint32),
        ("check", c_uint64),
    )


class Entry(Structure):
    """One entry of a ring; ``sequence`` counts the ring's entries from 1."""

    _fields_ = (
        ("sequence", c_uint64),
        ("boot_ns", c_int64),
        ("old", c_uint64),
        ("new", c_uint64),
        ("pid", c_uint32),
        ("gpu", c_int32),
        ("call", c_uint32),
        ("code", c_uint32),
    )


class Gpu(Structure):
    """One GPU: all that is known of it."""

    _fields_ = (
        ("identity", Identity),
        ("settings", Settings),
        ("published", c_uint64),  # publication n stands in physics[n % 2]
        ("physics", Physics * 2),
        ("energy_base_mj", c_uint64),
        ("epoch", c_uint32),  # handles made under another epoch are dead
        ("lost", c_uint32),
        ("out_of_band_mw", c_uint32),  # 0: none
        ("mig", c_uint32),
        ("part_count", c_uint32),
        ("padding", c_uint32),
        ("parts", Part * PARTS_MAX),
        ("missing_fields", c_uint64 * FIELD_WORDS),
        ("faults", Fault * len(Call)),
    )


class Node(Structure):
    """The whole file."""

    _fields_ = (
        ("magic", c_uint32),
        ("version", c_uint32),
        ("size", c_uint64),
        ("lock", c_uint64 * 16),  # a pthread_mutex_t, shared and robust
        ("gpu_count", c_uint32),
        ("loaded", c_uint32),
        ("root_only", c_uint32),
        ("setter_ms", c_uint32),  # how long a setter holds the lock at least, as slow drivers do
        ("setter_span_ms", c_uint32),  # and by how much it varies
        (
            "one_lock",
            c_uint32,
        ),  # whether calls that only read wait for the lock too, as one lock for all devices does
        ("driver_version", c_char * 80),
        ("nvml_version", c_char * 80),
        ("changes", c_uint64),  # counts changes of settings
        ("setter_head", c_uint64),
        ("call_head", c_uint64),
        ("faults", Fault * len(Call)),
        ("gpus", Gpu * GPUS_MAX),
        ("setters", Entry * SETTER_RING),
        ("calls", Entry * CALL_RING),
    )


_C_NAMES: dict[Any, str] = {
    c_char: "char",
    c_uint32: "uint32_t",
    c_int32: "int32_t",
    c_uint64: "uint64_t",
    c_int64: "int64_t",
}
_STRUCTURES = (Fault, Identity, Settings, Part, Physics, Entry, Gpu, Node)
_NUMBERS = {
    "MAGIC": MAGIC,
    "VERSION": VERSION,
    "GPUS_MAX": GPUS_MAX,
    "SETTER_RING": SETTER_RING,
    "CALL_RING": CALL_RING,
    "FIELD_WORDS": FIELD_WORDS,
    "PARTS_MAX": PARTS_MAX,
    "PRESETS": PRESETS,
    "NO_GPU": NO_GPU,
    "PENDING": PENDING,
    "FOR_EVER": FOR_EVER,
}


def header() -> str:
    """Return the text of ``layout.h``."""
    lines = [
        "/* Written by `python -m wattline.fake.nvml header`; layout.py says what it means. */",
        "#ifndef WATTLINE_LAYOUT_H",
        "#define WATTLINE_LAYOUT_H",
        "",
        "#include <stddef.h>",
        "#include <stdint.h>",
        "",
        *(f"#define {name} {f'({value})' if value < 0 else f'{value}u'}" for name, value in _NUMBERS.items()),
        "#define NOT_AVAILABLE INT32_MIN",
    ]
    for kind in (Call, Point, RootOnly):
        prefix = {Call: "CALL", Point: "AT", RootOnly: "SETTERS_FOR"}[kind]
        lines += ["", "enum {", *(f"    {prefix}_{member.name} = {member.value}," for member in kind), "};"]
    for structure in _STRUCTURES:
        lines += ["", *_structure(structure)]
    return "\n".join([*lines, "", "#endif", ""])


def _structure(structure: type[Structure]) -> list[str]:
    name = structure.__name__.lower()
    return [
        f"struct {name} {{",
        *(f"    {_field(field[0], field[1])};" for field in structure._fields_),
        "};",
        f'_Static_assert(sizeof(struct {name}) == {ctypes.sizeof(structure)}, "{name}");',
        *(
            f'_Static_assert(offsetof(struct {name}, {field[0]}) == {getattr(structure, field[0]).offset}, "{field[0]}");'
            for field in structure._fields_
        ),
    ]


def _field(name: str, kind: Any) -> str:
    if issubclass(kind, Array):
        return f"{_field(name, kind._type_)}[{kind._length_}]"
    return f"{_C_NAMES.get(kind) or f'struct {kind.__name__.lower()}'} {name}"
