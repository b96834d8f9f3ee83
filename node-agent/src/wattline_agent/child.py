"""One child process of the supervisor: how it is started, and when it is started again. Standard library only."""

import signal
import subprocess
import sys
from collections.abc import Callable

from wattline_agent.endings import EXIT_AGAIN, STOPPING

TYPE_CHECKING = False
if TYPE_CHECKING:  # the modules of dataclasses and typing would be a tenth of the supervisor
    from wattline_agent.settings import Settings


class Child:
    """One child process, started with ``config`` as ``Config.dumps`` wrote it; nobody here ever kills it."""

    def __init__(
        self,
        module: str,
        config: str,
        settings: "Settings",
        descriptor: int,
        now: Callable[[], float],
        keep: tuple[int, ...] = (),
    ) -> None:
        self.name = module.rpartition(".")[2].replace("_", " ")
        self.process: subprocess.Popen[bytes] | None = None
        self.changes = 0
        """How often in a row it ended because only a new process can go on."""
        self._arguments = [sys.executable, "-m", module, config, str(descriptor)]
        self._descriptors = (descriptor, *keep)
        self._settings = settings
        self._now = now
        self._wait_seconds = 0.0
        self._started_at = 0.0
        self._again_at = 0.0

    def start(self) -> None:
        """Start it now."""
        self._started_at = self._now()
        before = signal.pthread_sigmask(
            signal.SIG_BLOCK, STOPPING
        )  # they wait until the child can answer them
        try:
            self.process = subprocess.Popen(self._arguments, pass_fds=self._descriptors)  # noqa: S603 - our own module
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def ended(self) -> int | None:
        """Return how it ended, or none while it runs."""
        return None if self.process is None else self.process.poll()

    def again(self, code: int) -> float:
        """Plan the next start, and return the wall time until then: each time it dies young it is longer.

        One that asks for a new process gets it at once, but not twice in a row.
        """
        now, settings = self._now(), self._settings
        if now - self._started_at > settings.restart_calm_wall_seconds:
            self.changes, self._wait_seconds = 0, 0.0
        self.changes = self.changes + 1 if code == EXIT_AGAIN else 0
        at_once = self.changes == 1 and self._wait_seconds == 0
        self._wait_seconds = (
            0.0
            if at_once
            else min(
                max(2 * self._wait_seconds, settings.restart_first_wall_seconds),
                settings.restart_longest_wall_seconds,
            )
        )
        self._again_at, self.process = now + self._wait_seconds, None
        return self._wait_seconds

    def rest(self) -> None:
        """Take note that it ended as it was asked to; its next start waits for nothing but a word."""
        self.changes, self._wait_seconds, self._again_at, self.process = 0, 0.0, 0.0, None

    def due(self) -> bool:
        """Whether it waits for its next start, and the time has come."""
        return self.process is None and self._now() >= self._again_at

    def ask(self, how: signal.Signals) -> None:
        """Ask it to stop."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(how)

    def left(self, seconds: float) -> bool:
        """Wait for its end; say whether it came."""
        if self.process is None:
            return True
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True
