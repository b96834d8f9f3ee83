"""What has to be undone, on disk before it is done: whoever comes later can take everything back, also after a crash."""

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path

from harness.command import HarnessError, say

Undo = Callable[..., None]
"""Takes one step back; called with the step's arguments by name. May be called any number of times, also for a step
that was never done.
"""


class Journal:
    """Steps in the order they were announced; unwinding goes backwards and forgets each step that is taken back."""

    def __init__(self, path: Path, undos: Mapping[str, Undo]) -> None:
        self._path, self._undos = path, undos

    @property
    def pending(self) -> bool:
        """Whether there is anything to undo."""
        return self._path.exists()

    def announce(self, undo: str, **arguments: str | list[str]) -> None:
        """Say, before a step is done, what takes it back. On return it is on the disk."""
        if undo not in self._undos:
            raise KeyError(undo)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("a") as file:
            file.write(json.dumps({"undo": undo, "arguments": arguments}) + "\n")
            file.flush()
            os.fsync(file.fileno())

    def unwind(self) -> list[str]:
        """Take every step back, the last one first, and go on after one that fails; return what failed.

        A step that failed stays announced, so that the next attempt tries again.
        """
        failed: list[str] = []
        kept: list[str] = []
        for line in reversed(self._lines()):
            step = json.loads(line)
            try:
                self._undos[step["undo"]](**step["arguments"])
            except (HarnessError, OSError) as error:
                failed.append(f"{step['undo']}: {error}")
                kept.insert(0, line)
                say(f"not undone: {failed[-1]}")
        if kept:
            self._path.write_text("".join(f"{line}\n" for line in kept))
        else:
            self._path.unlink(missing_ok=True)
        return failed

    def _lines(self) -> list[str]:
        """Every whole line: one that was cut off by a crash announces a step that was never begun."""
        if not self._path.exists():
            return []
        return [line for line in self._path.read_text().split("\n")[:-1] if line]
