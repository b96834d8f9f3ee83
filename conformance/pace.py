"""How the suite waits: with the clock where an agent has processes, else in virtual time."""

import threading
import time
from collections.abc import Callable
from typing import Protocol

from conformance.machine import Machine

TICK_SECONDS = 0.2
"""Virtual time moves in steps of this."""
_MOVE_SECONDS = 0.02
_LOOK_SECONDS = 0.01


def boot_seconds() -> float:
    """Return the time that the device's journal has."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Pace(Protocol):
    """Time as one agent and one machine see it."""

    def now(self) -> float:
        """Return the world time."""

    def wait(self, seconds: float, until: Callable[[], object] = lambda: False) -> bool:
        """Let world time pass until something is true; say whether it came in time."""

    def close(self) -> None:
        """Let go of the world."""


class Virtual:
    """Time that passes only here."""

    def __init__(self, machine: Machine, at_seconds: float) -> None:
        self._machine = machine
        self._at = at_seconds
        self.tick: Callable[[float], None] = lambda _: None
        """The agent's work."""
        self.look: Callable[[], None] = lambda: None
        """The judge's work, after every step."""

    def now(self) -> float:
        """Return the world time."""
        return self._at

    def wait(self, seconds: float, until: Callable[[], object] = lambda: False) -> bool:
        """Let world time pass step by step until something is true; say whether it came in time."""
        end = self._at + seconds - 1e-9
        while self._at < end:
            self._at = round(self._at + TICK_SECONDS, 3)
            self._machine.step(self._at)
            self.tick(self._at)
            self.look()
            if until():
                return True
        return bool(until())

    def close(self) -> None:
        """Nothing is held."""


class Real:
    """The clock; a thread keeps the world at it."""

    def __init__(self, machine: Machine, speed: float) -> None:
        self._machine = machine
        self._speed = speed
        self._stop = threading.Event()
        self.look: Callable[[], None] = lambda: None
        self._thread = threading.Thread(target=self._move, daemon=True)
        self._thread.start()

    def now(self) -> float:
        """Return the world time."""
        return boot_seconds() * self._speed

    def wait(self, seconds: float, until: Callable[[], object] = lambda: False) -> bool:
        """Wait until something is true; say whether it came in time."""
        end = self.now() + seconds
        while True:
            self.look()
            if until():
                return True
            if self.now() >= end:
                return False
            time.sleep(_LOOK_SECONDS)

    def close(self) -> None:
        """Let the world stand still."""
        self._stop.set()
        self._thread.join()

    def _move(self) -> None:
        while not self._stop.wait(_MOVE_SECONDS):
            self._machine.step(self.now())
