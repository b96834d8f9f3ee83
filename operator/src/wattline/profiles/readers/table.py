"""Files of measurements as rows that know their line, and what is wrong with them."""

import csv
import gzip
import io
import json
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from math import isfinite
from pathlib import Path
from typing import Any

from wattline.profiles.points import Point, ProfileError, Subject
from wattline.world.products import PRODUCTS


@dataclass(frozen=True, slots=True)
class Given:
    """What the caller says of points that do not say it themselves."""

    model: str | None = None
    product: str | None = None
    gpus: int | None = None
    clock_mhz: int | None = None
    cap_watts: float | None = None
    prompt_tokens: float | None = None


@dataclass
class Reading:
    """Points so far, what is wrong, and what was passed over."""

    points: list[Point] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    left_out: dict[str, int] = field(default_factory=dict)
    """Rows that are no operating points of a known kind, by the reason."""

    def leave_out(self, reason: str) -> None:
        """Count a row that is passed over."""
        self.left_out[reason] = self.left_out.get(reason, 0) + 1


def text_of(path: Path) -> str:
    """Return a text file's content, gzip'd or not."""
    try:
        data = path.read_bytes()
        return (gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data).decode("utf-8-sig")
    except FileNotFoundError:
        raise ProfileError(f"{path}: there is no such file") from None
    except (OSError, EOFError, UnicodeDecodeError, zlib.error) as error:
        cut = "it is cut off in the middle; fetch it again" if isinstance(error, EOFError) else error
        raise ProfileError(f"{path}: cannot be read: {cut}") from error


def number(place: str, text: str) -> float:
    """Return a cell as a number; raise `ProfileError` with its place where it is none."""
    try:
        return float(text)
    except ValueError:
        raise ProfileError(f"{place}: expected a number, found {text!r}") from None


class Row:
    """One row; asks for cells leave a problem with place and remedy where there is none."""

    def __init__(self, place: str, cells: Mapping[str, Any], reading: Reading) -> None:
        self.place = place
        self.cells = cells
        self._reading = reading
        self.broken = False

    def problem(self, message: str) -> None:
        """Say what is wrong with this row."""
        self.broken = True
        self._reading.problems.append(f"{self.place}: {message}")

    def text(self, *names: str) -> str:
        """Return the first of these cells that is filled; empty where none is."""
        for name in names:
            value = self.cells.get(name)
            if value not in (None, ""):
                return str(value).strip()
        return ""

    def number(self, *names: str, least: float | None = 0.0) -> float | None:
        """Return the first of these cells that is filled, more than ``least``; none where none is."""
        text = self.text(*names)
        if not text:
            return None
        try:
            value = float(text)
        except ValueError:
            self.problem(f"column {names[0]}: expected a number, found {text!r}")
            return None
        if not isfinite(value) or (least is not None and value <= least):
            self.problem(f"column {names[0]}: expected a number above {least:g}, found {text!r}")
            return None
        return value

    def needed(self, what: str, *names: str) -> float:
        """Return a cell that has to be there; ``what`` says what to measure."""
        value = self.number(*names)
        if value is None:
            if not self.broken:
                self.problem(f"no {' or '.join(names)}: {what}")
            return 1.0
        return value

    def subject(self, given: Given) -> Subject:
        """Return which model and GPUs the row is of."""
        model = self.text("model", "model_id") or given.model or ""
        product = (self.text("gpu", "product", "gpu_model") or given.product or "").lower()
        count = self.number("gpus", "num_gpus") or given.gpus
        if not model:
            self.problem("says no model; add a column model, or give --model")
        if not product:
            self.problem(f"says no GPU product; add a column gpu, or give --product: {', '.join(PRODUCTS)}")
        if count is None and not self.broken:
            self.problem("says no number of GPUs; add a column gpus, or give --gpus")
        return Subject(model, product, int(count or 1))

    def clock(self, given: Given) -> int | None:
        """Return the locked clock."""
        value = self.number("clockMhz", "clock_mhz")
        return given.clock_mhz if value is None else round(value)

    def cap(self, given: Given) -> float | None:
        """Return the power limit."""
        return self.number("capWatts", "cap_watts") or given.cap_watts


def csv_rows(path: Path, reading: Reading) -> Iterator[Row]:
    """Yield the rows of a CSV file; a row with more or fewer cells than the header is a problem."""
    table = csv.reader(io.StringIO(text_of(path), newline=""))
    header = [name.strip() for name in next(table, [])]
    if not header:
        raise ProfileError(f"{path}:1: the file is empty; expected a CSV with a header")
    for cells in table:
        if not any(cells):
            continue
        row = Row(f"{path}:{table.line_num}", dict(zip(header, cells, strict=False)), reading)
        if len(cells) != len(header):
            row.problem(f"{len(cells)} cells under {len(header)} columns; is the file truncated?")
            continue
        yield row


def json_rows(path: Path, reading: Reading) -> Iterator[Row]:
    """Yield the objects of a JSON file (one object or a list) or of JSON lines."""
    text = text_of(path)
    try:
        whole = json.loads(text)
    except ValueError:
        whole = None
    if whole is not None:
        several = whole if isinstance(whole, list) else [whole]
        for at, value in enumerate(several):
            place = f"{path}:1" if len(several) == 1 else f"{path}: entry {at + 1}"
            yield from _object(place, value, reading)
        return
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except ValueError as error:
            reading.problems.append(f"{path}:{number}: not JSON: {error}; is the file truncated?")
            continue
        yield from _object(f"{path}:{number}", value, reading)


def _object(place: str, value: Any, reading: Reading) -> Iterator[Row]:
    if isinstance(value, dict):
        yield Row(place, value, reading)
    else:
        reading.problems.append(f"{place}: expected a JSON object, found {type(value).__name__}")
