"""The life of one replica: stopped, loading, at work, falling asleep, asleep; and what each change costs."""

from collections.abc import Callable
from enum import StrEnum
from math import inf

from wattline.sim.changes import Do
from wattline.sim.events import Events
from wattline.sim.gateway import Gateway
from wattline.sim.replica import Replica
from wattline.sim.rungs import Rung
from wattline.world.engine import Engine, EnginePhysics
from wattline.world.load import IDLE, LOADING, OFF, Load
from wattline.world.loading import loading_seconds
from wattline.world.sleep import nap

DRAIN_LOOK_SECONDS = 1.0
"""How often it is looked whether a drained replica still has work."""

_LEVELS = {Do.SLEEP: 1, Do.DEEP_SLEEP: 2}


class Stage(StrEnum):
    """How a replica is."""

    SERVING = "serving"
    DRAINING = "draining"
    LOADING = "loading"
    FALLING_ASLEEP = "falling-asleep"
    ASLEEP = "asleep"
    STOPPED = "stopped"


class Life:
    """One replica of a served pool; every change loses its KV memory."""

    def __init__(self, replica: Replica, gateway: Gateway, events: Events) -> None:
        self.replica = replica
        self.stage = Stage.SERVING
        self.level = 0
        """Level at which it sleeps, or will."""
        self._own = replica.engine.physics, replica.rung
        self._physics = replica.engine.physics
        self._gateway = gateway
        self._events = events
        self._changes = 0

    def happens(self, do: Do, physics: EnginePhysics | None = None, rung: Rung | None = None) -> None:
        """Let something happen now; what it is already, or cannot do, changes nothing.

        A start may be of another engine, on another rung.
        """
        if do is Do.STOP:
            self._stop()
        elif do is Do.START:
            self._physics, rung = self._own if rung is None else (physics or self._own[0], rung)
            self._load(loading_seconds(self._physics))
            self.replica.rung = rung
        elif do is Do.WAKE:
            self._wake()
        elif self.stage is Stage.SERVING:
            self._drain(self._stop if do is Do.DRAIN else lambda: self._fall_asleep(_LEVELS[do]))

    def _stop(self) -> None:
        self._change(Stage.STOPPED, OFF, inf)

    def _load(self, seconds: float) -> None:
        self._change(Stage.LOADING, LOADING, seconds)
        self._later(seconds, self._serve)

    def _wake(self) -> None:
        if self.stage is Stage.DRAINING:
            self._changes += 1
            self._serve()
        elif self.stage in {Stage.ASLEEP, Stage.FALLING_ASLEEP}:
            self._load(nap(self._physics, self.level).wake_seconds)

    def _serve(self) -> None:
        self.stage = Stage.SERVING
        self._gateway.up(self.replica.key, self.replica)

    def _fall_asleep(self, level: int) -> None:
        self.level = level
        seconds = nap(self._physics, level).fall_seconds
        self._change(Stage.FALLING_ASLEEP, LOADING, inf)
        self._later(seconds, lambda: self._change(Stage.ASLEEP, IDLE, inf))

    def _drain(self, then: Callable[[], None]) -> None:
        self._changes += 1
        self.stage = Stage.DRAINING
        self._gateway.closed(self.replica.key)
        self._look(then)

    def _look(self, then: Callable[[], None]) -> None:
        if self._gateway.runs_on(self.replica.key):
            self._later(DRAIN_LOOK_SECONDS, lambda: self._look(then))
        else:
            then()

    def _change(self, stage: Stage, load: Load, seconds: float) -> None:
        """Be another engine from now on, one that is not ready for so long."""
        self._changes += 1
        self.replica.catch_up()
        self.stage = stage
        if self.replica.key in self._gateway.replicas:
            self._gateway.lost(self.replica.key)
        old = self.replica.engine
        self.replica.renew(
            Engine(
                self._physics,
                old.gpus,
                at_seconds=self._events.now_seconds,
                loading_seconds=seconds,
                until_ready=load,
            )
        )

    def _later(self, seconds: float, action: Callable[[], None]) -> None:
        """Do something after a while, unless something else happens before."""
        mine = self._changes

        def acts() -> None:
            if self._changes == mine:
                action()

        self._events.at(self._events.now_seconds + seconds, acts)
