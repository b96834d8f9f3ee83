"""The device's own record, which promises are checked against."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from wattline.fake.nvml.layout import PENDING, Call, Entry

POWER_CALLS = frozenset({Call.SET_POWER_LIMIT, Call.POWER_ON, Call.DRIVER_RELOAD})


@dataclass(frozen=True, slots=True)
class Record:
    """One call as the driver saw it."""

    sequence: int
    """Counts from 1 in its ring; setters have a ring of their own."""
    boot_seconds: float
    """CLOCK_BOOTTIME; times the speed it is world time."""
    pid: int
    gpu: int | None
    call: Call
    code: int | None
    """NVML's; none where the caller is still inside, or died there and nobody has come since."""
    old: int
    new: int
    """Milliwatts, lowest MHz << 32 | highest MHz, or a mode; for getters the answer."""

    @classmethod
    def of(cls, entry: Entry) -> "Record":
        """Read one entry."""
        return cls(
            sequence=entry.sequence,
            boot_seconds=entry.boot_ns / 1e9,
            pid=entry.pid,
            gpu=None if entry.gpu < 0 else entry.gpu,
            call=Call(entry.call),
            code=None if entry.code == PENDING else entry.code,
            old=entry.old,
            new=entry.new,
        )


def limits(records: Iterable[Record]) -> Iterator[tuple[float, dict[int, float]]]:
    """Yield the watts in force on every GPU, each time they change: boot time, and watts by GPU.

    A change counts from its record on, also where its writer died before it was settled: upwards the device may
    already follow it.
    """
    asked: dict[int, float] = {}
    outside: dict[int, float] = {}
    for record in records:
        if record.gpu is None or record.code not in (0, None):
            continue
        if record.call in POWER_CALLS:
            new = record.new / 1000
            asked[record.gpu] = new if record.code == 0 else max(new, asked.get(record.gpu, new))
        elif record.call is Call.OUT_OF_BAND_LIMIT:
            outside[record.gpu] = record.new / 1000 or float("inf")
        else:
            continue
        yield (
            record.boot_seconds,
            {gpu: min(watts, outside.get(gpu, float("inf"))) for gpu, watts in asked.items()},
        )
