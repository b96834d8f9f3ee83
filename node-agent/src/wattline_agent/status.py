"""The node's status: which object a view becomes, and when it is worth writing."""

from collections.abc import Callable
from math import inf
from typing import Any

from wattline.api.base import GROUP, VERSION, Metadata, Spec
from wattline.api.powernode import NodeState, PodGpus, PowerNodeStatus
from wattline.doors.clock import Clock
from wattline_agent.messages import View
from wattline_agent.settings import DEFAULTS, Settings

DEMAND_RATIO = 0.1
"""Ours: a demand that moved by a tenth is told."""

SILENT = "NoView: the device process has not spoken lately; a driver call may hang"


class StatusFile(Spec):
    """A PowerNode with the status alone, as its agent writes it."""

    api_version: str = f"{GROUP}/{VERSION}"
    kind: str = "PowerNode"
    metadata: Metadata
    status: PowerNodeStatus


def stale(seen: View, now: float, settings: Settings = DEFAULTS) -> bool:
    """Whether the device process has been silent for too long."""
    return now - seen.at_seconds > settings.view_stale_seconds


class Ends:
    """The ends of emergency levels as people read them; each is computed once, so that what is told of it stands."""

    def __init__(self, clock: Clock, speed: float, after: Callable[[float], str]) -> None:
        self._clock = clock
        self._speed = speed
        self._after = after
        self._said: dict[float, str] = {}

    def said(self, until_seconds: float) -> str:
        """Return the date and time of a world time."""
        if until_seconds not in self._said:
            left = (until_seconds - self._clock.now()) / self._speed
            self._said = {until_seconds: self._after(left)}
        return self._said[until_seconds]


def budget_source(seen: View, ends: Ends) -> str:
    """Return what sets the budget in force, for people: ``Emergency: row-a until 2026-01-31T12:00:00Z``."""
    source = seen.budget_source
    if source is None:
        return ""
    said = f"{source.kind}: {source.name}" if source.name else source.kind.value
    return said if source.until_seconds is None else f"{said} until {ends.said(source.until_seconds)}"


def status(
    seen: View,
    address: str,
    now: float,
    pods: tuple[PodGpus, ...] = (),
    settings: Settings = DEFAULTS,
    *,
    source: str = "",
) -> PowerNodeStatus:
    """Return the status that a view is, with the pods that have the GPUs and the budget's source in words."""
    silent = stale(seen, now, settings)
    return PowerNodeStatus(
        observed_generation=seen.observed_generation,
        epoch=seen.epoch,
        boot_id=seen.boot_id,
        address=address,
        state=NodeState.DEGRADED if silent else seen.state,
        reason=SILENT if silent else seen.reason,
        bound_watts=seen.bound_watts,
        budget_source=source,
        demand_watts=seen.demand_watts,
        heat_freed_watts=seen.heat_freed_watts,
        gpus=tuple(gpu.status for gpu in seen.gpus),
        pods=pods,
    )


class Due:
    """Says when a status is to be written."""

    def __init__(self, settings: Settings = DEFAULTS) -> None:
        self._settings = settings
        self._last: PowerNodeStatus | None = None
        self._at = float("-inf")

    def now(self, fresh: PowerNodeStatus, now: float) -> bool:
        """Whether to write this one: at once when an outcome changed, else rarely."""
        if self._last is None or _outcomes(fresh) != _outcomes(self._last):
            return True
        heat, told = _heat_mhz(fresh), _heat_mhz(self._last)
        if any(mhz < told.get(uuid, inf) for uuid, mhz in heat.items()):
            return True  # other nodes are to follow within a pass; upwards it has time
        moved = heat != told or abs(fresh.demand_watts - self._last.demand_watts) > DEMAND_RATIO * max(
            fresh.demand_watts, self._last.demand_watts
        )
        return now - self._at >= (
            self._settings.demand_seconds if moved else self._settings.heartbeat_seconds
        )

    def wrote(self, written: PowerNodeStatus, now: float) -> None:
        """Note what stands there now."""
        self._last, self._at = written, now


def _outcomes(status: PowerNodeStatus) -> Any:
    return (
        status.observed_generation,
        status.epoch,
        status.boot_id,
        status.address,
        status.state,
        status.budget_source,
        status.reason.partition(":")[0],
        status.pods,
        tuple(
            (
                gpu.uuid,
                gpu.outcome,
                gpu.reason.partition(":")[0],
                gpu.previous_watts,
                gpu.hardware_event,
                gpu.profile,
                gpu.ramp,
            )
            for gpu in status.gpus
        ),
    )


def _heat_mhz(status: PowerNodeStatus) -> dict[str, int]:
    return {gpu.uuid: gpu.heat_clock_mhz for gpu in status.gpus if gpu.heat_clock_mhz is not None}
