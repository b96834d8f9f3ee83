"""Child processes that end when we do: each in a session of its own, a log file each, stopped by its id."""

import asyncio
import ctypes
import os
import signal
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None, use_errno=True)


class PartFailedError(Exception):
    """A part of the demo did not start, or ended by itself; the message has the end of its log."""


class Part:
    """One running process of the demo."""

    def __init__(self, name: str, process: asyncio.subprocess.Process, log: Path) -> None:
        self.name = name
        self._process = process
        self._log = log

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    @classmethod
    async def start(
        cls, name: str, command: Sequence[str], log: Path, environment: Mapping[str, str]
    ) -> "Part":
        """Start a process with both outputs going to ``log``."""
        parent = os.getpid()

        def die_with_parent() -> None:
            _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
            if os.getppid() != parent:
                os.kill(os.getpid(), signal.SIGTERM)

        try:
            with log.open("wb") as file:
                process = await asyncio.create_subprocess_exec(
                    *command,
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=file,
                    stderr=file,
                    env={**os.environ, **environment},
                    start_new_session=True,
                    preexec_fn=die_with_parent,
                )
        except FileNotFoundError as error:
            raise PartFailedError(
                f"{name} cannot start: there is no {command[0]}; install it first"
            ) from error
        return cls(name, process, log)

    async def ended(self) -> int:
        """Wait for its end and return its code."""
        return await self._process.wait()

    def check(self) -> None:
        """Raise if the process has ended."""
        if self._process.returncode is not None:
            raise PartFailedError(
                f"{self.name} ended with code {self._process.returncode}\n{self.last_lines()}"
            )

    def last_lines(self, count: int = 15) -> str:
        """Return the end of its log, indented."""
        lines = self._log.read_text(errors="replace").splitlines()[-count:]
        return "\n".join(f"    {line}" for line in lines) or "    (it logged nothing)"

    async def ready(
        self, ask: Callable[[], Awaitable[bool]], what: str, *, within_wall_seconds: float = 30.0
    ) -> None:
        """Return once ``ask`` says so; raise if the process ends before, or does not get there in time."""
        try:
            async with asyncio.timeout(within_wall_seconds):
                while not await ask():
                    self.check()
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise PartFailedError(
                f"{self.name} did not get as far as {what} within {within_wall_seconds:.0f} s\n{self.last_lines()}"
            ) from None

    async def stop(self, *, within_wall_seconds: float = 10.0) -> None:
        """Ask the process to end, and end its group if it does not."""
        if self._process.returncode is None:
            self._process.terminate()
        try:
            async with asyncio.timeout(within_wall_seconds):
                await self._process.wait()
        except TimeoutError:
            os.killpg(self.pid, signal.SIGKILL)
            await self._process.wait()


class Parts:
    """The processes of one pass, stopped in the opposite order of their start."""

    def __init__(self, logs: Path, environment: Mapping[str, str]) -> None:
        self._logs = logs
        self._environment = environment
        self.parts: list[Part] = []

    async def start(self, name: str, command: Sequence[str], **environment: str) -> Part:
        """Start one more."""
        log = self._logs / f"{name}.log"
        part = await Part.start(name, command, log, {**self._environment, **environment})
        self.parts.append(part)
        return part

    def check(self) -> None:
        """Raise if any has ended."""
        for part in self.parts:
            part.check()

    async def stop(self) -> None:
        """Stop all, whatever state they are in."""
        while self.parts:
            await self.parts.pop().stop()
