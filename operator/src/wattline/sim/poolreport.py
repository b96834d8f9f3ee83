"""What a simulation answers of one pool."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from math import fsum
from typing import TypeVar

from wattline.sim.agents import Played
from wattline.sim.gateway import Tally
from wattline.sim.rates import quantile


@dataclass(frozen=True, slots=True)
class PoolReport:
    """Results of one served pool; names are those of the whole report, None is "nothing to say it of"."""

    name: str
    """Full name of the pool."""
    replicas: int
    """Replicas that get work, at the start."""
    runs_offered: int
    runs_finished: int
    runs_outgrown: int
    joules: float
    """Of the GPUs of all its replicas; a GPU of several replicas counts in equal parts."""
    joules_per_finished_run: float | None
    tokens_per_second_per_agent_p5: float | None
    objective_tokens_per_second: float
    """What the pool asks for of it."""
    ttft_seconds_p50: float | None
    ttft_seconds_p99: float | None
    run_seconds_mean: float | None
    run_seconds_p50: float | None
    run_seconds_p95: float | None
    recomputed_ratio: float
    turns: int
    output_tokens: int
    prefilled_tokens: int
    turns_held: int
    sessions_returned: int
    sessions_moved: int
    preemptions: int
    runs_successful: float | None
    """Finished runs times their chance of success against the pool's own model; only where a lower rung served."""
    joules_per_successful_run: float | None
    sourced: bool
    """Whether every rung's success and turns have a source; without one, joules stay out of headlines."""
    turns_retried: int
    """Turns that agents asked again for because their replica went away."""
    lost_tokens: int
    """Output tokens that went with replicas and were generated again."""
    sessions_migrated: int
    """Times a session's KV memory was sent to its new replica."""

    @property
    def headline_joules_per_run(self) -> float | None:
        """Return the joules that a headline may say: per successful run where a lower rung served, if that is sourced."""
        if not self.sourced:
            return None
        return (
            self.joules_per_finished_run if self.runs_successful is None else self.joules_per_successful_run
        )

    def flat(self) -> dict[str, float | int | str | None]:
        """Return one flat object."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Runs:
    """What runs took and what their agents got."""

    runs_finished: int
    runs_offered: int
    runs_outgrown: int
    tokens_per_second_per_agent_p5: float | None
    ttft_seconds_p50: float | None
    ttft_seconds_p99: float | None
    run_seconds_mean: float | None
    run_seconds_p50: float | None
    run_seconds_p95: float | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What agents and gateway of one pool have counted, or those of several pools together."""

    played: Played
    tally: Tally
    windows: Sequence[float]
    """Rates of all agents in all windows."""

    @classmethod
    def of_all(cls, outcomes: Sequence["Outcome"]) -> "Outcome":
        """Return the pools' counts together."""
        if len(outcomes) == 1:
            return outcomes[0]
        return cls(
            _summed(Played(), [each.played for each in outcomes]),
            _summed(Tally(), [each.tally for each in outcomes]),
            [rate for each in outcomes for rate in each.windows],
        )

    def runs(self) -> Runs:
        """Return the runs' figures as reports name them."""
        seconds, ttft = self.played.run_seconds, self.tally.ttft_seconds
        return Runs(
            runs_finished=len(seconds),
            runs_offered=self.played.offered,
            runs_outgrown=self.played.outgrown,
            tokens_per_second_per_agent_p5=quantile(self.windows, 0.05),
            ttft_seconds_p50=quantile(ttft, 0.5),
            ttft_seconds_p99=quantile(ttft, 0.99),
            run_seconds_mean=fsum(seconds) / len(seconds) if seconds else None,
            run_seconds_p50=quantile(seconds, 0.5),
            run_seconds_p95=quantile(seconds, 0.95),
        )


_Counts = TypeVar("_Counts", Played, Tally)


def _summed(whole: _Counts, parts: Sequence[_Counts]) -> _Counts:
    """Add up counters, and put lists one after the other."""
    for part in parts:
        for field in fields(part):
            setattr(whole, field.name, getattr(whole, field.name) + getattr(part, field.name))
    return whole
