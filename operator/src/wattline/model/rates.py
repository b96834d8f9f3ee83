"""Agent rates: output tokens over the seconds since the request arrived, per session and window.

Holding and prefill count, tool time does not. The P5 over the sessions of the last 30 s is what the clock loop
protects.
"""

from collections import deque
from collections.abc import Hashable
from dataclasses import dataclass, field

WINDOW_SECONDS = 30.0
YOUNG_SECONDS = 5.0
"""Ours: a session whose only turn of the window arrived less than this ago says nothing about speed yet."""


@dataclass(slots=True)
class _Agent:
    open: dict[Hashable, float] = field(default_factory=dict)
    """Turn whose tokens are seen as they come: when it arrived."""
    hidden: dict[Hashable, float] = field(default_factory=dict)
    """Turn whose tokens are seen at its end only: when it arrived."""
    over: deque[tuple[float, float]] = field(default_factory=deque)
    """Turns that ended: arrival and end."""
    marks: deque[list[float]] = field(default_factory=deque)
    """Second and tokens generated in it."""

    def mark(self, second: float, tokens: float) -> None:
        if self.marks and self.marks[-1][0] == second:
            self.marks[-1][1] += tokens
        else:
            self.marks.append([second, tokens])

    def rate(self, now: float) -> float | None:
        since = now - WINDOW_SECONDS
        while self.over and self.over[0][1] <= since:
            self.over.popleft()
        while self.marks and self.marks[0][0] <= since:
            self.marks.popleft()
        active = sum(end - max(start, since) for start, end in self.over)
        active += sum(now - max(start, since) for start in self.open.values())
        if active <= 0 or (not self.over and active < YOUNG_SECONDS):
            return None
        return sum(tokens for _, tokens in self.marks) / active


class AgentRates:
    """The rates of the agents of one replica."""

    def __init__(self) -> None:
        self._agents: dict[Hashable, _Agent] = {}

    def arrived(self, session: Hashable, turn: Hashable, at_seconds: float, *, streamed: bool = True) -> None:
        """Note when a turn's request reached the gateway; one that is not streamed counts once it has ended."""
        agent = self._agents.setdefault(session, _Agent())
        (agent.open if streamed else agent.hidden)[turn] = at_seconds

    def generated(self, session: Hashable, tokens: float, at_seconds: float) -> None:
        """Note output tokens; a correction may be negative."""
        agent = self._agents.get(session)
        if agent is None:
            return
        agent.mark(float(int(at_seconds)), tokens)

    def generated_over(self, session: Hashable, tokens: float, start: float, end: float) -> None:
        """Note output tokens of which only the span is known; they are spread over it evenly."""
        agent = self._agents.get(session)
        if agent is None:
            return
        first, last = int(max(start, end - WINDOW_SECONDS)), int(end)
        each = tokens / max(1, last - int(start) + 1)
        for second in range(first, last + 1):
            agent.mark(float(second), each)

    def ended(self, session: Hashable, turn: Hashable, at_seconds: float) -> None:
        """Note that a turn's answer is complete."""
        agent = self._agents.get(session)
        if agent is None:
            return
        start = agent.open.pop(turn, None)
        start = agent.hidden.pop(turn, None) if start is None else start
        if start is not None:
            agent.over.append((start, at_seconds))

    def slowest(self, at_seconds: float) -> float | None:
        """Return the P5 over the sessions that ran in the last 30 s; none where none did."""
        rates = []
        for session, agent in list(self._agents.items()):
            rate = agent.rate(at_seconds)
            if rate is not None:
                rates.append(max(0.0, rate))
            elif not agent.open and not agent.hidden and not agent.over:
                del self._agents[session]
        if not rates:
            return None
        rates.sort()
        return rates[int(0.05 * (len(rates) - 1))]
