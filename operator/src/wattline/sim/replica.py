"""A replica in the simulator: an engine whose events arrive when they happen, and nothing is stepped in between."""

from collections.abc import Callable

from wattline.sim.events import Events
from wattline.sim.rungs import Rung
from wattline.world.engine import Engine, EngineEvent
from wattline.world.gpu import Gpu
from wattline.world.request import Request

LEAST_WAIT_SECONDS = 1e-3
"""An engine that has just been given work is looked at again this much later, so that time always passes."""


class Replica:
    """One engine and its GPUs; ``heard`` is called with each event at its time."""

    def __init__(
        self,
        key: str,
        engine: Engine,
        events: Events,
        heard: Callable[["Replica", EngineEvent], None],
        *,
        skip_unchanged: bool = True,
    ) -> None:
        self.key = key
        """Pool and name."""
        self.engine = engine
        self.rung: Rung | None = None
        """What its agents get; the pool's own model when none."""
        self._preempted_before = 0
        self._events = events
        self._heard = heard
        self._skip_unchanged = skip_unchanged
        self._changes = -1
        """Those of the engine and its GPUs when the alarm was set."""
        self._alarm = 0
        self._alarm_seconds = float("inf")

    @property
    def gpus(self) -> tuple[Gpu, ...]:
        """Return the GPUs of the group."""
        return self.engine.gpus

    @property
    def preemptions(self) -> int:
        """Return how often a sequence was sent back to the queue, in all engines so far."""
        return self._preempted_before + self.engine.preemptions

    def renew(self, engine: Engine) -> None:
        """Go on with a new engine; what the old one ran and held is lost, and nobody hears of it."""
        self._preempted_before = self.preemptions
        self.engine = engine
        self._changes = -1
        self._alarm += 1
        self._alarm_seconds = float("inf")

    def submit(self, request: Request) -> None:
        """Give the engine a turn now."""
        self.catch_up()
        self.engine.submit(request)
        self.changed()

    def catch_up(self) -> None:
        """Let the engine's time pass until now, and tell what happened."""
        now = self._events.now_seconds
        if self.engine.now_seconds >= now:
            return
        happened = self.engine.advance(now)
        for event in happened:
            self._heard(self, event)

    def changed(self) -> None:
        """Look when the next event is due; call after anything that may have moved it."""
        changes = self.engine.changes
        for gpu in self.engine.gpus:
            changes += gpu.changes
        if changes == self._changes and self._skip_unchanged:
            return
        self._changes = changes
        due = self.engine.next_event_seconds()
        if due == float("inf"):
            self._alarm += 1
            self._alarm_seconds = due
            return
        due = max(due, self.engine.now_seconds + LEAST_WAIT_SECONDS)
        if self._alarm_seconds == due:
            return
        self._alarm += 1
        self._alarm_seconds = due
        mine = self._alarm
        self._events.at(due, lambda: self._rings(mine))

    def _rings(self, alarm: int) -> None:
        if alarm != self._alarm:
            return
        self._alarm_seconds = float("inf")
        self._changes = -1
        self.catch_up()
        self.changed()
