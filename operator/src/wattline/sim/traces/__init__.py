"""Finds out which public format a trace is in, from its content, and loads it."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import islice
from pathlib import Path

from wattline.sim import tables
from wattline.sim.notes import Notes
from wattline.sim.recording import Recording, TraceError
from wattline.sim.traces import (
    agentcgroup,
    azure,
    claudejson,
    claudetables,
    gatewaylog,
    mooncake,
    servegen,
    transcript,
)
from wattline.sim.traces.asked import Asked

__all__ = ["FORMATS", "Format", "Recording", "TraceError", "format_of", "load", "timed"]

LOOKED_AT_LINES = 20
"""So many lines of a JSON file are looked at for the names that tell its format."""


@dataclass(frozen=True, slots=True)
class Format:
    """One public format."""

    name: str
    usual: str
    """Name its file usually has."""
    needed: frozenset[str]
    """Columns, or names in its JSON objects, that it must have."""
    load: Callable[[Path, Asked], Recording]
    table: bool = False
    pattern: str = ""
    """What its files are called where a whole folder is one trace."""
    timed: bool = False
    """It says when its sessions began."""


FORMATS = (
    Format(
        "agentcgroup calls", "agentcgroup_llm_calls.csv", agentcgroup.NEEDED, agentcgroup.load, table=True
    ),
    Format(
        "Claude Code requests",
        "claude_code_weka_requests.csv",
        claudetables.NEEDED,
        claudetables.load,
        table=True,
    ),
    Format(
        "Azure inference", "AzureLLMInferenceTrace_*.csv", azure.NEEDED, azure.load, table=True, timed=True
    ),
    Format("gateway record", "turns.jsonl", gatewaylog.NEEDED, gatewaylog.load, timed=True),
    Format(
        "Claude Code sessions",
        "trace_NNNN.json",
        claudejson.NEEDED,
        claudejson.load,
        pattern=claudejson.PATTERN,
    ),
    Format(
        "Claude Code transcript",
        "trace.jsonl",
        transcript.NEEDED,
        transcript.load,
        pattern=transcript.PATTERN,
    ),
    Format("Mooncake calls", "conversation_trace.jsonl", mooncake.NEEDED, mooncake.load, timed=True),
    Format(
        "ServeGen clients",
        "servegen_WORKLOAD_dataset.jsonl",
        servegen.NEEDED,
        servegen.load,
        pattern=servegen.PATTERN,
        timed=True,
    ),
)
"""Where two could be meant, the first is taken."""


def load(
    path: Path,
    *,
    shared_prefix: bool = True,
    seed: int | str = 0,
    hours: float = 24.0,
    rate_per_second: float | None = None,
    workload: str | None = None,
) -> Recording:
    """Return the sessions of a trace file, or of the trace that a folder holds, and what was noticed in it.

    Without ``shared_prefix`` no two sessions have an opening prompt in common. ``seed``, ``hours``, ``rate_per_second``
    and ``workload`` matter where calls are drawn from distributions (ServeGen). Raises `TraceError` with place, cause
    and remedy.
    """
    file, known = _found(path)
    notes = Notes()
    for other in _others(path, file):
        notes.count("other traces in the folder, not played", other)
    recording = known.load(file, Asked(notes, str(seed), hours, rate_per_second, workload))
    recording = replace(recording, source=f"{known.name}: {file}", notes=notes.all())
    return recording if shared_prefix else recording.unshared()


def timed(path: Path) -> bool:
    """Return whether a trace says when its sessions began; raise `TraceError` where there is none."""
    return _found(path)[1].timed


def format_of(file: Path) -> Format | None:
    """Return the format of a file, from its content; None for an unknown one."""
    start = next(tables.lines(file), "").lstrip()
    if start[:1] in {"{", "["}:
        stat = file.stat()
        names = _names(file, stat.st_mtime_ns, stat.st_size)
        return next((each for each in FORMATS if not each.table and each.needed <= names), None)
    columns = frozenset(tables.columns(file))
    return next((each for each in FORMATS if each.table and each.needed <= columns), None)


@lru_cache(maxsize=16)
def _names(file: Path, _mtime_ns: int, _size: int) -> frozenset[str]:
    """Return the names in the first objects of a file of JSON lines, or of a file that is one object.

    A session of many megabytes is parsed for it, and not again while the file stays as it is.
    """
    found: set[str] = set()
    for index, line in enumerate(islice(tables.lines(file), LOOKED_AT_LINES)):
        try:
            value = json.loads(line) if line.strip() else {}
        except (ValueError, RecursionError):
            if index:
                break  # the reader says it, with its line
            value = tables.document(file)
        if isinstance(value, dict):
            found.update(value)
    return frozenset(found)


def _others(path: Path, taken: Path) -> list[Path]:
    """Return the tables by whose names a folder holds traces beside the one that is taken."""
    if path == taken:
        return []
    named = (tables.beside(taken, each.usual) for each in FORMATS if each.table)
    return [file for file in named if file is not None and file != taken]


def _found(path: Path) -> tuple[Path, Format]:
    """Return what is to be read, and its format."""
    if not path.is_dir():
        known = format_of(path)
        if known is None:
            if not next(tables.lines(path), ""):
                raise TraceError(f"{path}: not a known trace: it is empty; fetch it again, or name another")
            listed = "; ".join(f"{each.usual}: {', '.join(sorted(each.needed))}" for each in FORMATS)
            raise TraceError(f"{path}: not a known trace; expected the columns or names of {listed}")
        return path, known
    for each in FORMATS:
        file = tables.beside(path / each.usual, each.usual)
        if file is not None and each.table:
            return file, each
        if each.pattern and next(path.glob(each.pattern), None) is not None:
            return path, each
    candidates = [
        (file, known)
        for file in sorted(path.iterdir())
        if file.is_file() and {".csv", ".json", ".jsonl"} & set(file.suffixes)
        if (known := format_of(file)) is not None
    ]
    if len(candidates) == 1:
        return candidates[0]
    if candidates:
        raise TraceError(
            f"{path}: several traces; name one: {', '.join(file.name for file, _ in candidates)}"
        )
    raise TraceError(
        f"{path}: no trace in this folder; expected {' or '.join(each.usual for each in FORMATS)}[.gz]"
    )
