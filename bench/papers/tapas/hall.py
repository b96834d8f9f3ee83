"""The physics of a hall's servers, all at once: watts, rows, inlets, GPUs, and what hardware does by itself."""

from dataclasses import dataclass

import numpy as np
from bench.papers.tapas.tenants import Floats

from wattline.world.curve import PERSEUS
from wattline.world.facility import Facility
from wattline.world.products import H100

GPUS = 8
IDLE_WATTS = H100.idle_watts
CELSIUS_PER_WATT = sum(stage.celsius_per_watt for stage in H100.stages)
SLOWDOWN_CELSIUS = H100.slowdown_celsius
OTHER_IDLE_WATTS, OTHER_BUSY_WATTS = 1_300.0, 1_200.0
"""A server beside its GPUs, idle, and more when busy [assumption; the sum with eight GPUs is the nameplate]."""
MEMORY_SHARE = 0.3
"""Part of an endpoint's busy time that no clock shortens [assumption]."""
LEAST_CLOCK = 0.35

_CLOCKS = np.linspace(LEAST_CLOCK, 1.0, 66)
_IDLE_SHARE = H100.idle_watts / H100.max_watts
_POWER = np.array([PERSEUS.dynamic_power_ratio(float(clock), _IDLE_SHARE) for clock in _CLOCKS])
_TIME = np.array([PERSEUS.time_ratio(float(clock)) for clock in _CLOCKS])


def power_ratio(clock: Floats) -> Floats:
    """Return dynamic power against that at full clock."""
    return np.asarray(np.interp(clock, _CLOCKS, _POWER))


def slowed(clock: Floats, memory_share: Floats) -> Floats:
    """Return the time that work takes against that at full clock."""
    return np.asarray(memory_share + (1.0 - memory_share) * np.interp(clock, _CLOCKS, _TIME))


@dataclass
class Servers:
    """What each place serves; places without a tenant are off."""

    rented: Floats
    """1 where a tenant is, else 0."""
    full_gpu_watts: Floats
    memory_share: Floats


@dataclass
class Moment:
    """What comes of load and clocks in one step."""

    clock: Floats
    busy: Floats
    gpu_watts: Floats
    watts: Floats
    inlets: Floats
    celsius: Floats
    row_watts: Floats
    """Draw of each row."""
    asked_row_watts: Floats
    """The same before rows were held."""
    hot: Floats
    """1 where a GPU slowed itself down."""
    held: Floats
    """1 where a row's breaker was about to be passed, and all of it was slowed."""


class Hall:
    """One facility with its servers."""

    def __init__(self, facility: Facility, servers: Servers) -> None:
        self.facility, self.servers = facility, servers
        self.rows = np.array([slot.row for slot in facility.slots])
        self.resistance = CELSIUS_PER_WATT + np.array(
            [slot.gpu_celsius / H100.max_watts for slot in facility.slots]
        )

    def step(self, load: Floats, clock: Floats, outside_celsius: float, row_most_watts: float) -> Moment:
        """Return what comes of it when it has lasted; load is busy time at full clock."""
        held = np.zeros(len(load))
        asked = self._rows(self.drawn(load, clock)[2])
        rows = asked
        if (asked > row_most_watts).any():
            clock, held = self._held(load, clock, asked, row_most_watts)
            rows = self._rows(self.drawn(load, clock)[2])
        busy, gpu, watts = self.drawn(load, clock)
        inlets = np.array(self.facility.inlets(outside_celsius, watts.tolist()))
        celsius = inlets + self.resistance * gpu
        hot = (celsius > SLOWDOWN_CELSIUS) & (self.servers.rented > 0)
        if hot.any():
            most = np.maximum((SLOWDOWN_CELSIUS - inlets) / self.resistance, IDLE_WATTS)
            clock = np.where(hot, np.minimum(clock, self.clock_within(load, most)), clock)
            busy, gpu, watts = self.drawn(load, clock)
            celsius = inlets + self.resistance * gpu
            rows = self._rows(watts)
        return Moment(clock, busy, gpu, watts, inlets, celsius, rows, asked, hot.astype(float), held)

    def drawn(self, load: Floats, clock: Floats) -> tuple[Floats, Floats, Floats]:
        """Return busy time, watts of a GPU and of the server."""
        servers = self.servers
        busy = np.minimum(1.0, load * slowed(clock, servers.memory_share))
        gpu = servers.rented * (
            IDLE_WATTS + (servers.full_gpu_watts - IDLE_WATTS) * busy * power_ratio(clock)
        )
        return busy, gpu, GPUS * gpu + servers.rented * (OTHER_IDLE_WATTS + OTHER_BUSY_WATTS * busy)

    def clock_within(self, load: Floats, gpu_watts: Floats) -> Floats:
        """Return the fastest clock at which no GPU draws more than it may."""
        found = np.full(len(load), LEAST_CLOCK)
        for clock in _CLOCKS[::5]:
            fits = self.drawn(load, np.full(len(load), clock))[1] <= gpu_watts
            found = np.where(fits, clock, found)
        return found

    def _held(self, load: Floats, clock: Floats, asked: Floats, most: float) -> tuple[Floats, Floats]:
        """Slow all servers of a row that passes its watts to one clock, as fast as fits."""
        full = asked > most
        held = full[self.rows].astype(float)
        for ratio in _CLOCKS[::-1][::2]:
            clock = np.where(full[self.rows], np.minimum(clock, ratio), clock)
            full = full & (self._rows(self.drawn(load, clock)[2]) > most)
            if not full.any():
                break
        return clock, held

    def _rows(self, watts: Floats) -> Floats:
        return np.bincount(self.rows, weights=watts, minlength=self.facility.shape.rows)
