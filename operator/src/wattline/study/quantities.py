"""What the figures of an answer are called, in which unit people read them, and what they mean."""

from collections.abc import Iterable
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Quantity:
    """One figure of an answer."""

    key: str
    title: str
    unit: str
    means: str
    better: int = 0
    """-1 where less is better, 1 where more is, 0 where neither."""
    scale: float = 1.0
    """From the answer's unit to the one that is shown."""
    digits: int = 1
    metric: str = ""
    """Production's metric of the same quantity."""

    @property
    def ratio(self) -> bool:
        """Whether a difference in percent says something."""
        return self.unit != "°C"

    def figure(self, value: float | None) -> str:
        """Return a value of the answer without its unit."""
        return "-" if value is None else f"{value * self.scale:,.{self.digits}f}"

    def text(self, value: float | None) -> str:
        """Return a value of the answer with its unit."""
        return "-" if value is None else f"{self.figure(value)} {self.unit}".rstrip()


QUANTITIES = (
    Quantity(
        "joules_per_finished_run",
        "energy of a run done",
        "kJ",
        "joules of all GPUs, idle included, over the runs that ended",
        -1,
        1e-3,
        2,
    ),
    Quantity("mean_watts", "mean draw", "W", "of all GPUs, from the first moment to the last", -1, 1, 0),
    Quantity("peak_watts", "peak draw", "W", "highest draw of one second of all GPUs together", -1, 1, 0),
    Quantity(
        "over_budget_seconds",
        "over budget",
        "s",
        "seconds in which a domain drew more than its budget",
        -1,
        1,
        0,
    ),
    Quantity("runs_finished", "runs done", "", "runs that ended", 1, 1, 0),
    Quantity(
        "run_seconds_mean",
        "run, mean",
        "s",
        "from a run's arrival to its last token, tools included",
        -1,
        1,
        0,
    ),
    Quantity("run_seconds_p50", "run, median", "s", "half of the runs take no longer", -1, 1, 0),
    Quantity("run_seconds_p95", "run, P95", "s", "95 of 100 runs take no longer", -1, 1, 0),
    Quantity(
        "ttft_seconds_p50",
        "first token, median",
        "s",
        "from a turn's arrival at the gateway to its first token, time held included",
        -1,
        1,
        2,
        "wattline_gateway_first_byte_seconds",
    ),
    Quantity(
        "ttft_seconds_p99",
        "first token, P99",
        "s",
        "99 of 100 turns wait no longer",
        -1,
        1,
        2,
        "wattline_gateway_first_byte_seconds",
    ),
    Quantity(
        "tokens_per_second_per_agent_p5",
        "agent rate, P5",
        "tok/s",
        "95 of 100 agent windows of 30 s are faster",
        1,
        1,
        1,
        "wattline_replica_slowest_agent_tokens_per_second",
    ),
    Quantity(
        "recomputed_ratio",
        "recomputed",
        "%",
        "of all computed prompt tokens, those that had been computed before",
        -1,
        100,
        1,
    ),
    Quantity("turns_held", "turns held", "", "turns that waited at the gateway", -1, 1, 0),
    Quantity("sessions_returned", "sessions put back", "", "times memory ran out under a session", -1, 1, 0),
    Quantity("sessions_moved", "sessions moved", "", "times a session was given another replica", 0, 1, 0),
    Quantity("preemptions", "preemptions", "", "turns that an engine stopped for want of memory", -1, 1, 0),
    Quantity(
        "mean_clock_mhz",
        "mean clock",
        "MHz",
        "of GPUs whose engines worked, where clocks were moved",
        0,
        1,
        0,
    ),
    Quantity(
        "max_celsius",
        "hottest GPU",
        "°C",
        "at its hottest",
        -1,
        1,
        0,
        "wattline_agent_gpu_temperature_celsius",
    ),
    Quantity("throttle_seconds", "throttled", "s", "GPU seconds with the clock lowered by heat", -1, 1, 0),
    Quantity(
        "seconds",
        "length",
        "h",
        "until the last run ended, or the horizon where that is later",
        0,
        1 / 3600,
        2,
    ),
)

BY_KEY = {quantity.key: quantity for quantity in QUANTITIES}

OF_DOMAINS = (
    Quantity("mean_watts", "mean draw", "W", "of the domain's GPUs", -1, 1, 0, "wattline_domain_draw_watts"),
    Quantity("peak_watts", "peak draw", "W", "highest second of the domain's GPUs", -1, 1, 0),
    Quantity("over_budget_seconds", "over budget", "s", "seconds above its budget", -1, 1, 0),
)


def within(keys: Iterable[str]) -> list[Quantity]:
    """Return the quantities among an answer's names: of everything first, then of each domain and each pool.

    A pool's own figures are left out where there is only one, since they are those of everything.
    """
    there = list(keys)
    out = [quantity for quantity in QUANTITIES if quantity.key in there]
    out += _of("domains", there, OF_DOMAINS)
    if len(_names("pools", there)) > 1:
        out += _of("pools", there, QUANTITIES)
    return out


def _of(part: str, keys: list[str], known: tuple[Quantity, ...]) -> list[Quantity]:
    return [
        replace(quantity, key=f"{part}.{name}.{quantity.key}", title=f"{name}: {quantity.title}")
        for name in _names(part, keys)
        for quantity in known
        if f"{part}.{name}.{quantity.key}" in keys
    ]


def _names(part: str, keys: list[str]) -> list[str]:
    """Return the names of which a part speaks; a name may have dots in it, a figure's name has none."""
    start = f"{part}."
    return list(dict.fromkeys(key[len(start) :].rpartition(".")[0] for key in keys if key.startswith(start)))
