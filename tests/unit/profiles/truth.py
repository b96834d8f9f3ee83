"""Points of an engine that is known, as if they had been measured."""

from collections.abc import Iterable
from dataclasses import replace
from random import Random

from wattline.profiles.fit import predicted
from wattline.profiles.points import Point, Subject
from wattline.world.curve import PERSEUS, PowerShape
from wattline.world.engines import ENGINES
from wattline.world.physics import EnginePhysics
from wattline.world.power import PowerModel

MODEL = "Qwen/Qwen3-14B"
TRUTH = ENGINES[MODEL, "h100", 1]
BATCHES = (1, 4, 16, 64, 256)


def points(
    batches: Iterable[float] = BATCHES,
    *,
    physics: EnginePhysics = TRUTH,
    shape: PowerShape = PERSEUS,
    clocks: Iterable[int | None] = (None,),
    prompt_tokens: float = 800,
    output_tokens: float = 300,
    noise: float = 0.0,
) -> list[Point]:
    """Return what an exact bench would write down, with so much noise (a share, seeded)."""
    subject = Subject(physics.model, physics.product.name, physics.gpus)
    bare = [
        Point(
            subject,
            "",
            sequences=batch,
            prompt_tokens=prompt_tokens,
            output_tokens=output_tokens,
            clock_mhz=clock,
            fold=f"{batch:g}",
        )
        for batch in batches
        for clock in clocks
    ]
    return measured(bare, physics=physics, shape=shape, noise=noise)


def measured(
    bare: Iterable[Point],
    *,
    physics: EnginePhysics = TRUTH,
    shape: PowerShape = PERSEUS,
    noise: float = 0.0,
) -> list[Point]:
    """Return points with what an engine does at each, one a line of a file."""
    power, rng = PowerModel(physics.product, shape), Random(7)
    out = []
    for point in bare:
        seen = predicted(physics, power, point)
        wobble = [1 + rng.uniform(-noise, noise) for _ in range(4)]
        out.append(
            replace(
                point,
                place=f"truth.csv:{len(out) + 2}",
                watts=seen.watts * wobble[0],
                itl_seconds=seen.itl_seconds * wobble[1],
                tokens_per_second=seen.tokens_per_second * wobble[2],
                ttft_seconds=seen.ttft_seconds * wobble[3],
            )
        )
    return out
