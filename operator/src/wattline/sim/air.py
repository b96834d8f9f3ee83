"""The air that comes into nodes: constant, changed at given times, or what a facility says of its nodes' draw."""

from collections.abc import Callable, Iterable, Mapping
from math import fsum

from wattline.sim.node import Node

Inlet = Callable[[float, Mapping[str, float]], Mapping[str, float]]
"""A facility: from the time and each node's GPU watts (their mean since the look before, idle at first) to the inlet
temperature of each node, in °C. It may remember what it was told; a simulation asks for a new one (`Scenario.inlet`).
"""

LOOK_SECONDS = 10.0
"""How often a facility is asked [assumption: air and fans take longer to follow]."""


class Air:
    """Inlet temperatures of all nodes' GPUs."""

    def __init__(self, nodes: Iterable[Node], inlet: Inlet | None) -> None:
        self._nodes = {node.name: node for node in nodes}
        self._inlet = inlet
        self._looked_seconds = 0.0
        self._joules = dict.fromkeys(self._nodes, 0.0)

    def set(self, celsius: float, names: Iterable[str] = ()) -> None:
        """Let air of one temperature into some nodes, or into all."""
        for name in names or self._nodes:
            self._let_in(name, celsius)

    def look(self, now_seconds: float) -> None:
        """Ask the facility; the nodes have been caught up to now."""
        if self._inlet is None:
            return
        passed = now_seconds - self._looked_seconds
        watts = {}
        for name, node in self._nodes.items():
            joules = fsum(gpu.energy_joules for gpu in node.gpus.values())
            idle = fsum(gpu.watts for gpu in node.gpus.values())
            watts[name] = (joules - self._joules[name]) / passed if passed > 0 else idle
            self._joules[name] = joules
        self._looked_seconds = now_seconds
        for name, celsius in self._inlet(now_seconds, watts).items():
            self._let_in(name, celsius)

    def _let_in(self, name: str, celsius: float) -> None:
        for gpu in self._nodes[name].gpus.values():
            gpu.set_inlet(celsius)
