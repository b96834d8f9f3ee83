"""What a turn is told that the gateway cannot place, and when to come back."""

import math

from wattline.gateway.pool import Pool
from wattline.gateway.refusal import Reason, Refused

MOST_RETRY_SECONDS = 60
"""Nobody is told to stay away longer, in wall seconds."""


class Refusals:
    """Words of refusals; ``speed`` (world seconds to a second) puts ``Retry-After`` into the client's seconds."""

    def __init__(self, speed: float) -> None:
        self._speed = speed

    def no_room(self, pool: Pool, waited_seconds: float, *, owed: bool, draining: bool) -> Refused:
        """Return what a turn is told that waited in vain."""
        if pool.gone:
            message = f"the pool {pool.name} was deleted while this turn waited"
            return Refused(404, Reason.NO_SUCH_MODEL, message, code="model_not_found", param="model")
        if draining and not owed:
            return self.stopping()
        if not pool.reachable:
            message = f"no engine of {pool.name} answered for {waited_seconds:.0f} s"
            return self._later(503, Reason.NO_ENDPOINTS, message, 10)
        if owed:
            why = pool.desk.held_because
            message = f"no replica of {pool.name} had memory for this turn for {waited_seconds:.0f} s ({why})"
            return self._later(503, Reason.WAITED, message, 10)
        return self.saturated(pool, f"held for {waited_seconds:.0f} s")

    def too_large(self, pool: Pool, tokens: int) -> Refused:
        """Return what a turn is told that fits no replica, however empty."""
        return Refused(
            400,
            Reason.TOO_LARGE,
            f"about {tokens} tokens do not fit the KV memory of any replica of {pool.name}",
            code="context_length_exceeded",
            param="messages",
        )

    def stopping(self) -> Refused:
        """Return what a new session is told while the gateway stops."""
        return self._later(503, Reason.DRAINING, "this gateway is stopping and takes no new sessions", 1)

    def saturated(self, pool: Pool, what: str) -> Refused:
        """Return what a first turn is told that cannot be held any longer."""
        desk = pool.desk
        why = "" if desk.held_because is None else f", {desk.held_because}"
        message = f"{pool.name} has no memory for new agents: {what}{why}, {desk.held} waiting"
        return self._later(429, Reason.SATURATED, message, 10 + 2 * desk.held)

    def failed(self, last: Exception) -> Refused:
        """Return what a turn is told whose every try failed."""
        return self._later(503, Reason.NO_ENDPOINTS, f"every try failed, last: {last}", 5)

    def _later(self, status: int, reason: Reason, message: str, seconds: float) -> Refused:
        wall = min(MOST_RETRY_SECONDS, max(1, math.ceil(seconds / self._speed)))
        return Refused(status, reason, f"{message}; retry in {wall} s", retry_after_seconds=wall)
