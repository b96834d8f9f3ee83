"""What a model gets wrong, remembered by clock: bends that its formula cannot make."""

from collections.abc import Sequence
from dataclasses import dataclass, field

CELL_MHZ = 50
REACH_MHZ = 120.0
"""Clocks this near to each other teach each other."""
DOUBT = 4.0
"""Observations that speak for "the formula is right"."""
MEMORY = 100.0
"""Observations that a cell remembers."""


@dataclass(frozen=True, slots=True)
class Residuals:
    """Mean relative error of a model per cell of the clock; nothing where nothing was seen."""

    cells: tuple[tuple[int, float, float], ...] = ()
    """Clock of the cell, observations, mean error."""
    _expected: dict[float, float] = field(default_factory=dict, init=False, repr=False, compare=False)
    """What was asked for before, by clock: the same few clocks are asked for every second."""
    _over: list[tuple[tuple[int, ...], list[float]]] = field(
        default_factory=list, init=False, repr=False, compare=False
    )
    """The clocks that were last asked for together, as that object, and their errors."""

    def at(self, clock_mhz: float) -> float:
        """Return the relative error to expect at a clock."""
        if not self.cells:
            return 0.0
        known = self._expected.get(clock_mhz)
        if known is None:
            known = self._expected[clock_mhz] = self._at(clock_mhz)
        return known

    def over(self, clocks_mhz: tuple[int, ...]) -> Sequence[float]:
        """Return the same for several clocks."""
        for asked, errors in self._over:
            if asked is clocks_mhz:
                return errors
        errors = [self._at(clock_mhz) for clock_mhz in clocks_mhz]
        self._over[:] = [(clocks_mhz, errors)]
        return errors

    def _at(self, clock_mhz: float) -> float:
        weight, total = DOUBT, 0.0
        low, high = clock_mhz - REACH_MHZ, clock_mhz + REACH_MHZ
        for cell, seen, error in self.cells:
            if low < cell < high:
                near = 1.0 - abs(cell - clock_mhz) / REACH_MHZ
                weight += near * seen
                total += near * seen * error
        return total / weight

    def doubt(self, clock_mhz: float) -> float:
        """Return 1 where nothing was seen near a clock, towards 0 where much was."""
        weight = 0.0
        for cell, seen, _ in self.cells:
            if abs(cell - clock_mhz) < REACH_MHZ:
                weight += seen * (1.0 - abs(cell - clock_mhz) / REACH_MHZ)
        return DOUBT / (DOUBT + weight)

    def after(self, clock_mhz: float, error: float) -> "Residuals":
        """Return what is known after one more observation."""
        key = round(clock_mhz / CELL_MHZ) * CELL_MHZ
        cells = {cell: (seen, mean) for cell, seen, mean in self.cells}
        seen, mean = cells.get(key, (0.0, 0.0))
        seen = min(seen + 1.0, MEMORY)
        cells[key] = (seen, mean + (error - mean) / seen)
        return Residuals(tuple((cell, *kept) for cell, kept in sorted(cells.items())))


NONE_SEEN = Residuals()
"""Before anything was seen."""
