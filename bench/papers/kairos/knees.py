"""Where a token costs the least energy: clock, saving and speed by product, load and clock–power shape.

`python -m bench.papers.kairos` prints the table of docs/explanation/world.md.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from bench.papers.kairos.runs import MODEL as CODER
from bench.papers.study import Table

from wattline.world.curve import SHAPES, PowerShape
from wattline.world.engines import ENGINES
from wattline.world.knee import knee
from wattline.world.physics import EnginePhysics
from wattline.world.power import PowerModel
from wattline.world.products import BYTES_PER_MULTIPROCESSOR_AND_CLOCK
from wattline.world.steady import Service, steady

ROWS = (
    (CODER, "h100-nvl", 1), (CODER, "h100", 2), (CODER, "h200", 1), (CODER, "a100", 2), ("Qwen/Qwen3-14B", "h100", 1),
)  # fmt: skip
SEQUENCES = (1, 4, 16, 48)
PAPERS = ENGINES[CODER, "h100-nvl", 1]
"""The paper's model and card."""
CLOCK_MHZ = 900
"""The paper's knee [S]."""


def service(sequences: float) -> Service:
    """Return turns as agents make them: a long cached context, some new tokens, a short answer."""
    return Service(sequences, prompt_tokens=600, output_tokens=200, cached_tokens=8000)


@dataclass(frozen=True, slots=True)
class AtClock:
    """Steady service at one clock against full clock."""

    clock_mhz: int
    watts_ratio: float
    rate_ratio: float

    @property
    def joules_ratio(self) -> float:
        """Energy per token against that at full clock."""
        return self.watts_ratio / self.rate_ratio


def at_clock(physics: EnginePhysics, shape: PowerShape, sequences: float, clock_mhz: int) -> AtClock:
    """Return what a clock costs and brings."""
    power = PowerModel(physics.product, shape)
    slow = steady(physics, power, clock_mhz, service(sequences))
    full = steady(physics, power, power.clocks_mhz[-1], service(sequences))
    return AtClock(clock_mhz, slow.watts / full.watts, slow.tokens_per_second / full.tokens_per_second)


def slower_chip(physics: EnginePhysics, bytes_per_clock: float) -> EnginePhysics:
    """Return an engine on the same product with another on-chip transport: the constant that the knee hangs on."""
    product = physics.product
    scale = bytes_per_clock / BYTES_PER_MULTIPROCESSOR_AND_CLOCK
    moved = replace(product, on_chip_bytes_per_second=product.on_chip_bytes_per_second * scale)
    return replace(physics, product=moved)


def curve(sequences: float) -> Table:
    """Return the paper's card over the clock, in all shapes."""
    clocks = (600, 750, 810, 900, 1050, 1200, 1350, 1500)
    rows = []
    for shape in SHAPES.values():
        found = [at_clock(PAPERS, shape, sequences, clock) for clock in clocks]
        rows.append(
            (shape.name, *(f"{one.joules_ratio - 1:+.0%} ({one.watts_ratio - 1:+.0%})" for one in found))
        )
    title = (
        f"Energy per token (watts) against 1680 MHz, {sequences:g} running, nothing idle and memory not full"
    )
    return Table(title, ("shape", *(f"{clock} MHz" for clock in clocks)), tuple(rows))


def lines() -> Iterator[str]:
    """Yield the table of all products as Markdown."""
    yield f"| model, product × GPUs | shape | {' | '.join(f'{n} running' for n in SEQUENCES)} |"
    yield "|---|---|" + "---|" * len(SEQUENCES)
    for key in ROWS:
        physics = ENGINES[key]
        for shape in SHAPES.values():
            power = PowerModel(physics.product, shape)
            cells = []
            for sequences in SEQUENCES:
                found = knee(physics, power, service(sequences))
                cells.append(f"{found.clock_mhz} MHz, −{found.saving_ratio:.0%}, {found.rate_ratio:.0%}")
            name = f"{key[0].split('/')[1]}, {key[1]} × {key[2]}"
            yield f"| {name} | {shape.name} | {' | '.join(cells)} |"
