"""One agent on one node, taken through states, with a judge that looks on."""

from enum import StrEnum
from pathlib import Path
from typing import Self

from conformance.adapter import Alarmed, Make, Promises, Site, Ticked, Word
from conformance.judge import Judge
from conformance.machine import UUIDS, Machine
from conformance.pace import Pace, Real, Virtual, boot_seconds

CAP_WATTS = 1000.0
TIGHTER_WATTS = 800.0
TIGHTEST_WATTS = 600.0
WIDE_WATTS = 1450.0
"""Above what both GPUs can draw: only heat binds."""
VIRTUAL_START_SECONDS = 1000.0
_START_WALL_SECONDS = 60.0
_SETTLE_WALL_SECONDS = 30.0
"""What is waited for at last takes as long as the machine is busy; how long it took is told, and is no verdict."""


class State(StrEnum):
    """What an agent is in when something happens."""

    IDLE = "idle"
    CAPPED = "capped"
    THERMAL = "thermal"
    FAILSAFE = "failsafe"
    EMERGENCY = "emergency"

    def promised(self, promises: Promises) -> bool:
        """Whether an agent that promises this can get there."""
        match self:
            case State.FAILSAFE:
                return promises.lease_seconds is not None
            case State.THERMAL:
                return promises.thermal
            case State.EMERGENCY:
                return promises.emergency_watts is not None
            case State.IDLE | State.CAPPED:
                return True

    @property
    def word(self) -> Word:
        """What an agent says in it while all is well."""
        return Word(self.value)


class Stage:
    """A machine, an agent on it, time, and the judge.

    ``patience_seconds`` of the wall clock are added to every deadline of an agent with processes.
    """

    def __init__(
        self,
        make: Make,
        folder: Path,
        library: Path,
        *,
        speed: float = 1.0,
        slow: bool = False,
        patience_seconds: float = 0.0,
        preload: dict[str, str] | None = None,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.site = Site(folder, folder / "node.gpus", library, UUIDS, speed, preload or {})
        self._most_watts = float("inf")
        """What an emergency leaves of every target."""
        # an agent in virtual time says so before it is started
        self.agent = make(self.site)
        self.pace: Pace
        if isinstance(self.agent, Ticked):
            self.machine = Machine(self.site.gpus_file, at_seconds=VIRTUAL_START_SECONDS, slow=slow)
            virtual = Virtual(self.machine, VIRTUAL_START_SECONDS)
            virtual.tick = self.agent.tick
            self.agent.tick(VIRTUAL_START_SECONDS)
            self.pace = virtual
            self.judge = Judge(self.machine, self.agent.promises, virtual.now)
            virtual.look = self.judge.look
        else:
            self.machine = Machine(self.site.gpus_file, at_seconds=boot_seconds() * speed, slow=slow)
            real = Real(self.machine, speed)
            self.pace = real
            self.judge = Judge(self.machine, self.agent.promises, real.now, patience_seconds * speed)
            real.look = self.judge.look

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.machine.faults.clear()
        self.agent.stop()
        close = getattr(self.agent, "close", None)
        if close is not None:
            close()
        self.pace.close()

    # -- what is asked of the agent ----------------------------------------------------------------------------

    def start(self) -> bool:
        """Start the agent and wait until it speaks."""
        self.agent.start()
        return self.pace.wait(
            _START_WALL_SECONDS * self.site.speed, lambda: self.agent.word() is not Word.SILENT
        )

    def ask(self, watts: float) -> None:
        """Set a target."""
        self.judge.ask(min(watts, self._most_watts), hot=frozenset(self.machine.hot))
        self.agent.target(watts)

    def heat(self, gpu: int) -> None:
        """Take a GPU to half a degree before its slowdown."""
        self.judge.ask(self.judge.sources.budget_watts, hot=frozenset({gpu}))
        self.machine.hot.add(gpu)

    def alarm(self) -> None:
        """Call the emergency that the agent promises to heed; no target loosens it."""
        watts, agent = self.agent.promises.emergency_watts, self.agent
        assert watts is not None, "only of agents that promise it"
        assert isinstance(agent, Alarmed), "whoever promises it can be told"
        self._most_watts = watts
        self.judge.ask(min(self.judge.sources.budget_watts or watts, watts))
        agent.alarm()

    def end_lease(self) -> None:
        """Let the lease run out; only then the failsafe counts."""
        promises = self.agent.promises
        self.agent.end_lease()
        self.pace.wait((promises.lease_seconds or 0.0) + 2.0)
        self.judge.ask(promises.failsafe_watts, lease_over=True)

    def enter(self, state: State) -> bool:
        """Bring a fresh agent into a state; say whether it got there and says so."""
        if not self.start():
            return False
        match state:
            case State.IDLE:
                return self.pace.wait(2.0, lambda: self.agent.word() is Word.IDLE)
            case State.CAPPED:
                self.ask(CAP_WATTS)
            case State.THERMAL:
                self.ask(WIDE_WATTS)
                if not self.settled(Word.CAPPED):
                    return False
                self.heat(0)
            case State.FAILSAFE:
                self.ask(CAP_WATTS)
                if not self.settled(Word.CAPPED):
                    return False
                self.end_lease()
            case State.EMERGENCY:
                self.ask(CAP_WATTS)
                if not self.settled(Word.CAPPED):
                    return False
                self.alarm()
        return self.settled(state.word)

    def settled(self, word: Word, seconds: float | None = None) -> bool:
        """Wait until the limits are as they should be and the agent says so."""
        return self.pace.wait(
            (self.agent.promises.notice_seconds if seconds is None else seconds) + self._busy_seconds,
            lambda: self.judge.inside() and self.agent.word() is word,
        )

    def release(self, seconds: float) -> bool:
        """Have everything put back; say whether it was in time."""
        self.machine.hot.clear()
        self.judge.ask(None, releasing=True)
        self.agent.release()
        return self.pace.wait(seconds + self._busy_seconds, self.machine.untouched)

    @property
    def _busy_seconds(self) -> float:
        return 0.0 if isinstance(self.agent, Ticked) else _SETTLE_WALL_SECONDS * self.site.speed
