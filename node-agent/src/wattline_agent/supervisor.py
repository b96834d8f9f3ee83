"""PID 1 of the agent: starts the device and the network process, and stops them. Standard library only.

The network process is started again whenever it dies; the device process as well, unless it says that trying again
would not help. Nobody here ever kills the device process: it may be inside a driver call, and a process killed there
can take the GPU with it.
"""

import logging
import signal
import subprocess
import sys
import time
from pathlib import Path

from wattline_agent.channel import pair
from wattline_agent.config import EXIT_AGAIN, EXIT_LEFT, EXIT_REFUSED, GIVE_UP, STOPPING, Config
from wattline_agent.locks import Taken, take

log = logging.getLogger("wattline-node-agent")


class Child:
    """One child process and how it is started again."""

    def __init__(self, module: str, config: Config, descriptor: int, keep: tuple[int, ...] = ()) -> None:
        self.name = module.rpartition(".")[2].replace("_", " ")
        self._arguments = [sys.executable, "-m", module, config.dumps(), str(descriptor)]
        self._descriptors = (descriptor, *keep)
        self._settings = config.settings
        self._wait_seconds = config.settings.restart_first_wall_seconds
        self._started_at = 0.0
        self._again_at = 0.0
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it now."""
        self._started_at = time.monotonic()
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

    def again(self, code: int) -> None:
        """Plan the next start, later each time it dies young."""
        settings = self._settings
        calm = time.monotonic() - self._started_at > settings.restart_calm_wall_seconds
        self._wait_seconds = (
            settings.restart_first_wall_seconds
            if calm
            else min(2 * self._wait_seconds, settings.restart_longest_wall_seconds)
        )
        self._again_at = time.monotonic() + (0.0 if code == EXIT_AGAIN else self._wait_seconds)
        self.process = None

    def due(self) -> bool:
        """Whether it waits for its next start, and the time has come."""
        return self.process is None and time.monotonic() >= self._again_at

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


def run(config: Config) -> int:
    """Run the agent until it is stopped; 0 if all went as asked."""
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
    ours, theirs = pair()
    # the device process inherits the node's lock: while it lives, even orphaned, no second agent starts
    device = Child("wattline_agent.device_process", config, ours.fileno(), (lock,))
    network = Child("wattline_agent.network_process", config, theirs.fileno())
    device.start()
    network.start()
    code = 0
    while not asked:
        for child in (device, network):
            ended = child.ended()
            if ended in {None, EXIT_REFUSED}:
                continue
            log.warning("the %s ended with %s; starting it again", child.name, ended)
            child.again(ended)
        if EXIT_REFUSED in {device.ended(), network.ended()}:
            code = EXIT_REFUSED
            break
        for child in (device, network):
            if child.due():
                child.start()
        time.sleep(0.05)
    return _stop(device, network, config.settings.stop_stage_wall_seconds) or code


def _stop(device: Child, network: Child, stage_seconds: float) -> int:
    """Stop the device process in two stages, then the network process, which still tells how it ended."""
    gone = False
    for how in (signal.SIGTERM, GIVE_UP):
        device.ask(how)
        gone = device.left(stage_seconds)
        if gone:
            break
    network.ask(GIVE_UP)
    if not network.left(5.0) and network.process is not None:
        network.process.kill()  # it makes no driver calls
        network.process.wait()
    if gone:
        return EXIT_LEFT if device.ended() == EXIT_LEFT else 0
    pid = 0 if device.process is None else device.process.pid
    log.warning("process %s hangs in a driver call and is left alone; its GPUs stay locked", pid)
    return 1
