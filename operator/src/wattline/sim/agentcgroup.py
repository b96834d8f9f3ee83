"""Recorded Claude Code runs of agentcgroup (``agentcgroup_llm_calls.csv``, plain or gzip'd)."""

from itertools import pairwise
from pathlib import Path

from wattline.model.runs import Run
from wattline.sim import tables
from wattline.sim.recording import Session, TraceError, Writer, chained

NEEDED = frozenset({"run_id", "prev_event_s", "last_block_s", "input_tokens", "output_tokens"})
TRUE_COUNTS = ("local", "branchfs", "empirical")
"""Experiments whose ``output_tokens`` are true; elsewhere they are a streaming placeholder of 1 or 2."""

HARNESS = "agentcgroup/claude-code"

Row = dict[str, str]


def load(path: Path) -> tuple[Session, ...]:
    """Return the runs with true output counts, each a session of its own.

    The gap after a call is the time until the next one's last input (a tool's result) was there. All runs are of
    one harness; the shortest first prompt among them is taken for its opening.
    """
    calls: dict[str, list[Row]] = {}
    for row in tables.rows(path):
        run = row["run_id"]
        if any(word in _experiment(run) for word in TRUE_COUNTS):
            calls.setdefault(run, []).append(row)
    if not calls:
        raise TraceError(
            f"{path}: no run of an experiment with true output counts ({', '.join(TRUE_COUNTS)})"
        )
    opening = min(_prompt(path, rows[0]) for rows in calls.values())
    return tuple(Session((_run(path, run, rows, opening),), (0.0,)) for run, rows in calls.items())


def _run(path: Path, name: str, rows: list[Row], opening_tokens: int) -> Run:
    gaps = [
        max(0.0, tables.number(path, after, "prev_event_s") - tables.number(path, before, "last_block_s"))
        for before, after in pairwise(rows)
    ]
    calls = [
        (_prompt(path, row), max(1, int(tables.number(path, row, "output_tokens"))), gap)
        for row, gap in zip(rows, [*gaps, 0.0], strict=True)
    ]
    return Run(name, name, HARNESS, chained(Writer(name, HARNESS, opening_tokens), calls))


def _experiment(run: str) -> str:
    return run.split("/", 1)[0]


def _prompt(path: Path, row: Row) -> int:
    parts = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
    return max(1, int(sum(tables.number(path, row, part) for part in parts)))
