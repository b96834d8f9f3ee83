"""Admission: which agent may start on a replica, and which must wait for memory (KAIROS, arXiv 2604.16682).

From the paper: agents are admitted only while resident tokens U are below gamma × capacity, no admission takes
U above beta × capacity, and an agent that is in is held, never preempted. Ours, where the paper is silent: a
session whose growth takes U past beta goes back to pending at its turn's end.

Ours: room for growth. Agents that have just started are small and all grow at once; filling memory to gamma
with them thrashes a few turns later. From the growth per turn and the share of turns that end a session, both
learnt, we forecast the peak of what the present sessions will hold, and admit only while that peak fits. For
geometric lifetimes the forecast is U while the mean context is above growth ÷ ending, and higher for a young
crowd; a mixed crowd is not held back. ``growth_room=0`` is the paper's rule.

Ours too: how far the forecast can be trusted is learnt. A few large agents wander far from their mean, and an engine
that gives up the longest unused memory first also loses that of agents whose tool runs long. So the forecast peak
may reach a share of beta that falls with every token of a session computed again and rises with every new one.

Ours too: a thrash detector. While a replica recomputes much of what it prefills although memory is tight, no new
agent starts on it. The paper's rate (P5) is not part of it: rates include the time an agent is held, so holding
because of them would feed itself.
"""

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from wattline.api.memory import Memory


class Why(StrEnum):
    """Why an agent may start, or may not yet."""

    OFF = "AdmissionOff"
    ROOM = "Room"
    ALONE = "NothingElseHeld"
    ADOPTED = "Adopted"
    CAPACITY_UNKNOWN = "CapacityUnknown"
    ABOVE_GAMMA = "AboveAdmitBelow"
    ABOVE_BETA = "WouldPassNeverAbove"
    GROWTH = "RoomForGrowth"
    THRASHING = "Thrashing"
    TOO_LARGE = "LargerThanMemory"


ADMITTED = frozenset({Why.OFF, Why.ROOM, Why.ALONE, Why.ADOPTED})
"""Reasons for which an agent starts."""


@dataclass(frozen=True, slots=True)
class AdmitSpec:
    """What the user asks for, and constants of the method."""

    memory: Memory
    growth_room: float = 1.0
    """Share of the forecast growth that is kept free."""
    thrash_ratio: float = 0.15
    """Recomputed share of prefilled tokens above which nobody new starts; ours."""
    thrash_window_seconds: float = 60.0
    """Time constant of that share."""
    recompute_ratio: float = 0.05
    """Share of what later turns prefill that may be recomputed: below half of what counts as thrashing's edge."""
    least_level: float = 0.4
    """Least share of beta × capacity that a forecast peak may reach."""
    thrash_least_tokens: float = 8192.0
    """Prefilled tokens in the window below which the share says nothing."""


class Growth(NamedTuple):
    """How sessions grow and end, learnt from turns.

    Starts from a prior worth twenty sessions: 37 turns (KAIROS, arXiv 2604.16682: the mean of its sessions) of
    500 new tokens each (ours: about 150 generated and 350 observed). Twenty, because what a gateway sees first is
    censored: many turns and no end yet, from which a lighter prior learns that sessions hardly ever end.
    """

    turns: float = 20 * 37.0
    ended: float = 20 * 1.0
    tokens: float = 20 * 37.0 * 500.0
    memory_turns: float = 5000.0
    """Turns after which an observation has lost its weight."""

    def turn(self, grown_tokens: float) -> "Growth":
        """Return what is known after one more turn, which made a context longer (or shorter) by so much."""
        fade = 1 - 1 / self.memory_turns if self.turns > self.memory_turns else 1.0
        return self._replace(
            turns=self.turns * fade + 1,
            ended=self.ended * fade,
            tokens=self.tokens * fade + grown_tokens,
        )

    def end(self) -> "Growth":
        """Return what is known after one more session ended."""
        return self._replace(ended=self.ended + 1)

    def peak_tokens(self, resident_tokens: float, sessions: int) -> float:
        """Return the forecast peak of what ``sessions`` that hold so much now will hold together."""
        if sessions <= 0 or resident_tokens <= 0 or self.tokens <= 0:
            return resident_tokens
        per_turn = self.tokens / self.turns
        ending = min(0.999, self.ended / self.turns)
        lifetime_growth = per_turn / ending
        mean = resident_tokens / sessions
        if mean >= lifetime_growth:
            return resident_tokens
        turns_to_peak = 1 / ending - mean / per_turn
        return sessions * lifetime_growth * math.exp(math.log1p(-ending) * turns_to_peak)


class AdmitState(NamedTuple):
    """What is remembered of one replica between decisions."""

    at_seconds: float = 0.0
    prefilled_tokens: float = 0.0
    recomputed_tokens: float = 0.0
    level: float = 0.8
    """Share of beta × capacity that a forecast peak may reach, learnt."""

    def returned(
        self, spec: AdmitSpec, tokens: float, recomputed: float, capacity_tokens: float
    ) -> "AdmitState":
        """Return the state after a turn of a session that was here before had ``tokens`` prefilled.

        What had to be computed again says that too many were let in; what was new, that all is well.
        """
        step = (spec.recompute_ratio * tokens - recomputed) / capacity_tokens
        return self._replace(level=min(1.0, max(spec.least_level, self.level + step)))

    def prefilled(self, spec: AdmitSpec, at_seconds: float, tokens: float, recomputed: float) -> "AdmitState":
        """Return the state after a turn had ``tokens`` prefilled, ``recomputed`` of them not for the first time."""
        fade = self._fade(spec, at_seconds)
        return self._replace(
            at_seconds=at_seconds,
            prefilled_tokens=self.prefilled_tokens * fade + tokens,
            recomputed_tokens=self.recomputed_tokens * fade + recomputed,
        )

    def thrash_ratio(self, spec: AdmitSpec, at_seconds: float) -> float:
        """Return the recomputed share of the window; 0 while the window holds too little to say."""
        if self.prefilled_tokens * self._fade(spec, at_seconds) < spec.thrash_least_tokens:
            return 0.0
        return self.recomputed_tokens / self.prefilled_tokens

    def _fade(self, spec: AdmitSpec, at_seconds: float) -> float:
        return math.exp(-max(0.0, at_seconds - self.at_seconds) / spec.thrash_window_seconds)


class AdmitSeen(NamedTuple):
    """One replica and the context that asks to start on it."""

    at_seconds: float
    resident_tokens: float
    capacity_tokens: float | None
    """None: the engine has not said yet, or cannot be reached."""
    sessions: int
    """Sessions that the replica holds."""
    added_tokens: float
    """What the context would add to the resident tokens."""
    returning: bool = False
    """The session was in before and is owed an answer: growth and thrash of others do not hold it."""


class AdmitDecision(NamedTuple):
    """Whether it may start now."""

    admitted: bool
    why: Why

    @property
    def hopeless(self) -> bool:
        """Waiting will not help."""
        return self.why is Why.TOO_LARGE


def decide(spec: AdmitSpec, growth: Growth, state: AdmitState, seen: AdmitSeen) -> AdmitDecision:
    """Return whether a context may start on a replica; after a yes, U ≤ beta × capacity.

    The one exception: a returning session alone on its replica starts whatever its size up to the capacity,
    since nobody can leave to make room for it.
    """
    why = verdict(
        spec, growth, state, seen.at_seconds, seen.resident_tokens, seen.capacity_tokens,
        seen.sessions, seen.added_tokens, returning=seen.returning,
    )  # fmt: skip
    return AdmitDecision(admitted=why in ADMITTED, why=why)


def verdict(
    spec: AdmitSpec,
    growth: Growth,
    state: AdmitState,
    at_seconds: float,
    resident_tokens: float,
    capacity_tokens: float | None,
    sessions: int,
    added_tokens: float,
    *,
    returning: bool,
) -> Why:
    """Return what ``decide`` does, of ``AdmitSeen``'s fields one by one: who waits is looked at again at every event."""
    if capacity_tokens is None:
        return Why.CAPACITY_UNKNOWN
    memory = spec.memory
    beta = memory.never_above * capacity_tokens
    after = resident_tokens + added_tokens
    if returning and resident_tokens <= 0 and after <= capacity_tokens:
        return Why.ALONE
    if after > beta:
        large = added_tokens > (capacity_tokens if returning else beta)
        return Why.TOO_LARGE if large else Why.ABOVE_BETA
    if resident_tokens <= 0:
        return Why.ALONE
    if resident_tokens >= memory.admit_below * capacity_tokens:
        return Why.ABOVE_GAMMA
    if returning:
        return Why.ROOM
    if resident_tokens >= memory.protect_above * capacity_tokens and (
        state.thrash_ratio(spec, at_seconds) > spec.thrash_ratio
    ):
        return Why.THRASHING
    peak = growth.peak_tokens(after, sessions + 1)
    trusted = 1.0 - spec.growth_room * (1.0 - state.level)
    if after + spec.growth_room * (peak - after) > trusted * beta:
        return Why.GROWTH
    return Why.ROOM


def goes_back(spec: AdmitSpec, resident_tokens: float, capacity_tokens: float | None, sessions: int) -> bool:
    """Return whether a session whose turn just ended must go back to pending.

    It does where growth took U past beta × capacity, unless it is the only one there.
    """
    if capacity_tokens is None or sessions <= 1:
        return False
    return resident_tokens > spec.memory.never_above * capacity_tokens
