"""Emergency levels of a node: armed by its orders, begun by a signal, ended by their duration. Pure.

A level only adds a bound (``budget``). What is armed and what has begun stands in the record, so that neither a
restart of the device process nor the absence of everybody who gives orders loses it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from math import isfinite
from typing import Any

from wattline.api.powernode import EmergencyLevel
from wattline_agent.budget import Kind, Source


@dataclass(frozen=True, slots=True)
class Armed:
    """A level that a signal can begin."""

    budget_watts: float
    duration_seconds: float


@dataclass(frozen=True, slots=True)
class Begun:
    """A level that holds."""

    budget_watts: float
    """The least that was armed for it since it began."""
    duration_seconds: float
    until_seconds: float | None
    """World time at which it ends; none right after a reboot, which leaves no clock to tell how much is left."""


@dataclass(frozen=True, slots=True)
class Signal:
    """Somebody says that a level begins, or ends early."""

    level: str
    number: int
    """Tells one signal of a way from the next."""
    way: str
    """How it came: over HTTP or as a file."""
    ends: bool = False

    @property
    def key(self) -> str:
        """Return what numbers are compared under."""
        return f"{self.way} {self.level}"


@dataclass(frozen=True, slots=True)
class Emergencies:
    """Every level of one node."""

    armed: Mapping[str, Armed] = field(default_factory=dict)
    begun: Mapping[str, Begun] = field(default_factory=dict)
    heard: Mapping[str, int] = field(default_factory=dict)
    """Number of the last signal of each way and level; the same one again is not another signal."""

    def arm(self, levels: Iterable[EmergencyLevel]) -> "Emergencies":
        """Return them under a new order; what has begun goes on, and becomes tighter where the new level is."""
        armed = {each.level: Armed(each.budget_watts, each.duration_seconds) for each in levels}
        begun = {
            name: replace(each, budget_watts=min(each.budget_watts, armed[name].budget_watts))
            if name in armed
            else each
            for name, each in self.begun.items()
        }
        return replace(self, armed=armed, begun=begun)

    def hear(self, signal: Signal, now_seconds: float, *, may_end: bool) -> "Emergencies":
        """Return them after a signal: a level begins, or goes on for its duration from now, or ends.

        An end loosens, so it needs ``may_end``: somebody renews the order that counts from then on. Otherwise it is
        left to the duration. A level that is not armed cannot begin.
        """
        if self.heard.get(signal.key) == signal.number:
            return self
        heard = replace(self, heard={**self.heard, signal.key: signal.number})
        if signal.ends:
            left = {name: each for name, each in self.begun.items() if name != signal.level or not may_end}
            return replace(heard, begun=left)
        armed, was = self.armed.get(signal.level), self.begun.get(signal.level)
        if armed is None:
            return heard
        until = now_seconds + armed.duration_seconds
        if was is not None:
            watts = min(was.budget_watts, armed.budget_watts)
            now = Begun(watts, armed.duration_seconds, max(until, was.until_seconds or until))
        else:
            now = Begun(armed.budget_watts, armed.duration_seconds, until)
        return replace(heard, begun={**self.begun, signal.level: now})

    def at(self, now_seconds: float) -> "Emergencies":
        """Return them without the levels that have ended; one that a reboot interrupted starts its duration anew."""
        begun = {
            name: each
            if each.until_seconds is not None
            else replace(each, until_seconds=now_seconds + each.duration_seconds)
            for name, each in self.begun.items()
            if each.until_seconds is None or now_seconds < each.until_seconds
        }
        return self if begun == self.begun else replace(self, begun=begun)

    def sources(self) -> tuple[Source, ...]:
        """Return the bounds that begun levels are."""
        return tuple(
            Source(Kind.EMERGENCY, each.budget_watts, name, each.until_seconds)
            for name, each in self.begun.items()
        )


def parse(raw: Mapping[str, Any], *, same_time: bool) -> Emergencies:
    """Return what a record says of levels; raise ValueError, TypeError or KeyError where that makes no sense.

    World time of another boot or speed is another time: levels that had begun in it have no end yet.
    """
    return Emergencies(
        armed={
            str(name): Armed(_amount(each["budget_watts"]), _amount(each["duration_seconds"]))
            for name, each in raw["armed"].items()
        },
        begun={
            str(name): Begun(
                _amount(each["budget_watts"]),
                _amount(each["duration_seconds"]),
                _amount(each["until_seconds"]) if same_time and each["until_seconds"] is not None else None,
            )
            for name, each in raw["begun"].items()
        },
        heard={str(key): int(number) for key, number in raw["heard"].items()},
    )


def _amount(raw: Any) -> float:
    amount = float(raw)
    if not isfinite(amount) or amount < 0:
        raise ValueError(f"{raw!r} is no amount of watts or seconds")
    return amount
