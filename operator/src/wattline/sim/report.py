"""What a simulation answers."""

from dataclasses import asdict, dataclass, fields

from wattline.sim.poolreport import PoolReport
from wattline.sim.series import Curves, Series
from wattline.sim.watts import DomainReport


@dataclass(frozen=True, slots=True)
class Report:
    """Results of one simulated stretch; names are stable, None is "nothing to say it of"."""

    mean_watts: float
    """All GPUs, from 0 to the end, idle included."""
    joules_per_finished_run: float | None
    """All joules over all finished runs."""
    runs_finished: int
    runs_offered: int
    runs_outgrown: int
    """Runs longer than the model can hold; offered, not started."""
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
    max_celsius: float
    throttle_seconds: float
    """GPU seconds with the clock lowered by heat."""
    over_budget_seconds: float
    """Seconds in which a domain drew more than its budget."""
    peak_watts: float | None
    """Highest 1 s draw of all GPUs together; only where watts were watched each second."""
    joules: float
    seconds: float
    """Until the last run ended, or the horizon where that is later."""
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
    mean_clock_mhz: float | None
    """Over the seconds in which an engine worked; only where clocks were moved."""
    seed: int
    runs_successful: float | None = None
    """Finished runs times their chance of success against the pool's own model; only where a lower rung served."""
    joules_per_successful_run: float | None = None
    """All joules over those."""
    sourced: bool = True
    """Whether every rung's success and turns have a source; without one, joules stay out of headlines."""
    turns_retried: int = 0
    """Turns that agents asked again for because their replica went away."""
    lost_tokens: int = 0
    """Output tokens that went with replicas and were generated again."""
    sessions_migrated: int = 0
    """Times a session's KV memory was sent to its new replica."""
    notes: tuple[str, ...] = ()
    """What was assumed of the fleet, and what of it cannot be; a sentence each."""
    pools: tuple[PoolReport, ...] = ()
    """Of each served pool, in the scenario's order."""
    domains: tuple[DomainReport, ...] = ()
    """Of each power domain, by name."""
    runs: tuple[tuple[str, float], ...] = ()
    """Of each finished run, in the order in which they ended: its id, and the seconds from its arrival to its last token."""
    series: Series | None = None
    """What was so over time; none where nobody asked for it."""
    curves: Curves | None = None
    """How waits and rates are spread; likewise."""

    @property
    def headline_joules_per_run(self) -> float | None:
        """Return the joules that a headline may say: per successful run where a lower rung served, if that is sourced."""
        if not self.sourced:
            return None
        return (
            self.joules_per_finished_run if self.runs_successful is None else self.joules_per_successful_run
        )

    def flat(self) -> dict[str, float | int | None]:
        """Return one flat object, of all pools together; domains stand in it under ``domains.NAME.``."""
        whole = {each.name: getattr(self, each.name) for each in fields(self) if each.name not in _NESTED}
        for domain in self.domains:
            whole |= {
                f"domains.{domain.name}.{key}": value
                for key, value in asdict(domain).items()
                if key != "name"
            }
        return whole


_NESTED = frozenset({"notes", "pools", "domains", "runs", "series", "curves"})
