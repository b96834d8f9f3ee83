"""Taking single programs of a running local cluster away and bringing them back."""

import os
import signal
from collections.abc import Callable
from contextlib import suppress

from harness.command import HarnessError
from harness.containers import Containers
from harness.process import Processes

GRACE_SECONDS = {"kube-apiserver": 3.0}
"""The API server waits for open watches for longer than a test wants to."""


class Control:
    """The programs of one cluster, for tests of what happens without them."""

    def __init__(self, processes: Processes, containers: Containers, ready: Callable[[str], bool]) -> None:
        self._processes, self._containers, self._ready = processes, containers, ready

    def kill(self, name: str) -> None:
        """End one at once, as a crash does."""
        self._need(name)
        self._processes.end(name, grace_seconds=0)

    def resume(self, name: str) -> None:
        """Start one that was ended, and wait until it is ready."""
        self._processes.again(name)
        self.wait(name)

    def restart(self, name: str) -> None:
        """End one in order and start it again; return when it is ready."""
        self._need(name)
        self._processes.end(name, grace_seconds=GRACE_SECONDS.get(name, 10.0))
        self.resume(name)

    def wait(self, name: str) -> None:
        """Wait until one does its work."""
        self._processes.wait(name, lambda: self._ready(name))

    def freeze(self, name: str) -> None:
        """Stop one where it stands (SIGSTOP)."""
        self._send(name, signal.SIGSTOP)

    def thaw(self, name: str) -> None:
        """Let a frozen one go on (SIGCONT)."""
        self._send(name, signal.SIGCONT)

    def signal_container(self, container_id: str, number: signal.Signals) -> None:
        """Send a signal to every process of a container."""
        pids = self._containers.pids(container_id)
        if not pids:
            raise HarnessError(f"container {container_id} does not run")
        for pid in pids:
            with suppress(ProcessLookupError):  # the first may have taken the others along
                os.kill(pid, number)

    def _send(self, name: str, number: signal.Signals) -> None:
        self._need(name)
        if (identity := self._processes.identity(name)) is not None:
            identity.send(number)

    def _need(self, name: str) -> None:
        if not self._processes.alive(name):
            raise HarnessError(f"{name} does not run; there are: {', '.join(self._processes.names)}")
