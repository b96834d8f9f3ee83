"""Rungs of a quality ladder: a smaller or quantised model, what it costs in success and in turns, and who says so."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import ceil

from wattline.model.context import Extent, joined, tokens
from wattline.model.runs import Arrival, Arrivals, Run, Turn

TURNS_SHOWN = (1.0, 1.3, 1.6)
"""Turns of a weaker model against the stronger one's, at which a rung is shown: no public trace says the figure."""


@dataclass(frozen=True, slots=True)
class Rung:
    """What agents get where they do not get the pool's own model."""

    name: str
    model: str | None = None
    """Model that serves, as engine models are named; the pool's own when unset."""
    success_ratio: float = 1.0
    """Share of the runs that the pool's own model would have brought to success and this one does too."""
    turns_ratio: float = 1.0
    """How many times the turns a run takes."""
    source: str = ""
    """Where both ratios are from; without it they are a guess, and the figures stay out of headlines."""

    def __post_init__(self) -> None:
        if not 0 < self.success_ratio <= 1:
            raise ValueError(f"rung {self.name}: expected a success ratio above 0 and up to 1")
        if not self.turns_ratio >= 1:
            raise ValueError(f"rung {self.name}: expected a turns ratio of 1 or more")

    @property
    def sourced(self) -> bool:
        """Whether somebody has measured it."""
        return bool(self.source)


@dataclass(frozen=True, slots=True)
class _Longer:
    arrivals: Arrivals
    turns_ratio: float

    def __iter__(self) -> Iterator[Arrival]:
        return (replace(each, run=longer(each.run, self.turns_ratio)) for each in self.arrivals)

    def __len__(self) -> int:
        return len(self.arrivals)


def played_on(rung: Rung | None, arrivals: Arrivals) -> Arrivals:
    """Return the arrivals with runs as long as the rung makes them; each is made when it is asked for."""
    if rung is None or rung.turns_ratio == 1:
        return arrivals
    made = _Longer(arrivals, rung.turns_ratio)
    return list(made) if isinstance(arrivals, Sequence) else made


def longer(run: Run, turns_ratio: float) -> Run:
    """Return the run with so many times the turns, rounded up: it goes on as its last turns went.

    Each added turn sees all that was said before it, grows by what the turn it repeats grew by, says as much, and
    has its gap.
    """
    extra = ceil(len(run.turns) * (turns_ratio - 1) - 1e-9)
    return replace(run, turns=(*run.turns[:-1], *_going_on(run, extra))) if extra else run


def _going_on(run: Run, extra: int) -> Iterator[Turn]:
    """Yield the run's last turn, and ``extra`` turns after it."""
    count, gaps = len(run.turns), [turn.gap_seconds for turn in run.turns[:-1]] or [0.0]
    last, at = run.turns[-1], 0
    for added in range(extra):
        index = (max(0, count - extra) + added) % count
        again = run.turns[index]
        yield replace(last, gap_seconds=gaps[added % len(gaps)])
        start, at = at, at + _growth(run, index)
        stream = (run.id, "goes on")
        context = joined((*last.context, last.output, Extent(stream, start, at)))
        output = Extent(stream, at, at + again.output.tokens)
        at = output.end
        last = replace(again, context=context, output=output, gap_seconds=0.0)
    yield last


def _growth(run: Run, index: int) -> int:
    """Return by how many tokens a turn's prompt is longer than the prompt and the answer before it."""
    if not index:
        return 0
    before = run.turns[index - 1]
    return max(0, tokens(run.turns[index].context) - tokens(before.context) - before.output.tokens)
