"""Recorded agent runs: what the simulator and the replaying agents both play."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from wattline.model.context import Context, Extent


@dataclass(frozen=True, slots=True)
class Turn:
    """One LLM call of a session and the tool call after it."""

    context: Context
    """Whole prompt."""

    output: Extent
    """Generated tokens; the next turn's context holds them again where the recording says so."""

    gap_seconds: float
    """Tool time (or think time) between this turn's end and the next turn's request; 0 after the last."""

    tool: str = ""
    """What the gap is: tools by name, joined by +; empty where the recording does not say."""

    images: int = 0
    """Images in the prompt that this turn brought; their tokens are among those of the context."""


@dataclass(frozen=True, slots=True)
class Run:
    """One agent run: a chain of turns of one session."""

    id: str
    session: str
    """Root session; fairness and affinity are by it."""

    harness: str
    """Agents of one harness share their opening prompt."""

    turns: tuple[Turn, ...]

    tenant: str = ""
    """Who it is for; empty where nobody says."""

    @property
    def longest_tokens(self) -> int:
        """Most tokens any turn needs, output included."""
        return max(sum(e.tokens for e in turn.context) + turn.output.tokens for turn in self.turns)


@dataclass(frozen=True, slots=True)
class Arrival:
    """A run and when it starts."""

    at_seconds: float
    run: Run


class Arrivals(Protocol):
    """Runs in the order of time, made while they are asked for or all there."""

    def __iter__(self) -> Iterator[Arrival]: ...

    def __len__(self) -> int: ...
