"""What each run (a root session with all that belongs to it) cost so far."""

from collections import OrderedDict
from dataclasses import dataclass, field

from wattline.model.wire import RunEnergy

KEPT_RUNS = 10_000


@dataclass(slots=True)
class Run:
    """One run's account."""

    id: str
    joules: float = 0.0
    turns: int = 0
    open_turns: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    recomputed_tokens: int = 0
    last_seconds: dict[tuple[str, str], float] = field(default_factory=dict)
    """Pool and replica: end of the run's last turn there."""


class Runs:
    """The latest runs by id."""

    def __init__(self, kept: int = KEPT_RUNS) -> None:
        self._kept = kept
        self._runs: OrderedDict[str, Run] = OrderedDict()

    def run(self, run_id: str) -> Run:
        """Return a run's account, opening one if there is none."""
        run = self._runs.get(run_id)
        if run is None:
            run = self._runs[run_id] = Run(run_id)
        self._runs.move_to_end(run_id)
        if len(self._runs) > self._kept:
            done = next((each for each, old in self._runs.items() if not old.open_turns), None)
            if done is not None:
                del self._runs[done]
        return run

    def add_joules(self, run_id: str, joules: float) -> None:
        """Add settled joules; those of a run that is forgotten are in the totals only."""
        run = self._runs.get(run_id)
        if run is not None:
            run.joules += joules

    def view(self, run_id: str, settled_until: dict[tuple[str, str], float]) -> RunEnergy | None:
        """Return what ``GET /v1/runs/ID`` says."""
        run = self._runs.get(run_id)
        if run is None:
            return None
        settled = run.open_turns == 0 and all(
            settled_until.get(replica, 0.0) >= last for replica, last in run.last_seconds.items()
        )
        return RunEnergy(
            id=run.id,
            joules=round(run.joules, 3),
            settled=settled,
            turns=run.turns,
            prompt_tokens=run.prompt_tokens,
            cached_tokens=run.cached_tokens,
            completion_tokens=run.completion_tokens,
            recomputed_tokens=run.recomputed_tokens,
        )
