"""Finds out which public format a trace is in, and loads it."""

from collections.abc import Callable
from pathlib import Path

from wattline.sim import agentcgroup, claudecode, tables
from wattline.sim.recording import Recording, Session, TraceError, unshared

Loader = Callable[[Path], tuple[Session, ...]]

FORMATS: tuple[tuple[str, frozenset[str], Loader], ...] = (
    ("agentcgroup_llm_calls.csv", agentcgroup.NEEDED, agentcgroup.load),
    ("claude_code_weka_requests.csv", claudecode.NEEDED, claudecode.load),
)
"""Name the format's file usually has, columns it must have, loader."""


def load(path: Path, *, shared_prefix: bool = True) -> Recording:
    """Return the runs of a trace file, or of the first known one in a folder.

    Without ``shared_prefix`` no two runs have an opening prompt in common.
    """
    file = _found(path)
    columns = frozenset(tables.columns(file))
    for _, needed, loader in FORMATS:
        if needed <= columns:
            sessions = loader(file)
            return Recording(sessions if shared_prefix else unshared(sessions))
    known = "; ".join(f"{name}: {', '.join(sorted(needed))}" for name, needed, _ in FORMATS)
    raise TraceError(f"{file}: not a known trace; expected the columns of {known}")


def _found(path: Path) -> Path:
    if not path.is_dir():
        return path
    for name, _, _ in FORMATS:
        found = tables.beside(path / name, name)
        if found is not None:
            return found
    raise TraceError(
        f"{path}: no trace in this folder; expected {' or '.join(name for name, _, _ in FORMATS)}[.gz]"
    )
