"""The state folder of one box: objects as files, replaced whole; a lock; the count of leaders."""

import contextlib
import fcntl
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel

from wattline.model.errors import ClusterError

T = TypeVar("T", bound=BaseModel)
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

Mark = tuple[int, int, int]
"""A file's time of change, number and size: another one when the file is."""


def read(path: Path, model: type[T]) -> T | None:
    """Return the object in a file, or None where there is no such file; raise `ClusterError` if it is not one."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ClusterError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ClusterError(f"{path}: not a {model.__name__}: {error}") from error
    try:
        return model.model_validate(yaml.load(text, Loader=_LOADER))  # noqa: S506 - a safe loader, the fast one
    except (yaml.YAMLError, ValueError, OverflowError, RecursionError) as error:
        first = str(error).replace("\n", " ")[:200]
        raise ClusterError(
            f"{path}: not a {model.__name__}: {first}; remove the file if nobody needs it"
        ) from error


def mark(path: Path) -> Mark | None:
    """Return the mark of a file; None where there is none that can be looked at."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino, found.st_size


def marks(paths: Iterable[Path]) -> frozenset[tuple[Path, Mark]]:
    """Return the marks of the files that are there: the same ones as long as nothing is written, added or taken away."""
    return frozenset((path, found) for path in paths if (found := mark(path)) is not None)


def write(path: Path, thing: BaseModel, *, durable: bool = False) -> None:
    """Replace a file by an object; a reader sees the old one or the new one. ``durable`` outlives a power cut."""
    plain = thing.model_dump(mode="json", by_alias=True, exclude_none=True)
    replace(path, yaml.safe_dump(plain, sort_keys=False, allow_unicode=True), durable=durable)


def replace(path: Path, text: str, *, durable: bool = False) -> None:
    """Replace a file's text in one step; raise `ClusterError` with nothing changed if that fails."""
    part = path.with_name(f"{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with part.open("w", encoding="utf-8") as file:
            file.write(text)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            part.unlink()
        raise ClusterError(f"{path}: cannot be written: {error.strerror}") from error


@contextlib.contextmanager
def locked(state: Path) -> Iterator[None]:
    """Hold the state folder; raise `ClusterError` naming the process that holds it already."""
    try:
        state.mkdir(parents=True, exist_ok=True)
        file = (state / "lock").open("a+", encoding="utf-8")
    except OSError as error:
        raise ClusterError(f"{state}: cannot be used as state folder: {error.strerror}") from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.seek(0)
            holder = file.read().strip() or "unknown"
            raise ClusterError(
                f"{state} is in use by the process with pid {holder}; stop it, or choose another --state"
            ) from error
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        yield
        file.truncate(0)


def holder(state: Path) -> int | None:
    """Return the pid of the process that holds the state folder, or None if nobody does."""
    try:
        with (state / "lock").open(encoding="utf-8") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        pid = (state / "lock").read_text(encoding="utf-8").strip()
        return int(pid) if pid.isdigit() else None
    except OSError:
        return None
    return None


def next_epoch(state: Path, *, above: int = 0) -> int:
    """Return the next epoch, counted durably, and greater than ``above``; call it with the folder locked."""
    path = state / "epoch"
    try:
        last = int(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        last = 0
    except (OSError, ValueError) as error:
        raise ClusterError(f"{path}: no count of leaders in it: {error}") from error
    epoch = max(last, above) + 1
    replace(path, f"{epoch}\n", durable=True)
    return epoch
