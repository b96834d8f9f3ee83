"""Locks that end with their holder: one agent to a node, one to a GPU. Standard library only."""

import contextlib
import fcntl
import os
import re
from pathlib import Path


class Taken(Exception):  # noqa: N818 - says what is the case
    """Somebody else holds the lock; the message says who and what."""


def take(path: Path, what: str) -> int:
    """Lock ``path`` for the life of this process and those that inherit the descriptor; raise ``Taken`` if held."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.pread(descriptor, 64, 0).decode(errors="replace").strip() or "unknown"
        os.close(descriptor)
        raise Taken(f"another node agent (process {holder}) already holds {what}: {path}") from None
    with contextlib.suppress(
        OSError
    ):  # a full disk must not keep an agent from its lock; only the name is lost
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    return descriptor


def holder(path: Path) -> str:
    """Return who holds a lock, and change nothing; empty if nobody does. Raise OSError if that cannot be told."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return ""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return os.pread(descriptor, 64, 0).decode(errors="replace").strip() or "unknown"
    finally:
        os.close(descriptor)
    return ""


def gpu_path(runtime: Path, uuid: str) -> Path:
    """Return where the lock of one GPU lies, whatever node name its agent goes by."""
    return runtime / f"{re.sub(r'[^A-Za-z0-9._-]', '_', uuid)}.lock"
