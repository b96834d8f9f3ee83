"""Where the measurements lie, and tables of errors; the measurements are not part of this repository."""

import csv
import gzip
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import median


def folder() -> Path:
    """Return the folder of GPU measurements, the only argument."""
    if len(sys.argv) < 2 or not Path(sys.argv[1]).is_dir():
        sys.exit(f"{sys.argv[0]} FOLDER: the folder with the measurements, e.g. shared/data/gpu")
    return Path(sys.argv[1])


def table(path: Path) -> list[dict[str, str]]:
    with gzip.open(path, "rt") as lines:
        return [
            {key.strip(): (value or "").strip() for key, value in row.items()}
            for row in csv.DictReader(lines)
        ]


def split(values: Iterable[float]) -> tuple[set[float], set[float]]:
    """Return every second of the sorted values, the first among them, and the others, which judge."""
    ordered = sorted(set(values))
    return set(ordered[::2]), set(ordered[1::2])


def middle(errors: Sequence[float]) -> float:
    return median(map(abs, errors))


def worst(errors: Sequence[float]) -> float:
    return max(errors, key=abs)


def mark(value: float, most: float) -> str:
    return f"{value:.1%}" if value <= most else f"**{value:.1%}**"
