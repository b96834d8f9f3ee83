"""What a simulation looks like over time, and how its waits are spread; recorded only where it is asked for."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import fsum

from wattline.sim.gateway import Gateway
from wattline.sim.replica import Replica
from wattline.world.gpu import Gpu

CURVE_POINTS = 201
"""Quantiles that a distribution is kept as: every half percent, least and greatest included."""


@dataclass(frozen=True, slots=True)
class Series:
    """Columns of one length: what was so at each moment, by domain or by pool where there are several."""

    at_seconds: tuple[float, ...]
    watts: tuple[float, ...]
    """Of all GPUs: the mean since the moment before."""
    domain_watts: Mapping[str, tuple[float, ...]]
    """Of a domain's GPUs: the mean since the moment before."""
    clock_mhz: tuple[float | None, ...]
    """Mean SM clock of the GPUs whose engines work; none while none does."""
    celsius: tuple[float, ...]
    """Of the hottest GPU."""
    resident_tokens: Mapping[str, tuple[int, ...]]
    """Unique context tokens of all of a pool's sessions, tool gaps included."""
    capacity_tokens: Mapping[str, tuple[int, ...]]
    """Tokens that the KV memory of a pool's replicas holds."""
    running_turns: Mapping[str, tuple[int, ...]]
    """Turns at a pool's engines."""
    held_turns: Mapping[str, tuple[int, ...]]
    """Turns held at the gateway."""


@dataclass(frozen=True, slots=True)
class Curves:
    """Distributions as ``CURVE_POINTS`` quantiles at equal distances; empty where there was nothing."""

    ttft_seconds: tuple[float, ...]
    """Of turns, from arrival at the gateway to the first token."""
    run_seconds: tuple[float, ...]
    """Of finished runs, from arrival to the last token."""
    tokens_per_second_per_agent: tuple[float, ...]
    """Of all sessions' 30 s windows."""


def curve(values: Sequence[float]) -> tuple[float, ...]:
    """Return the quantiles of ``values``, each the nearest of them."""
    if not values:
        return ()
    ordered = sorted(values)
    last = len(ordered) - 1
    return tuple(ordered[round(last * point / (CURVE_POINTS - 1))] for point in range(CURVE_POINTS))


class Recorder:
    """Looks at a running world and keeps what it saw; it moves nothing."""

    def __init__(
        self,
        gpus: Iterable[Gpu],
        domains: Mapping[str, Sequence[Gpu]],
        gateways: Callable[[], Mapping[str, Gateway]],
    ) -> None:
        self._gpus = tuple(gpus)
        self._domains = domains
        self._gateways = gateways
        self._joules = {gpu.uuid: gpu.energy_joules for gpu in self._gpus}
        self._at: list[float] = [0.0]
        self._watts: list[float] = []
        self._domain_watts: dict[str, list[float]] = {name: [] for name in domains}
        self._clock: list[float | None] = []
        self._celsius: list[float] = []
        self._pools: dict[str, list[tuple[int, int, int, int]]] = {name: [] for name in gateways()}

    def look(self, now_seconds: float, replicas: Iterable[Replica]) -> None:
        """Add a row; the replicas have been caught up to now."""
        passed = now_seconds - self._at[-1]
        if passed <= 0:
            return
        spent = {gpu.uuid: gpu.energy_joules - self._joules[gpu.uuid] for gpu in self._gpus}
        self._joules = {gpu.uuid: gpu.energy_joules for gpu in self._gpus}
        self._at.append(now_seconds)
        self._watts.append(fsum(spent.values()) / passed)
        for name, gpus in self._domains.items():
            self._domain_watts[name].append(fsum(spent[gpu.uuid] for gpu in gpus) / passed)
        clocks = [gpu.clock_mhz for replica in replicas if replica.engine.running for gpu in replica.gpus]
        self._clock.append(fsum(clocks) / len(clocks) if clocks else None)
        self._celsius.append(max(gpu.celsius for gpu in self._gpus))
        for name, gateway in self._gateways().items():
            self._pools[name].append(_load(gateway))

    def series(self) -> Series:
        """Return what was seen."""

        def column(index: int) -> dict[str, tuple[int, ...]]:
            return {name: tuple(row[index] for row in rows) for name, rows in self._pools.items()}

        return Series(
            at_seconds=tuple(self._at[1:]),
            watts=tuple(self._watts),
            domain_watts={name: tuple(watts) for name, watts in self._domain_watts.items()},
            clock_mhz=tuple(self._clock),
            celsius=tuple(self._celsius),
            resident_tokens=column(0),
            capacity_tokens=column(1),
            running_turns=column(2),
            held_turns=column(3),
        )


def _load(gateway: Gateway) -> tuple[int, int, int, int]:
    names = gateway.replicas
    return (
        sum(gateway.desk.resident_tokens(name) for name in names),
        sum(replica.engine.capacity_tokens for replica in names.values()),
        sum(gateway.desk.running(name) for name in names),
        gateway.desk.held,
    )
