"""What ours does minute by minute: shares of endpoints' load, rungs of replicas, and who gives in an emergency."""

from collections.abc import Sequence

import numpy as np
from bench.papers.tapas.hall import LEAST_CLOCK, SLOWDOWN_CELSIUS, Hall, Moment, slowed
from bench.papers.tapas.known import Known
from bench.papers.tapas.tenants import Floats

from wattline.api.base import PowerClass
from wattline.policy import degrade, emergency, weights
from wattline.policy.degrade import DegradeSeen, DegradeSpec, DegradeState, Rung
from wattline.policy.emergency import Consumer
from wattline.policy.weights import ReplicaSeen, WeightsSpec, WeightsState

MOST_BUSY = 0.92
"""Share of the time that an endpoint's server is busy at most; more waits outside [assumption]."""

RUNGS = (
    Rung("full clock"),
    Rung("clock 0.9"),
    Rung("clock 0.8"),
    Rung("fewer at a time"),
    Rung("clock 0.65"),
    Rung("smaller model", quality_ratio=0.9),
)
CLOCKS = np.array([1.0, 0.9, 0.8, 0.8, 0.65, 0.8])
MOST = np.array([MOST_BUSY, MOST_BUSY, MOST_BUSY, 0.7, 0.7, MOST_BUSY])
"""Busy time that a rung lets in."""
WORK = np.array([1.0, 1.0, 1.0, 1.0, 1.0, 0.4])
"""Work of a request on a rung [assumption for the smaller model]."""
QUALITY = np.array([rung.quality_ratio for rung in RUNGS])

SPILLS = 6
"""Rounds in which what does not fit goes to others of its endpoint."""


class Steering:
    """Our control of one hall's endpoints."""

    def __init__(
        self,
        hall: Hall,
        known: Known,
        margin: float,
        endpoints: Sequence[tuple[list[int], float]],
        *,
        weighted: bool,
        laddered: bool,
    ) -> None:
        self._hall, self._known, self._margin = hall, known, margin
        self._endpoints = [(np.array(members), least) for members, least in endpoints]
        self._weighted, self._laddered = weighted, laddered
        count = len(hall.rows)
        self._names = [str(index) for index in range(count)]
        self._rungs = np.zeros(count, dtype=np.int64)
        self._rung_states = [DegradeState() for _ in range(count)]
        self._weight_states = [WeightsState() for _ in endpoints]
        self._shares = [np.full(len(members), 1.0 / len(members)) for members, _ in endpoints]
        self._least = np.zeros(count)
        for members, least in self._endpoints:
            self._least[members] = least

    @property
    def clocks(self) -> Floats:
        """Clock of each place as its rung says."""
        return CLOCKS[self._rungs]

    def routed(self, asked: Floats) -> tuple[Floats, Floats]:
        """Return work by place at full clock with each endpoint's demand divided, and the quality it is done at."""
        load = asked.copy()
        quality = QUALITY[self._rungs]
        work, most = WORK[self._rungs], MOST[self._rungs]
        room = most / slowed(self.clocks, self._hall.servers.memory_share)
        for (members, _), shares in zip(self._endpoints, self._shares, strict=True):
            demand = float(asked[members].sum())
            load[members] = work[members] * _filled(demand, shares, room[members] / work[members])
        return load, quality

    def look(self, at_seconds: float, moment: Moment, outside_celsius: float) -> None:
        """Set shares and rungs for the next step by what is seen now."""
        if not self._weighted:
            return
        facility = self._hall.facility
        watts = moment.watts.tolist()
        loads = [facility.aisle_load(aisle, watts) for aisle in range(len(facility.aisles))]
        # what each row is asked for as it is, so that a held row does not look as if it had room
        rows = (1.0 - moment.asked_row_watts / facility.row_watts).tolist()
        gpu, busy = moment.gpu_watts.tolist(), moment.busy.tolist()
        for index, (members, least) in enumerate(self._endpoints):
            seen = []
            for server in members.tolist():
                slot = facility.slots[server]
                inlet = self._known.inlet_celsius(server, outside_celsius, loads[slot.aisle])
                rise = self._known.rise_celsius(server, gpu[server])
                celsius = None if inlet is None or rise is None else inlet + rise
                left = rows[slot.row]
                seen.append(
                    ReplicaSeen(
                        self._names[server], celsius, SLOWDOWN_CELSIUS, left, max(0.02, 1.0 - busy[server])
                    )
                )
                if self._laddered:
                    self._reconfigure(server, at_seconds, left, celsius, least)
            decided = weights.decide(WeightsSpec(), self._weight_states[index], seen)
            self._weight_states[index] = decided.state
            self._shares[index] = np.array([each.ratio for each in decided.weights])

    def emergency(
        self, load: Floats, before: Moment, row_most: float
    ) -> tuple[Floats, Floats, Floats, Floats]:
        """Return load, clocks, quality and the share of its work that each place does, under caps by row."""
        hall = self._hall
        count = len(load)
        clock, quality, served = before.clock.copy(), QUALITY[self._rungs].copy(), np.ones(count)
        endpoint = np.zeros(count, dtype=bool)
        for members, _ in self._endpoints:
            endpoint[members] = True
        # an endpoint whose users accept it may go to the smaller model; the others keep the objective at a slower clock
        small = endpoint & (self._least <= QUALITY[-1])
        after = np.where(small, load / WORK[self._rungs] * WORK[-1], load)
        least = hall.drawn(after, np.where(small, CLOCKS[-1], np.where(endpoint, CLOCKS[2], 0.9)))[2]
        floor = hall.drawn(after, np.full(count, LEAST_CLOCK))[2]
        caps = np.full(count, np.inf)
        for row in range(hall.facility.shape.rows):
            members = np.flatnonzero((hall.rows == row) & (hall.servers.rented > 0))
            consumers = [
                Consumer(
                    self._names[each],
                    float(before.watts[each]),
                    float(least[each]),
                    float(min(floor[each], before.watts[each])),
                    PowerClass.STANDARD if small[each] or not endpoint[each] else PowerClass.PROTECTED,
                    bool(endpoint[each]),
                )
                for each in members.tolist()
            ]
            for each in emergency.decide(row_most, consumers).caps:
                caps[int(each.name)] = each.watts
        load, clock = load.copy(), clock.copy()
        gives = caps < before.watts - 1e-3
        moved = gives & small & (QUALITY[self._rungs] == 1.0)
        load = np.where(moved, after, load)
        quality = np.where(moved, QUALITY[-1], quality)
        for ratio in np.arange(1.0, LEAST_CLOCK - 1e-9, -0.01):
            over = gives & (hall.drawn(load, clock)[2] > caps)
            clock = np.where(over, np.minimum(clock, ratio), clock)
        busy = load * slowed(clock, hall.servers.memory_share)
        served = np.where(busy > 1.0, 1.0 / np.maximum(busy, 1.0), 1.0)
        return load, clock, quality, served

    def _reconfigure(
        self, server: int, at_seconds: float, row_left: float, celsius: float | None, least: float
    ) -> None:
        left = row_left - self._margin
        if celsius is not None:
            left = min(left, (SLOWDOWN_CELSIUS - celsius) / SLOWDOWN_CELSIUS - self._margin)
        decided = degrade.decide(
            DegradeSpec(RUNGS, least_quality_ratio=least),
            self._rung_states[server],
            DegradeSeen(at_seconds, left),
        )
        self._rung_states[server] = decided.state
        self._rungs[server] = decided.rung


def _filled(demand: float, shares: Floats, room: Floats) -> Floats:
    """Return a demand divided by shares, what does not fit going to others; what fits nowhere stays where it was."""
    given = np.minimum(demand * shares, room)
    for _ in range(SPILLS):
        left = demand - float(given.sum())
        if left <= 1e-9:
            return given
        open_ = room - given
        total = float(open_.sum())
        if total <= 1e-9:
            break
        given = given + open_ * min(1.0, left / total)
    left = demand - float(given.sum())
    return given + max(0.0, left) * shares
