"""One hall through some days: bin-packing under a uniform cap, then placing, routing and reconfiguring on top."""

from dataclasses import dataclass
from functools import lru_cache
from random import Random
from typing import Any

import numpy as np
from bench.papers.tapas import known as knowing
from bench.papers.tapas import placing, tenants, weather
from bench.papers.tapas.hall import MEMORY_SHARE, Hall, Moment, Servers, slowed
from bench.papers.tapas.steering import MOST_BUSY, Steering
from bench.papers.tapas.tenants import Floats

from wattline.world.facility import Shape, sampled

_sampled = lru_cache(maxsize=8)(sampled)
_learned = lru_cache(maxsize=8)(knowing.learned)

LEVERS = ("bin-packing, uniform cap", "+ placement", "+ routing", "+ reconfigure")
LEARNED_DAYS = 3
FIRST_BYTE_SECONDS = 0.3
"""Of an answer while nobody waits, at full clock; only ratios of it are used."""


@dataclass(frozen=True)
class Case:
    """One hall, one way to run it."""

    facility: int
    added: float
    levers: int
    """How many of ours, in their order."""
    days: int
    step_seconds: float
    weather: str | None
    common: float | None = None
    """Common part of the tenants' swing; drawn by facility when unset."""
    cap: float = 1.0
    """Clock that nobody passes, of the full one: what the baseline tunes."""
    margin: float = 0.03
    """Share of a limit at which reconfiguring begins: what ours tunes."""
    air: float = 0.85
    """Air an aisle supplies, of what its provided servers want at their nameplate."""
    spread: float = 1.0
    """Offsets of places and GPUs against those assumed."""
    emergency: str = ""
    """Nothing, or who answers when rows have 75 % of their watts: "uniform" or "ours"."""


def play(case: Case) -> dict[str, Any]:
    """Return what a hall's days were like."""
    world = World(case)
    if case.emergency:
        return world.emergency(case.emergency)
    return world.days()


class World:
    """A hall with its tenants in place."""

    def __init__(self, case: Case) -> None:
        self.case = case
        shape = Shape(
            added_ratio=case.added,
            air_ratio=case.air,
            offset_spread_celsius=2.0 * case.spread,
            gpu_spread_celsius=4.0 * case.spread,
        )
        facility = _sampled(shape, case.facility)
        count = len(facility.slots)
        common = Random(f"common {case.facility}").uniform(0.2, 0.9) if case.common is None else case.common
        self.tenants = tenants.drawn(
            case.facility, count, common=common, days=case.days, step_seconds=case.step_seconds
        )
        resistance = Hall(facility, Servers(np.zeros(count), np.zeros(count), np.zeros(count))).resistance
        hours = weather.hours(case.weather, case.facility, LEARNED_DAYS + 1 + case.days)
        past = hours[: 24 * LEARNED_DAYS]
        self.outside = np.array(hours[24 * (LEARNED_DAYS + 1) :])
        self.known = _learned(facility, case.facility, tuple(past), tuple(resistance.tolist()))
        warmest = max(past) + 2.0
        places = (
            placing.packed(self.tenants)
            if case.levers == 0
            else placing.placed(self.tenants, facility, self.known, warmest)
        )
        self.places = np.array(places)
        self.hall = self._hall(facility, count)
        groups = self.tenants.groups
        self.endpoint = self._spread(np.array([float(each.endpoint) for each in groups]))
        self.steering = Steering(self.hall, self.known, case.margin, self._endpoints(), weighted=case.levers >= 2, laddered=case.levers >= 3)  # fmt: skip

    def days(self) -> dict[str, Any]:
        """Return the measures of all steps."""
        tally = Tally(self)
        each = self.case.step_seconds
        for step in range(self.tenants.past_steps, len(self.tenants.loads)):
            at = (step - self.tenants.past_steps) * each
            tally.add(*self._step(step, at))
        return tally.said()

    def emergency(self, who: str) -> dict[str, Any]:
        """Return what the first five minutes of a power failure cost, in the afternoon of the first day."""
        each, first = self.case.step_seconds, self.tenants.past_steps
        last = first + round(0.62 * 86_400 / each)
        for step in range(first, last):
            self._step(step, (step - first) * each)
        most = 0.75 * self.hall.facility.row_watts
        load, _, outside = self._loads(last, (last - first) * each)
        before = self.hall.step(load, self._clock(), outside, self.hall.facility.row_watts)
        if who == "uniform":
            clock, quality, served = np.minimum(before.clock, 0.65), np.ones(len(load)), np.ones(len(load))
        else:
            load, clock, quality, served = self.steering.emergency(load, before, most)
        busy, _, watts = self.hall.drawn(load, clock)
        rows = np.bincount(self.hall.rows, weights=watts)
        after = self.hall.step(load, clock, outside, np.inf)
        speed = 1.0 / slowed(after.clock, self.hall.servers.memory_share)
        rented, endpoint = self.hall.servers.rented, self.endpoint
        opaque = rented * (1.0 - endpoint)
        demand = before.busy / np.maximum(slowed(before.clock, self.hall.servers.memory_share), 1e-9)
        work = endpoint * demand
        done = np.minimum(1.0, served * np.where(busy >= 1.0, speed, 1.0))
        slow = np.where(quality < 1.0, 1.0, speed)  # a smaller model answers no slower at these clocks
        return {
            "opaque_loss": 1.0 - float((opaque * speed).sum() / opaque.sum()),
            "served_loss": 1.0 - float((work * slow * done).sum() / work.sum()),
            "quality_loss": 1.0 - float((work * quality).sum() / work.sum()),
            "over_rows": float((rows > most + 1.0).mean()),
            "fullest_ratio": float(before.row_watts.max() / self.hall.facility.row_watts),
            "hot": float((after.hot * rented).sum() / rented.sum()),
        }

    def _step(self, step: int, at_seconds: float) -> tuple[Floats, Moment, Floats, Floats]:
        load, quality, outside = self._loads(step, at_seconds)
        wanted = load
        load = np.where(self.endpoint > 0, np.minimum(load, MOST_BUSY), load)
        moment = self.hall.step(load, self._clock(), outside, self.hall.facility.row_watts)
        self.steering.look(at_seconds, moment, outside)
        return wanted, moment, quality, self.endpoint

    def _clock(self) -> Floats:
        return np.minimum(np.where(self.endpoint > 0, self.steering.clocks, 1.0), self.case.cap)

    def _loads(self, step: int, at_seconds: float) -> tuple[Floats, Floats, float]:
        """Return work by place at full clock, its quality, and the weather."""
        asked = self._spread_servers(self.tenants.loads[step])
        load, quality = self.steering.routed(asked)
        return load, quality, float(self.outside[int(at_seconds // 3600) % len(self.outside)])

    def _hall(self, facility: Any, count: int) -> Hall:
        servers = Servers(np.zeros(count), np.zeros(count), np.zeros(count))
        hall = Hall(facility, servers)
        groups = self.tenants.groups
        servers.rented = self._spread(np.ones(len(groups)), count)
        servers.full_gpu_watts = self._spread(np.array([each.full_gpu_watts for each in groups]), count)
        servers.memory_share = self._spread(
            np.array([MEMORY_SHARE if each.endpoint else 0.0 for each in groups]), count
        )
        return hall

    def _spread(self, of_groups: Floats, count: int = 0) -> Floats:
        spread = np.zeros(count or len(self.hall.rows))
        spread[self.places] = of_groups[self.tenants.group_of]
        return spread

    def _spread_servers(self, of_servers: Floats) -> Floats:
        spread = np.zeros(len(self.hall.rows))
        spread[self.places] = of_servers
        return spread

    def _endpoints(self) -> list[tuple[list[int], float]]:
        return [
            (self.places[self.tenants.group_of == index].tolist(), group.least_quality)
            for index, group in enumerate(self.tenants.groups)
            if group.endpoint
        ]


class Tally:
    """What is counted over the days."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.steps = 0
        self.celsius, self.row_ratio = 0.0, 0.0
        self.hot = self.held = self.lost = self.opaque = self.speed = 0.0
        self.asked = self.late = self.unserved = self.quality = 0.0
        self.waits: list[Floats] = []
        self.weights: list[Floats] = []

    def add(self, wanted: Floats, moment: Moment, quality: Floats, endpoint: Floats) -> None:
        """Count one step."""
        hall = self.world.hall
        rented = hall.servers.rented
        self.steps += 1
        self.celsius = max(self.celsius, float((moment.celsius * rented).max()))
        self.row_ratio = max(self.row_ratio, float(moment.asked_row_watts.max() / hall.facility.row_watts))
        self.hot += float((moment.hot * rented).sum() / rented.sum())
        self.held += float((moment.held * rented).sum() / rented.sum())
        time = slowed(moment.clock, hall.servers.memory_share)
        opaque = rented * (1.0 - endpoint)
        self.speed += float((opaque / time).sum() / opaque.sum())
        ours = endpoint > 0
        full = wanted[ours] * time[ours]
        self.asked += float(wanted[ours].sum())
        self.unserved += float(np.maximum(0.0, wanted[ours] - MOST_BUSY / time[ours]).sum())
        self.quality += float((wanted * quality)[ours].sum())
        self.waits.append(FIRST_BYTE_SECONDS * time[ours] / np.maximum(1.0 - full, 0.02))
        self.weights.append(wanted[ours])

    def said(self) -> dict[str, Any]:
        """Return the measures."""
        waits, weights = np.concatenate(self.waits), np.concatenate(self.weights)
        order = np.argsort(waits)
        share = np.cumsum(weights[order]) / weights.sum()
        return {
            "celsius": self.celsius,
            "row_ratio": self.row_ratio,
            "hot": self.hot / self.steps,
            "held": self.held / self.steps,
            "opaque_loss": 1.0 - self.speed / self.steps,
            "unserved": self.unserved / self.asked,
            "quality_loss": 1.0 - self.quality / self.asked,
            "first_byte": float(waits[order][np.searchsorted(share, 0.99)]),
            "error_celsius": self.world.known.error_celsius,
            "correlation": self.world.tenants.correlation,
        }
