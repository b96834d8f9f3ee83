"""PromQL that several dashboards ask."""

GATEWAY_JOULES = "wattline_gateway_run_energy_joules"
"""The histogram of the energy of finished runs, by the pool of their last turn."""


def greatest(labels: str, series: str) -> str:
    """Return one series for each value of the labels, whichever process told it."""
    return f"max by ({labels}) ({series})"


def rate(labels: str, series: str, window: str = "$__rate_interval") -> str:
    """Return how fast counters rise, by the second, summed for each value of the labels."""
    return f"sum by ({labels}) (rate({series}[{window}]))"


def mean(histogram: str, chosen: str = "") -> str:
    """Return the mean of what a histogram counted in the chosen time."""
    total, count = (f"sum(increase({histogram}_{part}{chosen}[$__range]))" for part in ("sum", "count"))
    return f"{total} / ({count} > 0)"


def hourly_mean(labels: str, histogram: str, chosen: str = "") -> str:
    """Return the mean of what a histogram counted in the last hour, for each value of the labels."""
    total, count = (rate(labels, f"{histogram}_{part}{chosen}", "1h") for part in ("sum", "count"))
    return f"{total} / ({count} > 0)"


def clocks(kind: str, *matchers: str) -> str:
    """Return the SM clock of GPUs; ``allowed`` is the fastest that was asked for, the device's own where nothing was."""
    if kind == "allowed":
        return f"{clocks('requested_max', *matchers)} or {clocks('max', *matchers)}"
    chosen = ",".join((*matchers, f'kind="{kind}"'))
    return greatest("node, gpu_uuid", f"wattline_agent_gpu_clock_hertz{{{chosen}}}")
