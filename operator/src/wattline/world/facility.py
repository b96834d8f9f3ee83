"""A hall: rows and aisles of servers, the air that comes into each, and what an aisle's air handlers can move. Pure.

What a server breathes is the supply air, its place's offset, more when it is warm outside, more when the whole aisle
works, and hot air from behind where its aisle's fans want more air than is supplied. The form is TAPAS's (arXiv
2501.02600, after secondary accounts); every coefficient is ours, because none is published: see each.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import fsum, sqrt
from random import Random

SUPPLY_CELSIUS = 20.0
"""Supply air while it is cool outside [assumption: within ASHRAE's recommended 18 to 27 °C]."""

OUTSIDE_KNEES_CELSIUS = (15.0, 25.0)
"""Up to the first the weather does not matter; beyond the second it matters more [assumption; the piecewise form is
reported of TAPAS]."""

OUTSIDE_SLOPES = (0.15, 0.40)
"""Degrees of inlet for a degree outside between the knees, and beyond [assumption]."""

AISLE_CELSIUS = 3.0
"""Inlet of an aisle that draws all its servers were provisioned for, against an idle one [assumption]."""

RECIRCULATED_CELSIUS = 40.0
"""Inlet for each unit of air wanted beyond the supply, as a share of it [assumption: air that is missing comes from
behind, where it is some 20 °C warmer, and warms itself again]."""

IDLE_FAN_RATIO = 0.35
"""Air of an idle server as a share of that at its peak [assumption]; between, it follows the watts."""


@dataclass(frozen=True, slots=True)
class Slot:
    """One server's place."""

    row: int
    aisle: int
    offset_celsius: float
    """How much warmer the air is there than the aisle's."""
    gpu_celsius: float
    """How much warmer its hottest GPU is than the product says, at full watts: mounting, paste, what is in front of it."""
    fan_ratio: float
    """Air that its fans move against others' for the same watts."""


@dataclass(frozen=True, slots=True)
class Shape:
    """How many servers there are, and how different."""

    rows: int = 4
    rows_per_aisle: int = 2
    servers_per_row: int = 20
    """What watts and air are provided for."""
    added_ratio: float = 0.0
    """Servers beyond that, on the same watts and the same air."""
    server_watts: float = 8_100.0
    """A server's nameplate: what a row provides for each."""
    offset_spread_celsius: float = 2.0
    """Standard deviation of the servers' offsets [assumption]."""
    offset_correlation: float = 0.5
    """Share of that variance that servers of one row have in common [assumption]."""
    gpu_spread_celsius: float = 4.0
    """Standard deviation between servers of the hottest GPU's excess [assumption; its mean is twice that]."""
    fan_spread_ratio: float = 0.08
    """Standard deviation of fans [assumption]."""
    air_ratio: float = 0.85
    """Air an aisle supplies, of what its provided servers want at their nameplate [assumption]."""


class Facility:
    """One sampled hall."""

    def __init__(self, shape: Shape, slots: Sequence[Slot]) -> None:
        self.shape = shape
        self.slots = tuple(slots)
        self.row_watts = shape.servers_per_row * shape.server_watts
        """What a row may draw."""
        self.aisle_air = shape.air_ratio * shape.servers_per_row * shape.rows_per_aisle
        """Air an aisle supplies, in that of one server at its nameplate."""
        self.aisles = tuple(
            tuple(index for index, slot in enumerate(self.slots) if slot.aisle == aisle)
            for aisle in range(max(slot.aisle for slot in self.slots) + 1)
        )
        self.rows = tuple(
            tuple(index for index, slot in enumerate(self.slots) if slot.row == row)
            for row in range(shape.rows)
        )

    def air(self, index: int, watts: float) -> float:
        """Return the air that a server's fans move at its watts, in that of one server at its nameplate."""
        share = min(1.0, watts / self.shape.server_watts)
        return self.slots[index].fan_ratio * (IDLE_FAN_RATIO + (1.0 - IDLE_FAN_RATIO) * share)

    def aisle_load(self, aisle: int, watts: Sequence[float]) -> float:
        """Return what an aisle draws as a share of what is provided for it."""
        provided = self.row_watts * self.shape.rows_per_aisle
        return fsum(watts[index] for index in self.aisles[aisle]) / provided

    def air_ratio(self, aisle: int, watts: Sequence[float]) -> float:
        """Return the air that an aisle's servers want as a share of its supply."""
        return fsum(self.air(index, watts[index]) for index in self.aisles[aisle]) / self.aisle_air

    def inlets(self, outside_celsius: float, watts: Sequence[float]) -> list[float]:
        """Return the inlet of each server, in °C, after its aisle has drawn ``watts`` for long."""
        supply = SUPPLY_CELSIUS + weather_celsius(outside_celsius)
        inlets = [0.0] * len(self.slots)
        for aisle, members in enumerate(self.aisles):
            lacking = max(0.0, self.air_ratio(aisle, watts) - 1.0)
            common = supply + AISLE_CELSIUS * self.aisle_load(aisle, watts) + RECIRCULATED_CELSIUS * lacking
            for index in members:
                inlets[index] = common + self.slots[index].offset_celsius
        return inlets

    def row_draws(self, watts: Sequence[float]) -> list[float]:
        """Return what each row draws."""
        return [fsum(watts[index] for index in members) for members in self.rows]


class Hall:
    """A facility as the simulator asks for inlets (`sim.air.Inlet`): nodes by name, in the order of its slots."""

    def __init__(
        self,
        facility: Facility,
        nodes: Sequence[str],
        outside_celsius: Sequence[float],
        seconds_each: float = 3600.0,
    ) -> None:
        """``outside_celsius`` lasts ``seconds_each`` a value, over and over."""
        if len(nodes) > len(facility.slots):
            raise ValueError(f"{len(nodes)} nodes for {len(facility.slots)} places")
        self._facility, self._nodes = facility, tuple(nodes)
        self._outside, self._each = tuple(outside_celsius), seconds_each

    def __call__(self, at_seconds: float, watts: Mapping[str, float]) -> Mapping[str, float]:
        """Return the inlet of each node; slots without a node are dark."""
        drawn = [watts.get(name, 0.0) for name in self._nodes]
        drawn += [0.0] * (len(self._facility.slots) - len(drawn))
        outside = self._outside[int(at_seconds / self._each) % len(self._outside)]
        return dict(zip(self._nodes, self._facility.inlets(outside, drawn), strict=False))


def weather_celsius(outside_celsius: float) -> float:
    """Return what the weather adds to the supply air."""
    first, second = OUTSIDE_KNEES_CELSIUS
    mild = min(max(outside_celsius - first, 0.0), second - first)
    return OUTSIDE_SLOPES[0] * mild + OUTSIDE_SLOPES[1] * max(0.0, outside_celsius - second)


def sampled(shape: Shape, seed: int) -> Facility:
    """Return one facility; with more servers added, those that were there stay as they are."""
    rng = Random(f"facility {seed}")
    common = [rng.gauss(0.0, 1.0) for _ in range(shape.rows)]
    own, shared = sqrt(1.0 - shape.offset_correlation), sqrt(shape.offset_correlation)
    slots = []
    for row in range(shape.rows):
        of_row = Random(f"facility {seed} row {row}")
        for _ in range(round(shape.servers_per_row * (1.0 + shape.added_ratio))):
            offset = shape.offset_spread_celsius * (shared * common[row] + own * of_row.gauss(0.0, 1.0))
            excess = shape.gpu_spread_celsius * (2.0 + of_row.gauss(0.0, 1.0))
            fan = max(0.5, 1.0 + shape.fan_spread_ratio * of_row.gauss(0.0, 1.0))
            slots.append(Slot(row, row // shape.rows_per_aisle, offset, max(0.0, excess), fan))
    return Facility(shape, slots)
