"""PID 1 of the agent: starts the device and the network process, and stops them. Standard library only.

The network process is started again whenever it dies; the device process as well, unless it says that trying again
would not help, or somebody asked for the driver to be left alone. Nobody here ever kills the device process: it may be
inside a driver call, and a process killed there can take the GPU with it.
"""

import contextlib
import json
import logging
import select
import signal
import socket
import sys
import time
from pathlib import Path
from types import SimpleNamespace

from wattline_agent.channel import pair
from wattline_agent.child import Child
from wattline_agent.endings import (
    EXIT_AGAIN,
    EXIT_LEFT,
    EXIT_PAUSED,
    EXIT_REFUSED,
    GIVE_UP,
    LET_GO,
    log_to_stderr,
)
from wattline_agent.locks import Taken, take
from wattline_agent.pauses import Pauses

TYPE_CHECKING = False
if TYPE_CHECKING:  # the modules of dataclasses and typing would be a tenth of this process
    from wattline_agent.config import Config

log = logging.getLogger("wattline-node-agent")

LOOK_SECONDS = 0.2
"""Wall time between two looks at the pauses and at children that are due; one that ends is seen at once."""
ENDING_SECONDS = 2.0
"""Ours: wall time that the network process may take beside its last status, before it is killed."""
LIBRARY_TRIES = 3
"""Ours: new processes that are tried where the driver's library is of another version than the driver. In a container
the library is the one of its creation, so that after these only a new container helps."""


class Supervisor:
    """Both children, and whether the device process has to rest."""

    def __init__(self, config: "Config", device: Child, network: Child, pauses: Pauses) -> None:
        self._config = config
        self._device = device
        self._network = network
        self._pauses = pauses
        self._asked = False
        """Whether the running device process was asked to let go of the driver."""
        self._said = ""

    def look(self) -> int | None:
        """See to both children once; return a code if the agent has to end with it."""
        reason = self._pauses.reason()
        for child in (self._device, self._network):
            ended = child.ended()
            if ended == EXIT_REFUSED:
                return EXIT_REFUSED
            if ended is not None:
                self._plan(child, ended, reason)
        if self._config.cluster and self._device.changes >= LIBRARY_TRIES:
            log.warning("the driver's library is not the driver's in this container; a new one is needed")
            return EXIT_AGAIN
        self._see_to_pause(reason)
        for child in (self._device, self._network):
            if child.due() and not (reason and child is self._device):
                self._start(child)
        return None

    def _plan(self, child: Child, ended: int, reason: str) -> None:
        if child is self._device and (ended == EXIT_PAUSED or reason):
            child.rest()
            return
        wait_seconds = child.again(ended)
        log.warning("the %s ended with %s; starting it again in %.1f s", child.name, ended, wait_seconds)

    def _see_to_pause(self, reason: str) -> None:
        if reason != self._said:
            self._said = reason
            log.info("%s", f"the driver is left alone: {reason}" if reason else "the driver is used again")
        if not reason:
            return
        if self._device.process is None:
            if not self._pauses.let_go:
                self._pauses.note(let_go=True)
        elif not self._asked:
            self._device.ask(LET_GO)
            self._asked = True

    def _start(self, child: Child) -> None:
        if child is self._device:
            self._pauses.note(let_go=False)
            self._asked = False
        child.start()

    def stop(self) -> int:
        """Stop the device process in two stages, then the network process, which still tells how it ended."""
        device, network = self._device, self._network
        gone = False
        for how in (signal.SIGTERM, GIVE_UP):
            device.ask(how)
            gone = device.left(self._config.settings.stop_stage_wall_seconds)
            if gone:
                break
        network.ask(GIVE_UP)
        if (
            not network.left(self._config.settings.last_word_wall_seconds + ENDING_SECONDS)
            and network.process is not None
        ):
            network.process.kill()  # it makes no driver calls
            network.process.wait()
        let_go = device.process is None or device.ended() == EXIT_PAUSED
        if gone and let_go and self._said and self._config.on_stop == "restore":
            log.warning("nothing was put back, as the driver is left alone: %s", self._said)
            return EXIT_LEFT
        if gone:
            return self._ended_well()
        pid = 0 if device.process is None else device.process.pid
        log.warning("process %s hangs in a driver call and is left alone; its GPUs stay locked", pid)
        return 1

    def _ended_well(self) -> int:
        """Return the code of an agent whose device process has ended, also where it did not put back what it should."""
        code = self._device.ended()
        if code in {0, EXIT_LEFT}:
            return code
        if code == EXIT_REFUSED or self._config.on_stop == "keep":
            return 0
        log.warning("the device process ended with %s before everything was put back", code)
        return EXIT_LEFT


def run(config: "Config", text: str) -> int:
    """Run the agent until it is stopped; 0 if all went as asked. The children are told ``text``, which says ``config``."""
    folder = Path(config.state) / "agents" / config.node
    try:
        lock = take(folder / "lock", f"node {config.node}")
    except Taken as error:
        log.warning("%s", error)
        return EXIT_REFUSED
    except OSError as error:
        log.warning("%s: %s", folder, error.strerror)
        return EXIT_REFUSED
    asked: list[int] = []
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda number, _: asked.append(number))
    woken = _woken_by_signals()
    ours, theirs = pair()
    # the device process inherits the node's lock: while it lives, even orphaned, no second agent starts
    device = Child(
        "wattline_agent.device_process", text, config.settings, ours.fileno(), time.monotonic, (lock,)
    )
    network = Child("wattline_agent.network_process", text, config.settings, theirs.fileno(), time.monotonic)
    supervisor = Supervisor(config, device, network, Pauses(Path(config.runtime), config.node))
    code: int | None = None
    while not asked and code is None:
        code = supervisor.look()
        select.select([woken], [], [], LOOK_SECONDS)
        with contextlib.suppress(BlockingIOError):
            woken.recv(1 << 10)
    return supervisor.stop() or code or 0


def _woken_by_signals() -> socket.socket:
    """Return what can be read after every signal, a child's end included."""
    woken, rung = socket.socketpair()
    for each in (woken, rung):
        each.setblocking(False)
    signal.set_wakeup_fd(rung.detach(), warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    return woken


def main() -> int:
    """Run with the flags that ``Config.dumps`` wrote, read without its class."""
    log_to_stderr()
    config: Config = json.loads(sys.argv[1], object_hook=lambda found: SimpleNamespace(**found))
    return run(config, sys.argv[1])


if __name__ == "__main__":
    sys.exit(main())
