"""Policies that start, stop and put replicas to sleep while a fleet is played: what they see, what they answer."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from wattline.sim.changes import Change
from wattline.sim.life import Stage


@dataclass(frozen=True, slots=True)
class ReplicaLook:
    """One replica."""

    stage: Stage
    resident_tokens: int
    capacity_tokens: int
    running: int
    """Turns at its engine."""


@dataclass(frozen=True, slots=True)
class PoolLook:
    """One served pool."""

    replicas: Mapping[str, ReplicaLook]
    held: int
    """Turns that wait at the gateway."""
    runs_begun: int
    runs_ended: int


Steer = Callable[[float, Mapping[str, PoolLook]], Iterable[Change]]
"""From the time and the served pools by full name to what happens now; the times of these changes are not looked at.
It may remember what it was told; a simulation asks for a new one (`Scenario.steer`).
"""
