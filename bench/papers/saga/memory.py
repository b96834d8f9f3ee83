"""KV memory of one worker by session, in blocks: what runs is fixed, what is away may be given up as a policy says."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from wattline.model.survival import Survival
from wattline.policy.retain import Kept, RetainSeen, RetainSpec, decide

BLOCK = 16
Choose = Callable[[int, float], list[tuple[str, int]]]
"""Tokens that are missing and the time, to sessions and the tokens that each gives up from its end."""


@dataclass(slots=True)
class Away:
    """A session of which no turn runs."""

    kept: Kept
    next_use: float = float("inf")
    """Known to the oracle alone."""

    def asks(self, waiting_seconds: float) -> None:
        """Let its turn wait, and be expected to start after so long; nothing holds it any more."""
        kept = self.kept
        # Every turn does this: replace() takes four times as long.
        self.kept = Kept(
            kept.name, kept.tokens, kept.last_used_seconds, None, kept.ended, kept.reuse_ratio, 0.0, waiting_seconds
        )  # fmt: skip

    def holds(self, tokens: int) -> None:
        """Let so many of its tokens be here."""
        kept = self.kept
        self.kept = Kept(
            kept.name, tokens, kept.last_used_seconds, kept.tool, kept.ended, kept.reuse_ratio, kept.pinned_until_seconds,
            kept.waiting_seconds,
        )  # fmt: skip


class Memory:
    """So many tokens; amounts are whole blocks."""

    def __init__(self, capacity_tokens: int, spec: RetainSpec | None, curves: Mapping[str, Survival]) -> None:
        self.capacity_tokens = capacity_tokens - capacity_tokens % BLOCK
        self.away: dict[str, Away] = {}
        self.running: dict[str, int] = {}
        self.curves = curves
        self.horizon_seconds = 60.0
        self._spec = spec
        self._running_tokens = self._away_tokens = self._ended_tokens = 0

    @property
    def free_tokens(self) -> int:
        """Room without anybody giving way."""
        return self.capacity_tokens - self._running_tokens - self._away_tokens

    @property
    def running_tokens(self) -> int:
        """Held by turns that run."""
        return self._running_tokens

    def live_tokens(self) -> int:
        """Return what belongs to sessions that have not ended."""
        return self._running_tokens + sum(one.kept.tokens for one in self.away.values() if not one.kept.ended)

    def cached_tokens(self, session: str) -> int:
        """Return how many leading tokens of an absent session are here."""
        away = self.away.get(session)
        return away.kept.tokens if away else 0

    def missing_tokens(self, session: str, tokens: int) -> int:
        """Return how much sessions that may come back have to give up for a turn's tokens, once those that ended have."""
        away = self.away.get(session)
        others = self._away_tokens - (away.kept.tokens if away else 0)
        needed = self._running_tokens + blocks(tokens, up=True) + others - self.capacity_tokens
        return max(0, needed - self._ended_tokens)

    def take(self, session: str, tokens: int, known_tokens: int, at_seconds: float) -> int | None:
        """Give a turn its tokens; return how many of its known ones are here, or none where there is no room."""
        tokens = blocks(tokens, up=True)
        away = self.away.get(session)
        hit = min(away.kept.tokens, blocks(known_tokens)) if away else 0
        others = self._away_tokens - (away.kept.tokens if away else 0)
        if self._running_tokens + tokens > self.capacity_tokens:
            return None
        self.drop(session)
        missing = self._running_tokens + tokens + others - self.capacity_tokens
        if missing > 0:
            self._give_up(missing, at_seconds)
        self.running[session] = tokens
        self._running_tokens += tokens
        return hit

    def leave(self, kept: Kept, next_use: float = float("inf")) -> None:
        """Let a turn end; what it computed stays for as long as nobody needs the room."""
        self._running_tokens -= self.running.pop(kept.name)
        away = self.away[kept.name] = Away(kept, next_use)
        away.holds(blocks(kept.tokens))
        self._away_tokens += away.kept.tokens
        if kept.ended:
            self._ended_tokens += away.kept.tokens

    def asks(self, session: str) -> None:
        """Note that a session's turn waits, if anything of it is here."""
        away = self.away.get(session)
        if away is not None:
            away.asks(1.0)

    def foresees(self, sessions: Iterable[str], start_seconds: float) -> None:
        """Note that turns which wait start in this order, so long after each other."""
        here = self.away
        for index, session in enumerate(sessions, start=1):
            if session in here:
                here[session].asks(index * start_seconds)

    def drop(self, session: str) -> None:
        """Forget a session that is away."""
        away = self.away.pop(session, None)
        if away is not None:
            self._away_tokens -= away.kept.tokens
            if away.kept.ended:
                self._ended_tokens -= away.kept.tokens

    def _give_up(self, tokens: int, at_seconds: float) -> None:
        for name, given in self._chosen(tokens, at_seconds):
            away = self.away[name]
            self._away_tokens -= given
            if away.kept.ended:
                self._ended_tokens -= given
            else:
                age = at_seconds - away.kept.last_used_seconds
                self.horizon_seconds += 0.05 * (max(age, 1.0) - self.horizon_seconds)
            if given == away.kept.tokens:
                del self.away[name]
            else:
                away.holds(away.kept.tokens - given)

    def _chosen(self, tokens: int, at_seconds: float) -> list[tuple[str, int]]:
        if self._spec is None:
            return farthest(self.away, tokens)
        kept = [one.kept for one in self.away.values()]
        seen = RetainSeen(at_seconds, tokens, kept, self.curves, self.horizon_seconds)
        return [(victim.name, victim.tokens) for victim in decide(self._spec, seen).victims]


def farthest(away: Mapping[str, Away], tokens: int) -> list[tuple[str, int]]:
    """Return what Bélády gives up: from the ends of those contexts that are used again last."""
    out = []
    for name, one in sorted(away.items(), key=lambda item: (-item[1].next_use, item[0])):
        if tokens <= 0:
            break
        given = min(one.kept.tokens, blocks(tokens, up=True))
        if given:
            out.append((name, given))
            tokens -= given
    return out


def blocks(tokens: int, *, up: bool = False) -> int:
    """Return tokens in whole blocks."""
    return tokens - tokens % BLOCK if not up else tokens + -tokens % BLOCK
