"""Processes that outlive the harness: known by pid and start time, ended for certain."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.command import HarnessError, wait_until

MARK = "WATTLINE_E2E_ROOT"
"""Variable in the environment of every process of a cluster, and of what they start: the cluster's folder."""

_NOTE_AND_BECOME = 'echo "$$ $(cut -d" " -f22 /proc/$$/stat)" >"$0.part" && mv "$0.part" "$0"; exec "$@"'
"""The child itself notes who it is, so there is no moment at which it runs and nobody knows."""


@dataclass(frozen=True, slots=True)
class Identity:
    """One process for ever: pids are used again, pids with their start time are not."""

    pid: int
    ticks: int
    """Clock ticks from the machine's start to the process's."""

    @property
    def alive(self) -> bool:
        """Whether it runs; a zombie does not."""
        return start_ticks(self.pid) == self.ticks

    def send(self, number: signal.Signals) -> None:
        """Send a signal if it still runs."""
        if self.alive:
            try:
                os.kill(self.pid, number)
            except ProcessLookupError:
                return

    def end(self, *, grace_seconds: float = 10) -> None:
        """End it: TERM, and KILL if that is not enough within the grace."""
        if grace_seconds > 0:
            self.send(signal.SIGTERM)
            self.send(signal.SIGCONT)
            end = time.monotonic() + grace_seconds
            while self.alive and time.monotonic() < end:
                time.sleep(0.02)
        self.send(signal.SIGKILL)
        wait_until(
            lambda: not self.alive, f"the end of process {self.pid}", timeout_seconds=10, every_seconds=0.02
        )


def start_ticks(pid: int) -> int | None:
    """Return when a process started; None if there is none, or only its remains."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    except OSError:
        return None
    return None if fields[0] in {"Z", "X"} else int(fields[19])


def marked(root: Path) -> list[Identity]:
    """Return every process of the cluster in this folder, and those they started."""
    mark = f"{MARK}={root}".encode()
    return [each for each in every() if mark in _environment(each.pid)]


def every() -> list[Identity]:
    """Return every process of the machine."""
    pids = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    return [Identity(pid, ticks) for pid in pids if (ticks := start_ticks(pid)) is not None]


def _environment(pid: int) -> list[bytes]:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return []


class Processes:
    """The programs of one cluster by name. What is known of them is on disk, so any program may end or restart
    what another one started.
    """

    def __init__(self, run: Path, logs: Path, root: Path) -> None:
        self._run, self._logs, self._root = run, logs, root

    @property
    def names(self) -> list[str]:
        """Every program that was ever started."""
        return sorted(path.stem for path in self._run.glob("*.command"))

    def start(self, name: str, argv: Sequence[str | Path], env: Mapping[str, str] | None = None) -> Identity:
        """Start a program in the background, detached from the terminal."""
        words = [str(word) for word in argv]
        (self._run / f"{name}.command").write_text(json.dumps({"argv": words, "env": dict(env or {})}))
        return self._spawn(name, words, env or {})

    def _spawn(self, name: str, argv: Sequence[str], env: Mapping[str, str]) -> Identity:
        note = self._run / f"{name}.pid"
        note.unlink(missing_ok=True)
        with (self._logs / f"{name}.log").open("ab") as log:
            child = subprocess.Popen(
                ["sh", "-c", _NOTE_AND_BECOME, str(note), *argv],
                cwd=self._root,
                env={**os.environ, **env, MARK: str(self._root)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        wait_until(note.exists, f"the start of {name}", timeout_seconds=10, every_seconds=0.005)
        child.returncode = 0  # it is not ours to wait for: it lives on when the harness ends
        return self._noted(name)

    def _noted(self, name: str) -> Identity:
        pid, ticks = (self._run / f"{name}.pid").read_text().split()
        return Identity(int(pid), int(ticks))

    def identity(self, name: str) -> Identity | None:
        """Return the running process of a name."""
        try:
            noted = self._noted(name)
        except FileNotFoundError:
            return None
        return noted if noted.alive else None

    def alive(self, name: str) -> bool:
        """Whether a program runs."""
        return self.identity(name) is not None

    def end(self, name: str, *, grace_seconds: float = 10) -> None:
        """End a program; nothing happens if it does not run."""
        if (identity := self.identity(name)) is not None:
            identity.end(grace_seconds=grace_seconds)
        (self._run / f"{name}.pid").unlink(missing_ok=True)

    def again(self, name: str) -> Identity:
        """Start a program that has ended, with the arguments it had."""
        path = self._run / f"{name}.command"
        if not path.exists():
            raise HarnessError(f"no component {name}; there are: {', '.join(self.names)}")
        if self.alive(name):
            raise HarnessError(f"{name} runs already")
        command = json.loads(path.read_text())
        return self._spawn(name, command["argv"], command["env"])

    def last_words(self, name: str, lines: int = 5) -> str:
        """Return the end of a program's log."""
        path = self._logs / f"{name}.log"
        text = path.read_text(errors="replace") if path.exists() else ""
        return "\n".join(text.splitlines()[-lines:])

    def wait(self, name: str, ready: Callable[[], bool], *, timeout_seconds: float = 60) -> None:
        """Wait until a program is ready; give up at once if it has ended."""

        def ended() -> str | None:
            return None if self.alive(name) else f"{name} ended:\n{self.last_words(name)}"

        wait_until(ready, f"{name} ready", timeout_seconds=timeout_seconds, every_seconds=0.05, give_up=ended)
