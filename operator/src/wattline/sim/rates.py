"""Agent rates: output tokens over the seconds since a request arrived, per session and window of 30 s.

Holding and prefill count, tools do not. The report takes windows on a grid; the sensor that policies see takes
the last 30 s, refreshed every 5 s.
"""

import math
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from wattline.model.rates import WINDOW_SECONDS, YOUNG_SECONDS

__all__ = ["SAMPLE_SECONDS", "WINDOW_SECONDS", "AgentRates", "quantile"]

SAMPLE_SECONDS = 5.0
_SAMPLES = round(WINDOW_SECONDS / SAMPLE_SECONDS)


def quantile(values: Sequence[float], share: float) -> float | None:
    """Return the nearest-rank quantile; none of nothing."""
    if not values:
        return None
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


@dataclass(slots=True)
class _Agent:
    tokens: int = 0
    """Of turns that ended."""
    seconds: float = 0.0
    """Of turns that ended, from arrival to end."""
    since: float | None = None
    """Arrival of the turn that is open."""
    out: Callable[[], int] | None = None
    """Tokens of the open turn so far; none while it is held."""
    marks: deque[tuple[int, float]] = field(default_factory=lambda: deque([(0, 0.0)], maxlen=_SAMPLES + 1))
    rate: float | None = None
    """Tokens per second from the first mark to the last; none where they say nothing of speed."""
    rated: bool = True
    """Whether ``rate`` is that of the present marks."""

    def totals(self, now: float) -> tuple[int, float]:
        tokens = self.tokens + (self.out() if self.out is not None else 0)
        return tokens, self.seconds + (now - self.since if self.since is not None else 0.0)


class AgentRates:
    """Counts every session's tokens and seconds."""

    def __init__(self) -> None:
        self.windows: list[float] = []
        """Rate of every session in every window of the grid in which it had a turn open."""
        self._agents: dict[str, _Agent] = {}
        self._sampled = 0

    def arrived(self, session: str, now: float) -> None:
        """Note that a turn reached the gateway."""
        agent = self._agents.setdefault(session, _Agent())
        agent.since = now

    def dispatched(self, session: str, out: Callable[[], int]) -> None:
        """Note that a turn went to an engine; ``out`` says how many tokens are out."""
        self._agents[session].out = out

    def ended(self, session: str, now: float, tokens: int) -> None:
        """Note that a turn ended with so many tokens."""
        agent = self._agents[session]
        agent.tokens += tokens
        if agent.since is not None:
            agent.seconds += now - agent.since
        agent.since = agent.out = None

    def left(self, session: str, now: float) -> None:
        """Note that a session ended; its last window counts."""
        agent = self._agents.pop(session, None)
        if agent is not None:
            back = self._sampled % _SAMPLES + 1
            self._close(agent, agent.totals(now), back)

    def sample(self, now: float) -> None:
        """Take the totals; call every ``SAMPLE_SECONDS``."""
        self._sampled += 1
        closes = self._sampled % _SAMPLES == 0
        for agent in self._agents.values():
            totals = agent.totals(now)
            if closes:
                self._close(agent, totals, _SAMPLES)
            agent.marks.append(totals)
            agent.rated = False

    def slowest(self, sessions: Iterable[str]) -> float | None:
        """Return the P5 of the sessions' rates in the last 30 s, as of the last sample."""
        rates = []
        for session in sessions:
            agent = self._agents.get(session)
            if agent is None:
                continue
            if not agent.rated:
                agent.rate, agent.rated = _rate(agent.marks[0], agent.marks[-1]), True
            if agent.rate is not None:
                rates.append(agent.rate)
        return quantile(rates, 0.05)

    def _close(self, agent: _Agent, totals: tuple[int, float], samples: int) -> None:
        tokens, seconds = agent.marks[-min(samples, len(agent.marks))]
        if totals[1] > seconds:
            self.windows.append((totals[0] - tokens) / (totals[1] - seconds))


def _rate(first: tuple[int, float], last: tuple[int, float]) -> float | None:
    """Return the rate from one mark to another; a session that has just arrived and said nothing yet has none."""
    (before, then), (tokens, seconds) = first, last
    young = tokens == before and seconds - then < YOUNG_SECONDS
    return (tokens - before) / (seconds - then) if seconds > then and not young else None
