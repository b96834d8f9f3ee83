"""Power as a device smooths it by itself, and as storage in its rack smooths what the grid sees.

The device: GPU power smoothing of GB200 and later, by the semantics of its settings [S: a third party's model of
NVIDIA's DA-12033-001]: a floor, ramps up and down, and a wait before a ramp down. Storage: capacitors that fill while
the device draws less than the grid gives; 65 J a GPU is said of GB300's supplies [S].
"""

from dataclasses import dataclass
from math import inf


@dataclass(frozen=True, slots=True)
class SmoothingSettings:
    """What the device is told; zero and infinity smooth nothing."""

    floor_watts: float = 0.0
    up_watts_per_second: float = inf
    down_watts_per_second: float = inf
    hysteresis_seconds: float = 0.0
    """Below its draw for so long before it ramps down."""
    ceiling_watts: float = inf


class Smoother:
    """One device; a draw below what the work asks for slows the work, one above it is burnt."""

    def __init__(self, settings: SmoothingSettings, watts: float) -> None:
        """Start at a draw."""
        self.settings = settings
        self.watts = watts
        self._below_seconds = 0.0

    def step(self, asked_watts: float, seconds: float) -> float:
        """Let so much time pass in which the work asks for these watts; return the draw at its end."""
        settings = self.settings
        target = max(asked_watts, settings.floor_watts)
        if target >= self.watts:
            self._below_seconds = 0.0
            self.watts += min(target - self.watts, settings.up_watts_per_second * seconds)
        elif self._below_seconds < settings.hysteresis_seconds:
            self._below_seconds += seconds
        else:
            self.watts -= min(self.watts - target, settings.down_watts_per_second * seconds)
        self.watts = min(self.watts, settings.ceiling_watts)
        return self.watts


class Storage:
    """Storage between devices and grid: the grid follows the draw slowly, as far as charge allows."""

    def __init__(
        self,
        capacity_joules: float,
        watts: float,
        *,
        follow_seconds: float = 2.0,
        most_given_watts: float = inf,
        efficiency_ratio: float = 0.95,
    ) -> None:
        """Start half full at a draw.

        ``follow_seconds`` is the time constant with which the grid follows the draw, and in which charge that is off
        the middle is brought back. Who gives at most ``most_given_watts`` lasts longer. ``efficiency_ratio`` is of charging
        and giving together.
        """
        if capacity_joules < 0 or not 0 < efficiency_ratio <= 1:
            raise ValueError(f"no such storage: {capacity_joules} J at an efficiency of {efficiency_ratio}")
        self.capacity_joules = capacity_joules
        self.charge_joules = capacity_joules / 2
        self.grid_watts = watts
        self._mean_watts = watts
        self._follow_seconds = follow_seconds
        self._most_given_watts = most_given_watts
        self._efficiency_ratio = efficiency_ratio

    def step(self, drawn_watts: float, seconds: float) -> float:
        """Let so much time pass at a draw; return what the grid gives."""
        self._mean_watts += (drawn_watts - self._mean_watts) * min(1.0, seconds / self._follow_seconds)
        refill = (self.capacity_joules / 2 - self.charge_joules) / self._follow_seconds
        into = max(self._mean_watts + refill - drawn_watts, -self._most_given_watts)
        if into > 0:
            room = (self.capacity_joules - self.charge_joules) / (seconds * self._efficiency_ratio)
            into = min(into, room)
            self.charge_joules += into * seconds * self._efficiency_ratio
        else:
            into = max(into, -self.charge_joules / seconds, -drawn_watts)
            self.charge_joules += into * seconds
        self.grid_watts = max(0.0, drawn_watts + into)
        return self.grid_watts
