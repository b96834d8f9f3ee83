"""How long an engine needs from its start to its first answer."""

from wattline.world.physics import EnginePhysics

START_SECONDS = 45.0
"""Imports, compiling and the capture of graphs, whatever the model [assumption]."""

BYTES_PER_SECOND = 1e9
"""Weights from a local disk into the GPUs' memory [assumption]."""

SHORTEST_SECONDS, LONGEST_SECONDS = 60.0, 300.0
"""What starts of vLLM are reported to take, from small models to large ones [R]."""


def loading_seconds(physics: EnginePhysics) -> float:
    """Return the seconds for which an engine of these weights loads and answers nothing."""
    seconds = START_SECONDS + physics.architecture.weight_bytes / BYTES_PER_SECOND
    return min(max(seconds, SHORTEST_SECONDS), LONGEST_SECONDS)
