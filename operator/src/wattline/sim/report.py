"""What a simulation answers."""

from dataclasses import asdict, dataclass

from wattline.sim.poolreport import PoolReport
from wattline.sim.results import Results
from wattline.sim.series import Curves, Series
from wattline.sim.watts import DomainReport

WRITTEN = (
    "mean_watts", "joules_per_finished_run", "runs_finished", "runs_offered", "runs_outgrown",
    "tokens_per_second_per_agent_p5", "ttft_seconds_p50", "ttft_seconds_p99", "run_seconds_mean", "run_seconds_p50",
    "run_seconds_p95", "recomputed_ratio", "max_celsius", "throttle_seconds", "over_budget_seconds", "peak_watts",
    "joules", "seconds", "turns", "output_tokens", "prefilled_tokens", "turns_held", "sessions_returned",
    "sessions_moved", "preemptions", "mean_clock_mhz", "seed", "runs_successful", "joules_per_successful_run", "sourced",
    "turns_retried", "lost_tokens", "sessions_migrated",
)  # fmt: skip
"""Names in the order in which files have them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report(Results):
    """Results of one simulated stretch, of all pools together."""

    mean_watts: float
    """All GPUs, from 0 to the end, idle included."""
    max_celsius: float
    throttle_seconds: float
    """GPU seconds with the clock lowered by heat."""
    over_budget_seconds: float
    """Seconds in which a domain drew more than its budget."""
    peak_watts: float | None
    """Highest 1 s draw of all GPUs together; only where watts were watched each second."""
    seconds: float
    """Until the last run ended, or the horizon where that is later."""
    mean_clock_mhz: float | None
    """Over the seconds in which an engine worked; only where clocks were moved."""
    seed: int
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

    def flat(self) -> dict[str, float | int | None]:
        """Return one flat object, of all pools together; domains stand in it under ``domains.NAME.``."""
        whole = {name: getattr(self, name) for name in WRITTEN}
        for domain in self.domains:
            whole |= {
                f"domains.{domain.name}.{key}": value
                for key, value in asdict(domain).items()
                if key != "name"
            }
        return whole
