"""The file that ended turns are written to, by a thread of its own: neither a slow nor a full disk holds a turn."""

import contextlib
import logging
import os
import queue
import threading
from pathlib import Path

from wattline.model.errors import WattlineError

log = logging.getLogger(__name__)

QUEUED_LINES = 10_000
"""Lines that wait for the disk; more are dropped and counted."""

BATCH_LINES = 500

CLOSE_SECONDS = 2.0
"""How long a gateway that ends waits for the disk, in wall seconds."""


class TurnLog:
    """Appends lines to a file; whole ones only. A file that is moved away is begun anew under its name."""

    def __init__(self, path: Path, *, queued_lines: int = QUEUED_LINES) -> None:
        self._path = path
        self._lines: queue.Queue[bytes | None] = queue.Queue(queued_lines)
        self._overflowed = self._unwritten = 0
        self.written = 0
        """Lines that are in the file."""
        self._said = ""
        try:
            self._file = self._opened()
        except OSError as error:
            raise WattlineError(
                f"cannot write {path}: {error.strerror}; choose another file with --record"
            ) from error
        self._thread = threading.Thread(target=self._work, name="turn-log", daemon=True)
        self._thread.start()

    @property
    def dropped(self) -> int:
        """Lines that are lost: the disk was too slow, or refused them."""
        return self._overflowed + self._unwritten

    def put(self, line: bytes) -> None:
        """Have a line written; never waits."""
        try:
            self._lines.put_nowait(line)
        except queue.Full:
            self._overflowed += 1

    def close(self) -> None:
        """Write what waits, as far as the disk lets it in two seconds."""
        with contextlib.suppress(queue.Full):
            self._lines.put(None, timeout=CLOSE_SECONDS)
        self._thread.join(CLOSE_SECONDS)

    def _work(self) -> None:
        going = True
        while going:
            batch = [self._lines.get()]
            while len(batch) < BATCH_LINES:
                try:
                    batch.append(self._lines.get_nowait())
                except queue.Empty:
                    break
            lines = [line for line in batch if line is not None]
            going = len(lines) == len(batch)
            self._write(lines)
        with contextlib.suppress(OSError):
            os.close(self._file)

    def _write(self, lines: list[bytes]) -> None:
        if not lines:
            return
        text = b"".join(line + b"\n" for line in lines)
        try:
            self._follow()
            size = os.fstat(self._file).st_size
            done = 0
            try:
                while done < len(text):
                    done += os.write(self._file, text[done:])
            except OSError:
                with contextlib.suppress(OSError):  # a pipe cannot take back half a line
                    os.ftruncate(self._file, size)
                raise
        except OSError as error:
            self._unwritten += len(lines)
            self._say(f"turns are not recorded: {self._path}: {error.strerror}")
        else:
            self.written += len(lines)
            self._say("")

    def _follow(self) -> None:
        """Open the file anew if it was moved away."""
        try:
            there = self._path.stat()
            here = os.fstat(self._file)
            if (there.st_dev, there.st_ino) == (here.st_dev, here.st_ino):
                return
        except FileNotFoundError:
            pass
        fresh = self._opened()
        os.close(self._file)
        self._file = fresh

    def _opened(self) -> int:
        return os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)

    def _say(self, what: str) -> None:
        """Log a change of fortune, once."""
        if what != self._said:
            log.warning(what) if what else log.info("turns are recorded again in %s", self._path)
            self._said = what
