"""Power and energy as a driver reports them: on a 100 ms grid, the power as an average of one second."""

from collections import deque
from math import floor, inf

GRID_SECONDS = 0.1
AVERAGE_SECONDS = 1.0


class Meter:
    """Integrates power exactly; reads it back as coarsely as the device does."""

    def __init__(self, at_seconds: float, watts: float, *, sampled_seconds: float = GRID_SECONDS) -> None:
        """Start at ``at_seconds`` as if ``watts`` had been drawn for long.

        The instant power covers the first ``sampled_seconds`` of each grid interval: 0.025 on A100 and H100 (a
        quarter of the time, GPU_Power_Benchmark), by default all of it.
        """
        self._sampled_seconds = sampled_seconds
        self.energy_joules = 0.0
        """Exact integral since the start."""
        self._read_seconds = -inf
        """Up to when the readings below were taken: they are asked for oftener than time passes."""
        self._watts = self._instant_watts = watts
        self._points: deque[tuple[float, float]] = deque(
            [(at_seconds - 2 * AVERAGE_SECONDS, -2 * AVERAGE_SECONDS * watts), (at_seconds, 0.0)]
        )

    def add(self, until_seconds: float, watts: float) -> None:
        """Draw ``watts`` from the last call's end until now."""
        points = self._points
        joules = self.energy_joules = self.energy_joules + watts * (until_seconds - points[-1][0])
        points.append((until_seconds, joules))
        oldest = until_seconds - AVERAGE_SECONDS - 2 * GRID_SECONDS
        while points[1][0] <= oldest and len(points) > 2:
            points.popleft()

    @property
    def watts(self) -> float:
        """Average of the second before the last grid point."""
        if self._points[-1][0] != self._read_seconds:
            self._read()
        return self._watts

    @property
    def instant_watts(self) -> float:
        """Average of the last whole grid interval, or of that part of it which the sensor covers."""
        if self._points[-1][0] != self._read_seconds:
            self._read()
        return self._instant_watts

    def _read(self) -> None:
        tick, covered = self._tick(), self._sampled_seconds
        ended = tick - (GRID_SECONDS - covered)
        now = self._energy_at(tick)
        self._watts = (now - self._energy_at(tick - AVERAGE_SECONDS)) / AVERAGE_SECONDS
        then = now if ended == tick else self._energy_at(ended)
        self._instant_watts = (then - self._energy_at(tick - GRID_SECONDS)) / covered
        self._read_seconds = self._points[-1][0]

    def _tick(self) -> float:
        return floor(self._points[-1][0] / GRID_SECONDS + 1e-9) * GRID_SECONDS

    def _energy_at(self, at_seconds: float) -> float:
        later = self._points[-1]
        for earlier in reversed(self._points):
            if earlier[0] <= at_seconds:
                span = later[0] - earlier[0]
                share = (at_seconds - earlier[0]) / span if span > 0 else 0.0
                return earlier[1] + (later[1] - earlier[1]) * share
            later = earlier
        return later[1]
