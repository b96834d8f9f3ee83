"""One at a time, across programs: who comes second waits."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.command import say


@contextmanager
def turn(lock: Path, what: str = "") -> Iterator[None]:
    """Hold a lock file; it frees itself when its holder ends, however that ends. Waiting for ``what`` is said."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if what:
                say(f"waiting for {what}")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
