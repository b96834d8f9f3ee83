"""Reads the plain and gzip'd tables that traces come in."""

import csv
import gzip
import io
import json
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from wattline.sim.recording import TraceError


def lines(path: Path) -> Iterator[str]:
    """Return the lines of a text file, gzip'd or not."""
    try:
        data = path.read_bytes()
        text = (gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data).decode("utf-8")
    except (OSError, EOFError, UnicodeDecodeError, zlib.error) as error:
        raise TraceError(f"{path}: cannot be read: {error}") from error
    return iter(io.StringIO(text, newline=""))


def rows(path: Path) -> Iterator[dict[str, str]]:
    """Yield the rows of a CSV file by column name."""
    for row in csv.DictReader(lines(path)):
        yield {key: value or "" for key, value in row.items() if key is not None}


def columns(path: Path) -> tuple[str, ...]:
    """Return the column names of a CSV file."""
    return tuple(next(csv.reader(lines(path)), ()))


def objects(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield line number and object of a JSON-lines file."""
    for number, line in enumerate(lines(path), start=1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except ValueError as error:
            raise TraceError(f"{path}:{number}: not JSON: {error}") from error
        if not isinstance(value, dict):
            raise TraceError(f"{path}:{number}: expected one JSON object a line")
        yield number, value


def number(path: Path, row: Mapping[str, str], column: str) -> float:
    """Return a cell as a number; an empty one is 0."""
    text = row.get(column, "")
    try:
        return float(text) if text else 0.0
    except ValueError:
        raise TraceError(f"{path}: column {column}: expected a number, not {text!r}") from None


def beside(path: Path, name: str) -> Path | None:
    """Return the file of this name, gzip'd or not, in the folder of ``path``, if there is one."""
    for candidate in (path.parent / name, path.parent / f"{name}.gz"):
        if candidate.is_file():
            return candidate
    return None
