"""What a suite has proved of the harness on this machine: it need not prove it again before anything has changed."""

import hashlib
import os
import platform
from pathlib import Path

from harness.builds import CLUSTER, PROGRAMS
from harness.command import run
from harness.images import PLAIN, files
from harness.settings import REPOSITORY

AGAIN = "WATTLINE_E2E_ALONE"
"""Set to 1, the suite runs in any case."""
SOURCES = ("e2e/harness", "e2e/alone", *PLAIN.sources)


class Proved:
    """The suite of clusters that end, crash and are cut off."""

    def __init__(self, cache: Path) -> None:
        self._stamp = cache / "alone.proved"

    @property
    def holds(self) -> bool:
        """Whether it passed here with the harness, the programs and the kernel that there are now."""
        return (
            os.environ.get(AGAIN) != "1"
            and self._stamp.exists()
            and self._stamp.read_text() == self._inputs()
        )

    def note(self) -> None:
        """Write down that it passed."""
        self._stamp.write_text(self._inputs())

    @staticmethod
    def _inputs() -> str:
        versions = [platform.release(), run(["containerd", "--version"]), run(["runc", "--version"])]
        whole = hashlib.sha256(repr((versions, [PROGRAMS[name].digest for name in CLUSTER])).encode())
        for path in files(SOURCES):
            whole.update(f"{path.relative_to(REPOSITORY)}\0".encode() + path.read_bytes())
        return whole.hexdigest()
