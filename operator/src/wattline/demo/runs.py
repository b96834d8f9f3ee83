"""Which agent runs the demo plays, and when they start."""

import os
from dataclasses import dataclass
from pathlib import Path
from random import Random

from wattline.model.runs import Arrival, Run
from wattline.sim import tables, traces
from wattline.sim.arrivals import schedule
from wattline.sim.generate import generate
from wattline.sim.recording import Recording, Session, TraceError

RUNS = 40
LONGEST_SPAN_SECONDS = 600.0
FEWEST_TURNS = 3
"""A run of one or two calls is no agent at work."""
_OUTPUT_TOKENS_PER_SECOND = 60.0
"""What a run is taken to have generated at where the trace does not say how long it took."""


@dataclass(frozen=True, slots=True)
class Load:
    """The arrivals of one pass; all passes play the same."""

    arrivals: tuple[Arrival, ...]
    source: str
    """Where the runs come from, for the heading."""

    @property
    def turns(self) -> int:
        """LLM calls of all runs."""
        return sum(len(arrival.run.turns) for arrival in self.arrivals)


def choose(
    trace: Path | None, seed: int, *, arrive_within_seconds: float, longest_tokens: int, runs: int = RUNS
) -> Load:
    """Return a seeded choice of recorded runs, or of generated ones where no recording is at hand.

    Chosen are runs that a replica of ``longest_tokens`` can hold and that took at most 600 s when recorded, one of
    a session; a trace with fewer gives what it has.
    """
    folder = trace or found_trace()
    if folder is None:
        recording, source = (
            generate(runs * 4, seed),
            "generated agent runs (no recorded ones at hand; --trace DIR)",
        )
        spans: dict[str, float] = {}
    else:
        recording, source = traces.load(folder), "recorded agent runs"
        spans = _recorded_spans(folder)
    rng = Random(seed)
    fitting = [
        [run for run in session.runs if _fits(run, spans, longest_tokens)] for session in recording.sessions
    ]
    sessions = [each for each in fitting if each]
    if not sessions:
        raise TraceError(
            f"{folder}: no run of at most {LONGEST_SPAN_SECONDS:.0f} s and {longest_tokens:,} tokens in it"
        )
    picked = [rng.choice(each) for each in rng.sample(sessions, min(runs, len(sessions)))]
    chosen = Recording(tuple(Session((run,), (0.0,)) for run in picked))
    moments = sorted(rng.uniform(0, arrive_within_seconds) for _ in picked)
    return Load(tuple(schedule(chosen, moments, rng)), source)


def found_trace() -> Path | None:
    """Return the folder of recorded runs where the environment or the neighbourhood has one."""
    shared = Path(os.environ.get("WATTLINE_SHARED", Path("..") / "shared"))
    folder = shared / "data" / "agentic"
    return folder if folder.is_dir() else None


def _recorded_spans(trace: Path) -> dict[str, float]:
    """Return the recorded span of each run, where a table beside the trace says it."""
    path = tables.beside(trace / "any" if trace.is_dir() else trace, "agentcgroup_runs.csv")
    if path is None:
        return {}
    return {row["run_id"]: tables.number(path, row, "trace_span_s") for row in tables.rows(path)}


def _fits(run: Run, spans: dict[str, float], longest_tokens: int) -> bool:
    taken = sum(turn.gap_seconds + turn.output.tokens / _OUTPUT_TOKENS_PER_SECOND for turn in run.turns)
    if len(run.turns) < FEWEST_TURNS or run.longest_tokens > longest_tokens:
        return False
    return spans.get(run.id, taken) <= LONGEST_SPAN_SECONDS
