"""Reads the plain and gzip'd tables and JSON files that traces come in, a line at a time."""

import csv
import gzip
import io
import json
import zlib
from collections.abc import Iterator, Mapping
from math import isfinite
from pathlib import Path
from typing import Any

from wattline.sim.recording import TraceError

LARGEST = 2**53
"""Larger numbers are no counts of tokens and no seconds: columns were mixed up."""


def lines(path: Path) -> Iterator[str]:
    """Yield the lines of a text file, gzip'd or not, with their ends as they are."""
    try:
        with path.open("rb") as file:
            zipped = file.read(2) == b"\x1f\x8b"
            file.seek(0)
            stream = gzip.GzipFile(fileobj=file) if zipped else file
            with io.TextIOWrapper(stream, encoding="utf-8-sig", newline="") as text:
                yield from text
    except EOFError as error:
        raise TraceError(f"{path}: cannot be read: it is cut off in the middle; fetch it again") from error
    except OSError as error:
        raise TraceError(f"{path}: cannot be read: {error.strerror or error}") from error
    except (UnicodeDecodeError, zlib.error) as error:
        raise TraceError(f"{path}: cannot be read: {error}") from error


def rows(path: Path) -> Iterator[dict[str, str]]:
    """Yield the rows of a CSV file by column name."""
    for _, row in numbered(path):
        yield row


def numbered(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield line number and row of a CSV file; its cells stand between commas, or all between semicolons."""
    text = lines(path)
    header, mark = _header(path, next(text, ""))
    reader = csv.reader(text, delimiter=mark)
    try:
        for cells in reader:
            place = f"{path}:{reader.line_num + 1}"
            if len(cells) == len(header):
                if cells == header:
                    raise TraceError(f"{place}: the header again: two files in one; give them one by one")
                yield reader.line_num + 1, dict(zip(header, cells, strict=True))
            elif cells:
                raise TraceError(
                    f"{place}: {len(header)} cells stand in the header and {len(cells)} here: the file is cut off, or rows of "
                    "another are mixed into it; fetch it again"
                )
    except csv.Error as error:
        raise TraceError(f"{path}:{reader.line_num + 1}: not a row of a table: {error}") from error


def columns(path: Path) -> tuple[str, ...]:
    """Return the column names of a CSV file."""
    return tuple(_header(path, next(lines(path), ""))[0])


def _header(path: Path, line: str) -> tuple[list[str], str]:
    """Return the names in a first line, and what stands between them."""
    mark = ";" if ";" in line and "," not in line else ","
    try:
        return next(csv.reader([line], delimiter=mark), []), mark
    except csv.Error as error:
        raise TraceError(f"{path}:1: not the header of a table: {error}") from error


def objects(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield line number and object of a JSON-lines file."""
    for number, line in enumerate(lines(path), start=1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise TraceError(f"{path}:{number}: not JSON: {error}; is the file cut off?") from error
        if not isinstance(value, dict):
            raise TraceError(f"{path}:{number}: expected one JSON object a line")
        yield number, value


def document(path: Path) -> Any:
    """Return the value of a JSON file."""
    try:
        return json.loads("".join(lines(path)))
    except json.JSONDecodeError as error:
        what = f"{path}:{error.lineno}: not JSON: {error.msg}; is the file cut off?"
        raise TraceError(what) from error
    except (ValueError, RecursionError) as error:
        raise TraceError(f"{path}: not JSON: {error}") from error


def number(path: Path, row: Mapping[str, str], column: str, *, line: int | None = None) -> float:
    """Return a cell as a finite number; an empty one is 0."""
    text = row.get(column, "")
    try:
        value = float(text) if text else 0.0
    except ValueError:
        value = float("nan")
    if not isfinite(value) or abs(value) > LARGEST:
        raise TraceError(f"{_at(path, line)}: column {column}: expected a number, not {text!r}") from None
    return value


def least(path: Path, row: Mapping[str, str], column: str, *, line: int | None = None) -> float:
    """Return a cell as a number of at least 0: a count, or a length of time; an empty one is 0."""
    value = number(path, row, column, line=line)
    if value < 0:
        raise TraceError(
            f"{_at(path, line)}: column {column}: expected 0 or more, not {value:g}; are columns mixed up?"
        )
    return value


def field(place: str, value: Mapping[str, Any], key: str, default: float | None = None) -> float:
    """Return a JSON object's number of at least 0; ``default`` stands for an absent or null one."""
    found = value.get(key)
    if found is None and default is not None:
        return default
    if isinstance(found, bool) or not isinstance(found, int | float) or not 0 <= found <= LARGEST:
        said = "nothing" if found is None else repr(found)[:40]
        raise TraceError(f"{place}: {key}: expected a number of 0 or more, not {said}")
    return float(found)


def beside(path: Path, name: str) -> Path | None:
    """Return the file of this name, gzip'd or not, in the folder of ``path``, if there is one."""
    for candidate in (path.parent / name, path.parent / f"{name}.gz"):
        if candidate.is_file():
            return candidate
    return None


def _at(path: Path, line: int | None) -> str:
    return str(path) if line is None else f"{path}:{line}"
