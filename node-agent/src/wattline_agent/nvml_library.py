"""Where the driver's library is: the loader's own places, or below a driver root as containers of a driver have it.

NVIDIA's GPU operator keeps the driver in a container, whose root is ``/run/nvidia/driver`` on the node.
"""

import ctypes
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

NAME = "libnvidia-ml.so.1"
"""The name by which nvidia-ml-py loads it; a library of this name that is loaded already is the one it gets."""

ROOTS = (Path("/run/nvidia/driver"), Path("/usr/local/nvidia"), Path("/home/kubernetes/bin/nvidia"))
"""Driver containers of NVIDIA's GPU operator, and what Google's nodes mount into pods and have themselves."""

FOLDERS = (
    "usr/lib/x86_64-linux-gnu",
    "usr/lib/aarch64-linux-gnu",
    "usr/lib64",
    "usr/lib",
    "lib/x86_64-linux-gnu",
    "lib/aarch64-linux-gnu",
    "lib64",
    "lib",
    "",
)
"""Where distributions have it below a root."""


def candidates(roots: Iterable[Path]) -> tuple[Path, ...]:
    """Return the libraries that are there below the roots, in the order in which to try them."""
    places = [root / folder / NAME for root in roots for folder in FOLDERS]
    return tuple(place for place in places if place.is_file())


def load(root: str) -> bool:
    """Load the library, from below ``root`` if one is named, else from where the loader or a driver's root has it.

    False where there is none yet, or none that can be loaded; another try may find one.
    """
    if not root and _loaded(NAME):
        return True
    return any(_loaded(str(place)) for place in candidates((Path(root),) if root else ROOTS))


def _loaded(name: str) -> bool:
    with suppress(OSError):
        ctypes.CDLL(name)
        return True
    return False
