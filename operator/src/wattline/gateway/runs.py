"""What each run (a root session with all that belongs to it) cost so far."""

from collections import OrderedDict, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from math import inf

from wattline.model.wire import RunEnergy

KEPT_RUNS = 10_000


@dataclass(slots=True)
class Run:
    """One run's account."""

    id: str
    workflow: str = ""
    """Full name of the workflow it belongs to, where it named one."""
    joules: float = 0.0
    turns: int = 0
    open_turns: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    recomputed_tokens: int = 0
    last_seconds: dict[tuple[str, str], float] = field(default_factory=dict)
    """Pool and replica: end of the run's last turn there."""
    finished_joules: float = 0.0
    """Of its joules, those that were told when it finished before; a session may go on after its end."""
    finished_turns: int = 0
    """Of its turns, those it had when it last finished."""

    @property
    def pool(self) -> str:
        """Return the pool of its last turn."""
        return max(self.last_seconds, key=lambda replica: self.last_seconds[replica])[0]

    def settled(self, until: Mapping[tuple[str, str], float]) -> bool:
        """Whether all its joules are divided; a replica whose book is closed owes none."""
        return self.open_turns == 0 and all(
            until.get(replica, inf) >= last for replica, last in self.last_seconds.items()
        )


class Runs:
    """The latest runs by id."""

    def __init__(self, kept: int = KEPT_RUNS) -> None:
        self._kept = kept
        self._runs: OrderedDict[str, Run] = OrderedDict()
        self._over: dict[str, Run] = {}
        """Finished runs that wait for their last joules."""
        self.workflow_joules: defaultdict[str, float] = defaultdict(float)
        """Joules of the runs of each workflow."""

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
                self._over.pop(done, None)
        return run

    def finish(self, run_id: str) -> Run | None:
        """Note that a run is over and return it, unless no turn was answered since its last end."""
        run = self._runs.get(run_id)
        if run is None or run.turns == run.finished_turns:
            return None
        run.finished_turns = run.turns
        self._over[run_id] = run
        return run

    def finished(self, settled_until: Mapping[tuple[str, str], float]) -> Iterator[tuple[Run, float]]:
        """Yield every run that is over and settled since, each once, and its joules."""
        for run_id, run in list(self._over.items()):
            if run.settled(settled_until):
                del self._over[run_id]
                yield run, run.joules - run.finished_joules
                run.finished_joules = run.joules

    def add_joules(self, run_id: str, joules: float) -> None:
        """Add settled joules; those of a run that is forgotten are in the totals only."""
        run = self._runs.get(run_id)
        if run is not None:
            run.joules += joules
            if run.workflow:
                self.workflow_joules[run.workflow] += joules

    def view(self, run_id: str, settled_until: dict[tuple[str, str], float]) -> RunEnergy | None:
        """Return what ``GET /v1/runs/ID`` says."""
        run = self._runs.get(run_id)
        if run is None:
            return None
        return RunEnergy(
            id=run.id,
            joules=round(run.joules, 3),
            settled=run.settled(settled_until),
            turns=run.turns,
            prompt_tokens=run.prompt_tokens,
            cached_tokens=run.cached_tokens,
            completion_tokens=run.completion_tokens,
            recomputed_tokens=run.recomputed_tokens,
        )
