"""Where energy per token is least over clocks: it comes out of the model, nothing here knows it."""

from dataclasses import dataclass

from wattline.world.physics import EnginePhysics
from wattline.world.power import PowerModel
from wattline.world.steady import Service, Steady, steady


@dataclass(frozen=True, slots=True)
class Knee:
    """The cheapest clock of a load, beside full clock."""

    clock_mhz: int
    joules_per_token: float
    full_joules_per_token: float
    rate_ratio: float
    """Tokens per second there against full clock."""

    @property
    def saving_ratio(self) -> float:
        """Part of the energy per token that is saved against full clock."""
        return 1.0 - self.joules_per_token / self.full_joules_per_token


def knee(physics: EnginePhysics, power: PowerModel, service: Service) -> Knee:
    """Return the clock at which a token costs the least energy, with so many sequences running at any time."""
    found = [
        (_joules(physics, now), mhz, now)
        for mhz in power.clocks_mhz
        for now in [_at(physics, power, mhz, service)]
    ]
    least = min(found, key=lambda one: one[:2])
    full = found[-1]
    return Knee(least[1], least[0], full[0], least[2].tokens_per_second / full[2].tokens_per_second)


def _at(physics: EnginePhysics, power: PowerModel, clock_mhz: int, service: Service) -> Steady:
    return steady(physics, power, clock_mhz, service)


def _joules(physics: EnginePhysics, now: Steady) -> float:
    return now.watts * physics.gpus / now.tokens_per_second
