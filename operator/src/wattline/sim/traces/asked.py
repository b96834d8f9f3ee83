"""What a reader is asked for beside its file, and what all readers share."""

from dataclasses import dataclass, field

from wattline.sim.notes import Notes

SERVED_TOKENS_PER_SECOND = 50.0
"""Ours: what a recorded call is taken to have generated at where its trace does not say how long it took."""

EMPTY_PROMPT = "calls with an empty prompt, taken as 1 token"
EMPTY_OUTPUT = "calls without output, taken as 1 token"
OVERLAP = "calls that began before the one before them had ended, taken to follow it at once"


@dataclass(frozen=True, slots=True)
class Asked:
    """Wishes that not every format needs."""

    notes: Notes = field(default_factory=Notes)
    """Where the reader counts what it noticed."""

    seed: str = "0"
    """Of what is drawn: formats that hold distributions instead of calls."""

    hours: float = 24.0
    """Drawn calls begin within this time."""

    rate_per_second: float | None = None
    """Mean rate of drawn calls; as recorded where unset."""

    workload: str | None = None
    """Which one, where a file holds several."""

    def at_least_one(self, tokens: int, place: str, what: str) -> int:
        """Return a count of tokens that a call can have; an empty one is counted as ``what`` and is 1."""
        if tokens < 1:
            self.notes.count(what, place)
        return max(1, tokens)
