"""Answers as files: one JSON object each, or a folder of them, one for each seed."""

import json
from collections.abc import Mapping
from pathlib import Path

from wattline.study.question import Value

Result = Mapping[str, Value]

NEEDED = ("seed", "runs_finished", "work_sha256")


class ResultError(ValueError):
    """A file is no answer of a simulation, or answers cannot be put side by side; remedy in the message."""


def read(path: Path) -> Result:
    """Return one answer as `wattline simulate --json` or `wattline sweep` wrote it."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ResultError(f"{path}: cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise ResultError(f"{path}: not JSON: {error}; was its writer interrupted?") from error
    if not isinstance(value, dict) or any(name not in value for name in NEEDED):
        raise ResultError(
            f"{path}: no result of a simulation: expected an object with {', '.join(NEEDED)}; "
            "make one with `wattline simulate … --json FILE`"
        )
    return value


def by_seed(path: Path) -> dict[int, Result]:
    """Return the answers of a file, or of the files directly in a folder, by seed."""
    if not path.is_dir():
        result = read(path)
        return {_seed(path, result): result}
    files = sorted(path.glob("*.json"))
    if not files:
        below = sorted(
            str(found.name) for found in path.iterdir() if found.is_dir() and any(found.glob("*.json"))
        )
        names = f"; name one of {', '.join(below)} in it" if below else ""
        raise ResultError(f"{path}: no *.json in this folder{names}")
    out: dict[int, Result] = {}
    of: dict[int, Path] = {}
    for file in files:
        result = read(file)
        seed = _seed(file, result)
        if seed in out:
            raise ResultError(
                f"{path}: {of[seed].name} and {file.name} both have seed {seed}; "
                "a folder holds one result for each seed"
            )
        out[seed], of[seed] = result, file
    return out


def write(path: Path, result: Result) -> None:
    """Write an answer so that a reader sees it whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_text(text(result), encoding="utf-8")
    part.replace(path)


def text(result: Result) -> str:
    """Return an answer as it is written."""
    return json.dumps(result, indent=2, ensure_ascii=False) + "\n"


def _seed(path: Path, result: Result) -> int:
    seed = result["seed"]
    if not isinstance(seed, int):
        raise ResultError(f"{path}: seed {seed!r} is no whole number")
    return seed
