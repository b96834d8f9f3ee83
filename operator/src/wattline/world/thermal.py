"""Heat: three stages of resistance and capacity between the die and the air that comes in."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp

from wattline.model.sums import in_order


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
        self._resistances = [stage.celsius_per_watt for stage in stages]
        self._rises = [watts * stage.celsius_per_watt for stage in stages]
        self._kept_of_seconds = 0.0
        self._kept: list[float] = []
        """Of each stage's distance from its end, the share that is left after ``_kept_of_seconds``: stretches are
        mostly as long as the one before."""

    @property
    def celsius(self) -> float:
        """Temperature of the die now."""
        return self.inlet_celsius + in_order(self._rises)

    def advance(self, seconds: float, watts: float) -> None:
        """Let ``seconds`` pass at a constant ``watts``."""
        rises = self._rises
        if seconds != self._kept_of_seconds:
            self._kept = [exp(-seconds / stage.time_constant_seconds) for stage in self.stages]
            self._kept_of_seconds = seconds
        kept = self._kept
        for index, resistance in enumerate(self._resistances):
            final = watts * resistance
            rises[index] = final + (rises[index] - final) * kept[index]
