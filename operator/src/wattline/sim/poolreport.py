"""What a simulation answers of one pool."""

from dataclasses import dataclass

from wattline.sim.results import Results

WRITTEN = (
    "name", "replicas", "runs_offered", "runs_finished", "runs_outgrown", "joules", "joules_per_finished_run",
    "tokens_per_second_per_agent_p5", "objective_tokens_per_second", "ttft_seconds_p50", "ttft_seconds_p99",
    "run_seconds_mean", "run_seconds_p50", "run_seconds_p95", "recomputed_ratio", "turns", "output_tokens",
    "prefilled_tokens", "turns_held", "sessions_returned", "sessions_moved", "preemptions", "runs_successful",
    "joules_per_successful_run", "sourced", "turns_retried", "lost_tokens", "sessions_migrated",
)  # fmt: skip
"""Names in the order in which files have them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolReport(Results):
    """Results of one served pool."""

    name: str
    """Full name of the pool."""
    replicas: int
    """Replicas that get work, at the start."""
    objective_tokens_per_second: float
    """What the pool asks for of `tokens_per_second_per_agent_p5`."""

    def flat(self) -> dict[str, float | int | str | None]:
        """Return one flat object."""
        return {name: getattr(self, name) for name in WRITTEN}
