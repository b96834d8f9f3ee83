"""Signals about emergency levels, on their way to the device process.

They come over HTTP, to whoever knows the token, or as a file that only root (on a box: the agent's own user too) can
write. Each is told to the device process until its view says that it was heard, so that neither side may miss one by
dying.
"""

import hmac
import json
import logging
import os
import stat
from collections.abc import Callable
from pathlib import Path

from pydantic import ValidationError

from wattline.doors.clock import Clock
from wattline.model.wire import EmergencySignal
from wattline_agent.channel import Channel
from wattline_agent.messages import EmergencySeen, View
from wattline_agent.settings import DEFAULTS, Settings

log = logging.getLogger("wattline-node-agent")

FILE_BYTES = 4096
"""More than any signal needs; what is longer is none."""


class Signals:
    """The last signal of each way and level, until it was heard."""

    def __init__(
        self,
        file: Path,
        token_file: Path | None,
        channel: Channel,
        clock: Clock,
        view: Callable[[], View | None],
        settings: Settings = DEFAULTS,
    ) -> None:
        self._settings = settings
        self._file = file
        self._token_file = token_file
        self._channel = channel
        self._clock = clock
        self._view = view
        self._waiting: dict[str, EmergencySeen] = {}
        self._mark: object = None
        self._complaint = ""

    @property
    def view(self) -> View | None:
        """Return the last view of the device process."""
        return self._view()

    def token(self) -> str:
        """Return the token that callers must know, read anew so that it can be changed; empty while there is none."""
        if self._token_file is None:
            return ""
        try:
            return self._token_file.read_text().strip()
        except OSError as error:
            self._complain(f"the token of emergencies cannot be read: {error}")
            return ""

    def called(self, asked: EmergencySignal) -> EmergencySeen:
        """Take in a signal over HTTP from somebody who knew the token."""
        number = round(self._clock.now() * 1000)
        seen = EmergencySeen(level=asked.level, number=number, way="http", action=asked.action)
        self._take(seen)
        return seen

    def heard(self, seen: EmergencySeen) -> bool:
        """Whether the device process has taken in this signal."""
        view = self._view()
        return view is not None and view.signals_heard.get(f"{seen.way} {seen.level}") == seen.number

    async def follow(self) -> None:
        """Look at the file and tell what was not heard, until cancelled."""
        told_at = float("-inf")
        while True:
            now = self._clock.now()
            self.look()
            if now - told_at >= self._settings.tell_seconds:
                self._waiting = {key: seen for key, seen in self._waiting.items() if not self.heard(seen)}
                for seen in self._waiting.values():
                    self._tell(seen)
                told_at = now
            await self._clock.sleep_until(now + self._settings.look_seconds)

    def look(self) -> None:
        """Take in the file if it was written since the last look; a file that was taken away says nothing."""
        try:
            found = self._file.lstat()
        except OSError:
            self._mark = None
            return
        mark = (found.st_mtime_ns, found.st_ino, found.st_size)
        if mark == self._mark:
            return
        self._mark = mark
        try:
            asked = EmergencySignal.model_validate(json.loads(_trusted(self._file)))
        except (OSError, ValueError, ValidationError) as error:
            self._complain(f"{self._file} is no signal: {error}")
            return
        self._complaint = ""
        self._take(
            EmergencySeen(level=asked.level, number=found.st_mtime_ns, way="file", action=asked.action)
        )

    def _take(self, seen: EmergencySeen) -> None:
        self._waiting[f"{seen.way} {seen.level}"] = seen
        if not self.heard(seen):
            log.warning("emergency %s: %s, by %s", seen.level, seen.action, seen.way)
            self._tell(seen)

    def _tell(self, seen: EmergencySeen) -> None:
        self._channel.send(seen.model_dump_json(by_alias=True))

    def _complain(self, what: str) -> None:
        if what != self._complaint:
            self._complaint = what
            log.warning("%s", what)


def knows(token: str, said: str) -> bool:
    """Whether somebody who says this knows the token; takes the same time however much of it is right."""
    return bool(token) and hmac.compare_digest(token.encode(), said.encode())


def _trusted(path: Path) -> bytes:
    """Return the text of a file that nobody but root and the agent's own user can write; raise OSError if others can."""
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        found = os.fstat(handle)
        if not stat.S_ISREG(found.st_mode):
            raise PermissionError(f"{path} is not a plain file")
        if found.st_uid not in {0, os.geteuid()} or found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise PermissionError(f"others than root can write {path}")
        return os.read(handle, FILE_BYTES)
    finally:
        os.close(handle)
