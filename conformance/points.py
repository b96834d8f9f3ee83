"""Named points in an agent's file writes, at which the suite ends a process: see ``points.c``, which is preloaded."""

import ctypes
import mmap
import subprocess
from ctypes import Structure, c_char, c_uint32, c_uint64
from pathlib import Path
from typing import Any

SOURCE = Path(__file__).with_name("points.c")
LIBRARY = "libpoints.so"
KINDS = {1: "create", 2: "write", 3: "sync", 4: "rename", 5: "open the folder"}
_TRACE = 256


class _Points(Structure):
    _fields_ = (
        ("count", c_uint64),
        ("at", c_uint64),
        ("after", c_uint32),
        ("victim", c_uint32),
        ("fired", c_uint64),
        ("writer", c_char * 64),
        ("folder", c_char * 256),
        ("trace", c_uint32 * _TRACE),
    )


def build(folder: Path, cc: str = "cc") -> Path:
    """Compile the library into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / LIBRARY
    flags = ["-std=c11", "-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC"]
    subprocess.run([cc, *flags, str(SOURCE), "-o", str(target), "-ldl"], check=True)
    return target


class Points:
    """The steps by which processes write files under a folder, and the one that is somebody's end."""

    def __init__(self, path: Path, library: Path, folder: Path, writer: str) -> None:
        """Watch processes whose command line has ``writer`` in it."""
        path.write_bytes(bytes(ctypes.sizeof(_Points)))
        with path.open("r+b") as file:
            self._shared: Any = _Points.from_buffer(mmap.mmap(file.fileno(), ctypes.sizeof(_Points)))
        self._shared.writer, self._shared.folder = writer.encode(), str(folder).encode()
        self.environment = {"LD_PRELOAD": str(library), "WATTLINE_POINTS": str(path)}

    @property
    def count(self) -> int:
        """How many steps there were."""
        return int(self._shared.count)

    @property
    def fired(self) -> bool:
        """Whether the end that was planned has come."""
        return bool(self._shared.fired)

    def kind(self, number: int) -> str:
        """Return what step ``number`` was; only the last 256 are known."""
        return KINDS[int(self._shared.trace[(number - 1) % _TRACE])]

    def end(self, steps: int, *, after: bool, victim: int) -> None:
        """Plan the end of a process (0: of whoever makes the step) before or after so many steps from now."""
        self._shared.fired, self._shared.after, self._shared.victim = 0, int(after), victim
        self._shared.at = self.count + steps

    def spare(self) -> None:
        """Plan nothing."""
        self._shared.at = 0
