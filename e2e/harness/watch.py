"""What the API server tells of objects, each time with the moment at which it was heard."""

import json
import subprocess
import threading
import time
from dataclasses import dataclass
from typing import Any, Self

from harness.cluster import Cluster

AGAIN_SECONDS = 0.2
"""Pause before a watch that broke off is opened again."""


def now() -> float:
    """Return the time of the devices' journal (CLOCK_BOOTTIME)."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


@dataclass(frozen=True, slots=True)
class Heard:
    """One event of a watch."""

    at_seconds: float
    type: str
    """ADDED, MODIFIED, DELETED; or AWAY, without an object, when the watch broke off."""
    object: dict[str, Any]

    @property
    def name(self) -> str:
        """Name of the object."""
        return str(self.object["metadata"]["name"])


class Watch:
    """Follows all objects of a kind for as long as it is open; opened again whenever it breaks off."""

    def __init__(self, cluster: Cluster, *what: str) -> None:
        self._program = [str(cluster.provider.kubectl_program), "get", *what, "-o", "json"]
        self._environment = cluster.environment
        self._ended = threading.Event()
        self._process: subprocess.Popen[str] | None = None
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self.heard: list[Heard] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._ended.set()
        if self._process is not None:
            self._process.terminate()
        self._thread.join(timeout=10)

    def _follow(self) -> None:
        while not self._ended.is_set():
            with subprocess.Popen(
                [*self._program, "--watch", "--output-watch-events"],
                env=self._environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            ) as self._process:
                assert self._process.stdout is not None
                for line in self._process.stdout:
                    event = json.loads(line)
                    self.heard.append(Heard(now(), event["type"], event["object"]))
            self.heard.append(Heard(now(), "AWAY", {}))
            self._ended.wait(AGAIN_SECONDS)
