"""Recorded Claude Code runs of agentcgroup (``agentcgroup_llm_calls.csv``, plain or gzip'd)."""

from itertools import pairwise
from pathlib import Path

from wattline.model.runs import Run
from wattline.sim import tables
from wattline.sim.recording import Recording, Session, TraceError, Writer, chained
from wattline.sim.traces.asked import EMPTY_OUTPUT, EMPTY_PROMPT, OVERLAP, Asked

NEEDED = frozenset({"run_id", "prev_event_s", "last_block_s", "input_tokens", "output_tokens"})
TRUE_COUNTS = ("local", "branchfs", "empirical")
"""Experiments whose ``output_tokens`` are true; elsewhere they are a streaming placeholder of 1 or 2."""

HARNESS = "agentcgroup/claude-code"

Row = dict[str, str]
Lines = list[tuple[int, Row]]
"""Rows and where they stand."""


def load(path: Path, asked: Asked) -> Recording:
    """Return the runs with true output counts, each a session of its own.

    The gap after a call is the time until the next one's last input (a tool's result) was there. All runs are of
    one harness; the shortest first prompt among them is taken for its opening.
    """
    calls: dict[str, Lines] = {}
    seen: dict[tuple[str, str, str], int] = {}
    left_out: dict[str, int] = {}
    for line, row in tables.numbered(path):
        run = row["run_id"]
        if not any(word in experiment(run) for word in TRUE_COUNTS):
            left_out.setdefault(run, line)
            continue
        if "call_idx" in row:
            name = (run, row["call_idx"], row.get("is_sidechain", ""))
            if name in seen:
                raise TraceError(
                    f"{path}:{line}: call {row['call_idx']} of run {run} stands here again, after line {seen[name]}; "
                    "take one of the two out"
                )
            seen[name] = line
        calls.setdefault(run, []).append((line, row))
    if not calls:
        raise TraceError(
            f"{path}: no run of an experiment with true output counts ({', '.join(TRUE_COUNTS)})"
        )
    for line in left_out.values():
        asked.notes.count("runs whose output counts are a streaming placeholder, left out", f"{path}:{line}")
    opening = min(max(1, _sent(path, *rows[0])) for rows in calls.values())
    return Recording(
        tuple(Session((_run(path, run, rows, opening, asked),), (0.0,)) for run, rows in calls.items())
    )


def _run(path: Path, name: str, rows: Lines, opening_tokens: int, asked: Asked) -> Run:
    gaps: list[float] = []
    for (line, before), (next_line, after) in pairwise(rows):
        gap = tables.number(path, after, "prev_event_s", line=next_line) - tables.number(
            path, before, "last_block_s", line=line
        )
        if gap < 0:
            asked.notes.count(OVERLAP, f"{path}:{next_line}")
        gaps.append(max(0.0, gap))
    calls = [
        (_prompt(path, line, row, asked), _output(path, line, row, asked), gap)
        for (line, row), gap in zip(rows, [*gaps, 0.0], strict=True)
    ]
    tools = [row.get("tool_names", "").replace("|", "+") for _, row in rows]
    return Run(name, name, HARNESS, chained(Writer(name, HARNESS, opening_tokens), calls, tools))


def experiment(run: str) -> str:
    """Return which of agentcgroup's experiments a run belongs to."""
    return run.split("/", 1)[0]


def _output(path: Path, line: int, row: Row, asked: Asked) -> int:
    found = int(tables.least(path, row, "output_tokens", line=line))
    return asked.at_least_one(found, f"{path}:{line}", EMPTY_OUTPUT)


def _prompt(path: Path, line: int, row: Row, asked: Asked) -> int:
    return asked.at_least_one(_sent(path, line, row), f"{path}:{line}", EMPTY_PROMPT)


def _sent(path: Path, line: int, row: Row) -> int:
    parts = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
    return int(sum(tables.least(path, row, part, line=line) for part in parts))
