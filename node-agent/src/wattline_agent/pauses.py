"""Who wants this node's agent to keep its hands off the driver: one small file for each. Standard library only.

The files are in the runtime folder, which a reboot empties: an agent that comes up after one holds its GPUs again.
The supervisor looks at them, so that a pause works whichever of the other two processes is alive.
"""

import contextlib
import re
from pathlib import Path

PERSON = "person"
"""Asked for with ``wattline-node-agent pause``."""
GPU_OPERATOR = "gpu-operator"
"""Asked for by the labels of the node."""

LET_GO = "let-go"
"""File beside the folder that is there while no process of this agent uses the driver."""


class Pauses:
    """The pauses of one node; each asker has one, and all must end before the driver is used again."""

    def __init__(self, runtime: Path, node: str) -> None:
        base = runtime / "nodes" / re.sub(r"[^A-Za-z0-9._-]", "_", node)
        self._folder = base / "paused"
        self._let_go = base / LET_GO

    def reason(self) -> str:
        """Return why the driver must not be used, one CamelCase word first; empty if it may be."""
        try:
            files = sorted(self._folder.iterdir())
        except OSError:
            return ""
        return "; ".join(filter(None, (_read(path) for path in files if not path.name.endswith(".part"))))

    def ask(self, by: str, reason: str) -> None:
        """Have the driver left alone; raise OSError if that cannot be noted."""
        path = self._folder / by
        if _read(path) == reason:
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f"{by}.part")
        part.write_text(reason + "\n")
        part.replace(path)

    def end(self, by: str) -> bool:
        """End one asker's pause; say whether there was one. Raise OSError if that is not possible."""
        try:
            (self._folder / by).unlink()
        except FileNotFoundError:
            return False
        return True

    @property
    def let_go(self) -> bool:
        """Whether the agent has let go of the driver."""
        return self._let_go.exists()

    def note(self, *, let_go: bool) -> None:
        """Note whether the agent uses the driver, for those who wait for it; a full disk leaves them waiting."""
        with contextlib.suppress(OSError):
            if let_go:
                self._let_go.parent.mkdir(parents=True, exist_ok=True)
                self._let_go.touch()
            else:
                self._let_go.unlink(missing_ok=True)


def _read(path: Path) -> str:
    try:
        return " ".join(path.read_text(errors="replace").split()) or "Paused"
    except OSError:
        return ""
