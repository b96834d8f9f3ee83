"""Azure's inference traces: LLM of 2023 and 2024 (conversation, code) and LMM of 2025 (with images)."""

from array import array
from pathlib import Path

from wattline.sim import tables
from wattline.sim.moments import moment
from wattline.sim.recording import Calls, Recording, TraceError
from wattline.sim.traces.asked import Asked

NEEDED = frozenset({"TIMESTAMP", "ContextTokens", "GeneratedTokens"})
MOST_EMPTY_RATIO = 0.01
"""The LMM trace of 2025 has 473 rows without tokens in a million; a file with many more is not what it says."""


def load(path: Path, asked: Asked) -> Recording:
    """Return each row as a session of one call that shares nothing, at its recorded moment.

    Rows without tokens are left out and counted; rows out of order are put in order.
    """
    rows: list[tuple[float, int, int, int]] = []
    empty = total = 0
    latest = float("-inf")
    for line, row in tables.numbered(path):
        place = f"{path}:{line}"
        total += 1
        at = moment(row["TIMESTAMP"])
        if at is None:
            raise TraceError(
                f"{place}: expected a TIMESTAMP like 2023-11-16 18:15:46.68, not {row['TIMESTAMP']!r}"
            )
        prompt, output = (
            int(tables.least(path, row, column, line=line)) for column in ("ContextTokens", "GeneratedTokens")
        )
        if prompt < 1 or output < 1:
            empty += 1
            asked.notes.count("calls without prompt or output tokens, left out", place)
            continue
        if at < latest:
            asked.notes.count("calls earlier than the one before them, put in order", place)
        latest = max(latest, at)
        rows.append((at, prompt, output, int(tables.least(path, row, "NumImages", line=line))))
    if empty and (not rows or empty > max(10, MOST_EMPTY_RATIO * total)):
        raise TraceError(f"{path}: {empty} of {total} calls have no tokens; are columns mixed up?")
    if not rows:
        raise TraceError(f"{path}: no calls in it; fetch it again, or name another")
    rows.sort(key=lambda row: row[0])
    calls = Calls(
        path.name.partition(".")[0], f"azure/{'lmm' if 'NumImages' in tables.columns(path) else 'llm'}"
    )
    for _, prompt, output, images in rows:
        calls.add(prompt, output, images)
    return Recording(calls, array("d", (at - rows[0][0] for at, *_ in rows)))
