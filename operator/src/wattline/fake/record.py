"""The world's own record of a node: one line a world second, exact where a device's readings are averages."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class GpuSecond:
    """One GPU over one second."""

    watts: float
    """Exact average: joules of the second."""
    joules: float
    """Since the node began."""
    celsius: float
    clock_mhz: int
    limit_watts: float
    throttled_seconds: float
    """Since the node began."""


@dataclass(frozen=True, slots=True)
class EngineSecond:
    """One engine at the end of a second; totals count from the node's beginning."""

    name: str
    gpus: int
    """How many GPUs it runs on; the record's GPUs stand in the order of the engines."""
    running: int
    waiting: int
    used_tokens: int
    cached_tokens: int
    """KV memory that holds something, in use or kept for later."""
    capacity_tokens: int
    prompt_tokens: int
    hit_tokens: int
    generated_tokens: int


@dataclass(frozen=True, slots=True)
class Second:
    """One node over the second that ended at ``at_seconds``."""

    at_seconds: int
    late_seconds: float
    """World time by which the node's loop came late in this second, at most."""
    gpus: tuple[GpuSecond, ...]
    engines: tuple[EngineSecond, ...]

    @property
    def watts(self) -> float:
        """Draw of the node's GPUs."""
        return sum(gpu.watts for gpu in self.gpus)


class RecordWriter:
    """Appends seconds to a file, line by line."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("w", encoding="utf-8", buffering=1)

    def write(self, second: Second) -> None:
        """Append one second."""
        self._file.write(json.dumps(asdict(second), separators=(",", ":")) + "\n")

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class RecordReader:
    """Reads what was appended since the last call; a half-written last line waits for the next."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0

    def news(self) -> Iterator[Second]:
        """Yield the seconds that are new; none while there is no file."""
        try:
            with self._path.open("rb") as file:
                file.seek(self._offset)
                raw = file.read()
        except FileNotFoundError:
            return
        whole, newline, _ = raw.rpartition(b"\n")
        self._offset += len(whole) + len(newline)
        for line in whole.splitlines():
            yield _second(json.loads(line))


def _second(data: dict[str, object]) -> Second:
    gpus, engines = data.pop("gpus"), data.pop("engines")
    assert isinstance(gpus, list)
    assert isinstance(engines, list)
    return Second(
        **data,  # type: ignore[arg-type]  # asdict wrote exactly these
        gpus=tuple(GpuSecond(**gpu) for gpu in gpus),
        engines=tuple(EngineSecond(**engine) for engine in engines),
    )
