"""How figures of an answer are written, for a terminal and for a page."""

from wattline.sim.poolreport import PoolReport
from wattline.sim.watts import DomainReport


def watts(value: float) -> str:
    """Return watts as people read them."""
    return (
        f"{value:.0f} W"
        if value < 1000
        else f"{value / 1000:.2f} kW"
        if value < 1e6
        else f"{value / 1e6:.3f} MW"
    )


def span(seconds: float) -> str:
    """Return a length of time as people read it."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def share(part: float, whole: float) -> str:
    """Return a part in percent, with more digits where it is small."""
    percent = 100 * part / whole if whole else 0.0
    return f"{percent:.2g} %" if 0 < percent < 10 else f"{percent:.0f} %"


def figure(value: float | None, unit: str, digits: int) -> str:
    """Return a figure with its unit; a dash where there is nothing to say it of."""
    return "-" if value is None else f"{value:,.{digits}f} {unit}"


def kilojoules(joules: float | None) -> str:
    """Return joules of one run."""
    return figure(None if joules is None else joules / 1000, "kJ", 2)


def counted(number: int, what: str) -> str:
    """Return how many of something there are."""
    return f"{number} {what}{'' if number == 1 else 's'}"


def pool_cells(pool: PoolReport) -> tuple[str, ...]:
    """Return a pool's row: name, replicas, runs, their P50 and P95, first token's P50 and P99, rate, recomputed, energy."""
    return (
        pool.name,
        str(pool.replicas),
        f"{pool.runs_finished}/{pool.runs_offered}",
        figure(pool.run_seconds_p50, "s", 0),
        figure(pool.run_seconds_p95, "s", 0),
        figure(pool.ttft_seconds_p50, "s", 2),
        figure(pool.ttft_seconds_p99, "s", 2),
        figure(pool.tokens_per_second_per_agent_p5, "tok/s", 1),
        share(pool.recomputed_ratio, 1),
        kilojoules(pool.headline_joules_per_run),
    )


def domain_cells(domain: DomainReport, seconds: float) -> tuple[str, ...]:
    """Return a domain's row: name, GPUs, budget for them, mean draw, highest second, time over budget of so many seconds."""
    over = domain.over_budget_seconds
    return (
        domain.name,
        str(domain.gpus),
        watts(domain.budget_watts),
        watts(domain.mean_watts),
        watts(domain.peak_watts),
        f"{span(over)}, {share(over, seconds)}" if over else "never",
    )
