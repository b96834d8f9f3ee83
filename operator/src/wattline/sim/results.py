"""What became of runs, of one pool's or of several pools' together: the figures that every report has."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from itertools import chain
from math import fsum
from typing import TypeVar

from wattline.sim.agents import Played
from wattline.sim.gateway import Tally
from wattline.sim.rates import quantile
from wattline.sim.rungs import Rung


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """What runs took, what their agents got and what a gateway saw; names are stable, None is "nothing to say it of"."""

    runs_offered: int
    runs_finished: int
    runs_outgrown: int
    """Runs longer than the model can hold; offered, not started."""
    joules: float
    """Of a pool's GPUs, one of several replicas in equal parts, or of all GPUs there are; idle included."""
    joules_per_finished_run: float | None
    """All joules over all finished runs."""
    tokens_per_second_per_agent_p5: float | None
    """P5 over the 30 s windows of all sessions."""
    ttft_seconds_p50: float | None
    """From a turn's arrival at the gateway to its first token."""
    ttft_seconds_p99: float | None
    run_seconds_mean: float | None
    run_seconds_p50: float | None
    run_seconds_p95: float | None
    recomputed_ratio: float
    """Prompt tokens computed again, of all that were computed."""
    turns: int
    output_tokens: int
    prefilled_tokens: int
    turns_held: int
    """Turns that waited at the gateway."""
    sessions_returned: int
    """Times a session went back to pending because memory ran out under it."""
    sessions_moved: int
    """Times a session was given another replica."""
    preemptions: int
    runs_successful: float | None
    """Finished runs times their chance of success against the pool's own model; only where a lower rung served."""
    joules_per_successful_run: float | None
    """All joules over those."""
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


@dataclass(frozen=True, slots=True)
class Outcome:
    """What agents and gateway of one pool have counted, or those of several pools together."""

    played: Played
    tally: Tally
    windows: Sequence[float]
    """Rates of all agents in all windows, least first."""
    run_seconds: Sequence[float]
    """Of finished runs, least first."""
    ttft_seconds: Sequence[float]
    """Of all turns, least first."""

    @classmethod
    def of(cls, played: Played, tally: Tally, windows: Iterable[float]) -> "Outcome":
        """Return what was counted, in an order from which quantiles are read."""
        return cls(played, tally, sorted(windows), sorted(played.run_seconds), sorted(tally.ttft_seconds))

    @classmethod
    def of_all(cls, outcomes: Sequence["Outcome"]) -> "Outcome":
        """Return the pools' counts together."""
        if len(outcomes) == 1:
            return outcomes[0]
        return cls.of(
            _summed(Played(), [each.played for each in outcomes]),
            _summed(Tally(), [each.tally for each in outcomes]),
            chain.from_iterable(each.windows for each in outcomes),
        )

    def results(self, joules: float, preemptions: int, rungs: Sequence[Rung]) -> Results:
        """Return the figures; ``rungs`` are those that served in place of pools' own models."""
        seconds, ttft, tally = self.run_seconds, self.ttft_seconds, self.tally
        finished = len(seconds)
        return Results(
            runs_offered=self.played.offered,
            runs_finished=finished,
            runs_outgrown=self.played.outgrown,
            joules=joules,
            joules_per_finished_run=joules / finished if finished else None,
            tokens_per_second_per_agent_p5=quantile(self.windows, 0.05),
            ttft_seconds_p50=quantile(ttft, 0.5),
            ttft_seconds_p99=quantile(ttft, 0.99),
            run_seconds_mean=fsum(seconds) / finished if finished else None,
            run_seconds_p50=quantile(seconds, 0.5),
            run_seconds_p95=quantile(seconds, 0.95),
            recomputed_ratio=tally.recomputed_ratio,
            turns=tally.turns,
            output_tokens=tally.output_tokens,
            prefilled_tokens=tally.prefilled_tokens,
            turns_held=tally.held,
            sessions_returned=tally.returned,
            sessions_moved=tally.moved,
            preemptions=preemptions,
            runs_successful=tally.successes if rungs else None,
            joules_per_successful_run=joules / tally.successes if rungs and tally.successes else None,
            sourced=all(rung.sourced for rung in rungs),
            turns_retried=tally.retried,
            lost_tokens=tally.lost_tokens,
            sessions_migrated=tally.migrated,
        )


_Counts = TypeVar("_Counts", Played, Tally)


def _summed(whole: _Counts, parts: Sequence[_Counts]) -> _Counts:
    """Add up counters, and put lists one after the other."""
    for part in parts:
        for field in fields(part):
            setattr(whole, field.name, getattr(whole, field.name) + getattr(part, field.name))
    return whole
