"""Heat: three stages of resistance and capacity between the die and the air that comes in."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp


@dataclass(frozen=True, slots=True)
class Stage:
    """One resistance with its time constant."""

    celsius_per_watt: float
    time_constant_seconds: float


class Thermal:
    """Die temperature under piecewise constant power; every stage in closed form."""

    def __init__(self, stages: Sequence[Stage], inlet_celsius: float, watts: float) -> None:
        """Start settled at ``watts``."""
        self.stages = tuple(stages)
        self.inlet_celsius = inlet_celsius
        self._rises = [watts * stage.celsius_per_watt for stage in stages]

    @property
    def celsius(self) -> float:
        """Temperature of the die now."""
        return self.inlet_celsius + sum(self._rises)

    def advance(self, seconds: float, watts: float) -> None:
        """Let ``seconds`` pass at a constant ``watts``."""
        rises = self._rises
        for index, stage in enumerate(self.stages):
            final = watts * stage.celsius_per_watt
            rises[index] = final + (rises[index] - final) * exp(-seconds / stage.time_constant_seconds)
