"""What the agent changed on its devices and what was there before, in one file that is on disk before the change.

The file belongs to one boot: settings of a device do not outlive it, so after a reboot nothing is ours to put back.
A file that cannot be understood is never overwritten; the agent then only reads.
"""

import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from math import isfinite
from pathlib import Path
from typing import Any

from wattline.model.gpu import Ramp
from wattline_agent.emergency import Emergencies
from wattline_agent.emergency import parse as parse_emergencies
from wattline_agent.lease import Fence, Lease

SCHEMA = 1


@dataclass(frozen=True, slots=True)
class Previous:
    """One GPU as it was before our first write."""

    limit_watts: float
    persistence: bool
    clock_touched: bool = False
    """Whether we ever locked its clock; NVML has no getter for a lock, so only a lock of ours is taken off."""
    tuned_touched: bool = False
    """Whether we asked it to tune itself to inference, which nobody had."""
    ramp: Ramp | None = None
    """How it smoothed its power before we changed that; none while we did not."""


@dataclass(frozen=True, slots=True)
class Record:
    """Everything that must survive this process."""

    boot_id: str
    speed: float
    gpus: dict[str, Previous] = field(default_factory=dict)
    lease: Lease = field(default_factory=Lease)
    fence: Fence = field(default_factory=Fence)
    emergencies: Emergencies = field(default_factory=Emergencies)


class Unreadable(Exception):  # noqa: N818 - a state of the file
    """The record cannot be understood; nothing may be written, to the file or to a device."""


def load(path: Path, boot_id: str, speed: float) -> Record:
    """Return the record of this boot, an empty one if there is none; raise ``Unreadable`` if it makes no sense."""
    try:
        raw = json.loads(path.read_text())
    except FileNotFoundError:
        return Record(boot_id, speed)
    except (OSError, ValueError, RecursionError) as error:
        raise Unreadable(f"{path}: {error}") from error
    try:
        return _parse(raw, boot_id, speed)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise Unreadable(
            f"{path}: not a record of schema {SCHEMA} ({type(error).__name__}: {error})"
        ) from error


def _parse(raw: Any, boot_id: str, speed: float) -> Record:
    if raw["schema"] != SCHEMA:
        raise ValueError(f"schema {raw['schema']}")
    fence = Fence(str(raw["fence"]["uid"]), int(raw["fence"]["epoch"]), int(raw["fence"]["generation"]))
    same_boot = raw["boot_id"] == boot_id
    same_time = same_boot and raw["speed"] == speed  # world seconds of another speed are another time
    emergencies = (
        parse_emergencies(raw["emergencies"], same_time=same_time)
        if "emergencies" in raw
        else Emergencies()  # written by an agent that knew no levels
    )
    if not same_boot:
        return Record(boot_id, speed, fence=fence, emergencies=emergencies)
    gpus = {
        str(uuid): Previous(
            _finite(was["limit_watts"]),
            was["persistence"] is True,
            was["clock_touched"] is True,
            was.get("tuned_touched") is True,  # an agent before us did not know of it, nor of ramps
            _ramp(was.get("ramp")),
        )
        for uuid, was in raw["gpus"].items()
    }
    deadline = raw["lease"]["deadline_seconds"]
    lease = Lease(
        str(raw["lease"]["name"]), None, _finite(deadline) if same_time and deadline is not None else None
    )
    return Record(boot_id, speed, gpus, lease, fence, emergencies)


def _ramp(raw: Any) -> Ramp | None:
    if raw is None:
        return None
    return Ramp(
        raw["on"] is True,
        int(raw["preset"]),
        _finite(raw["up_watts_per_second"]),
        _finite(raw["floor_percent"]),
    )


def _finite(raw: Any) -> float:
    value = float(raw)
    if not isfinite(value):
        raise ValueError(f"{raw!r} is no amount")
    return value


def write_synced(path: Path, text: str) -> None:
    """Replace a file so that a reader, or the next boot, sees the old text or the new one; raise OSError if not."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    with part.open("w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


class RecordFile:
    """The record and its file, always the same; a change that cannot be saved does not happen."""

    def __init__(
        self, path: Path, boot_id: str, speed: float, *, write: Callable[[Path, str], None] = write_synced
    ) -> None:
        self._path = path
        self._write = write
        self.errors = 0
        """How often the file could not be read or written."""
        self.unreadable: str = ""
        """Why nothing may be written; empty when all is well."""
        try:
            self.record = load(path, boot_id, speed)
        except Unreadable as error:
            self.record = Record(boot_id, speed)
            self.unreadable = str(error)
            self.errors = 1

    def remember(self, uuid: str, previous: Previous) -> None:
        """Have one GPU's previous values on disk; raise OSError if that is not possible."""
        self._change(replace(self.record, gpus=self.record.gpus | {uuid: previous}))

    def note_unlocked(self, uuid: str) -> None:
        """Note that no lock of ours is on a GPU; where that cannot be saved, its end is only asked for once more."""
        was = self.record.gpus.get(uuid)
        if was is not None and was.clock_touched:
            self._try(replace(self.record, gpus=self.record.gpus | {uuid: replace(was, clock_touched=False)}))

    def forget(self, uuid: str) -> None:
        """Drop one GPU's values once they are put back; a full disk only makes that happen again later."""
        self._try(
            replace(self.record, gpus={key: was for key, was in self.record.gpus.items() if key != uuid})
        )

    def follow(self, lease: Lease, fence: Fence) -> None:
        """Keep lease and fence; on a full disk they hold for this process only."""
        if (lease, fence) != (self.record.lease, self.record.fence):
            self._try(replace(self.record, lease=lease, fence=fence))

    def keep(self, emergencies: Emergencies) -> None:
        """Keep the levels that are armed and that have begun; on a full disk they hold for this process only."""
        if emergencies != self.record.emergencies:
            self._try(replace(self.record, emergencies=emergencies))

    def _try(self, record: Record) -> None:
        try:
            self._change(record)
        except OSError:
            self.record = record

    def _change(self, record: Record) -> None:
        if self.unreadable:
            raise OSError(self.unreadable)
        try:
            self._write(self._path, json.dumps({"schema": SCHEMA} | asdict(record), indent=1))
        except OSError:
            self.errors += 1
            raise
        self.record = record
