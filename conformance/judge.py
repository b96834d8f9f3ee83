"""The verdict: what the device's journal and the world's meter show against what was allowed at that time.

Four rules, looked at after every step:

* Nothing is written while nobody asks for anything, and a release raises nothing above what was there before.
* No write raises the limits above the tightest valid source, none raises anything once the lease has ended, and none
  raises a GPU that is about to overheat.
* Within the time the agent promises, the limits are inside the tightest source; where a fault keeps a GPU from being
  written or read, the others make up for it as far as they can.
* The draw follows, by the world's own meter.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from conformance.adapter import Promises
from conformance.machine import PREVIOUS_WATTS, PRODUCT, UUIDS, Machine
from wattline.fake.nvml import Call, Record

TOLERANCE_WATTS = 0.5
DRAW_SECONDS = 2.5
"""A new limit settles within a second, and the meter averages over one."""
_EVERYBODY = frozenset(range(len(UUIDS)))
_DEVICE_EVENTS = frozenset({Call.POWER_ON, Call.DRIVER_RELOAD, Call.OUT_OF_BAND_LIMIT})


@dataclass(frozen=True, slots=True)
class Sources:
    """What is asked of the node at one time."""

    since: float
    budget_watts: float | None = None
    """The tightest of target and failsafe; none: nobody asks for anything."""
    lease_over: bool = False
    hot: frozenset[int] = frozenset()
    releasing: bool = False
    first: bool = False
    """Whether nothing was ever asked before."""


@dataclass(frozen=True, slots=True)
class Excuse:
    """What a fault keeps an agent from."""

    healthy: frozenset[int] = _EVERYBODY
    """GPUs that can be read and written."""
    blind: bool = False
    """Whether the fault is a wrong temperature: heat is no valid source then."""
    swapped: bool = False
    """Whether the driver sets something else than it was asked for, so that a raise is not the agent's."""

    @property
    def any(self) -> bool:
        """Whether anything is wrong at all."""
        return self != Excuse()


@dataclass(slots=True)
class Judge:
    """Looks at one machine while one agent runs on it."""

    machine: Machine
    promises: Promises
    now: Callable[[], float]
    grace_seconds: float = 0.0
    """Added to every deadline: where time is sped up, waking a process takes world seconds too."""
    excuse: Excuse = field(default_factory=Excuse)
    complaints: list[str] = field(default_factory=list)
    tighten_seconds: list[float] = field(default_factory=list)
    """How long each tighter source took to be kept, where nothing was wrong."""
    watching: bool = True
    """Whether deadlines count; not while an agent recovers, which has a deadline of its own."""
    _history: list[Sources] = field(default_factory=list)
    _seen: int = 0
    _kept: bool = True
    _late: bool = False
    _began: float = 0.0
    _outside_at: float = float("-inf")
    """When the limits were last seen to be looser than they should be."""

    def __post_init__(self) -> None:
        self._began = self.now()
        self._history = [Sources(float("-inf"))]
        self._seen = len(self.machine.mapping.journal())

    @property
    def sources(self) -> Sources:
        """Return what is asked now."""
        return self._history[-1]

    def ask(
        self,
        budget_watts: float | None,
        *,
        lease_over: bool = False,
        hot: frozenset[int] = frozenset(),
        releasing: bool = False,
    ) -> None:
        """Note what is asked from now on; the budget counts as the tightest of target and failsafe."""
        self.look()
        first = len(self._history) == 1
        self._history.append(Sources(self.now(), budget_watts, lease_over, hot, releasing, first))
        self._kept = self._late = False

    def look(self) -> None:
        """Judge what has happened since the last look."""
        now = self.now()
        records = self.machine.mapping.journal(self._seen)
        for record in records:
            if record.code in {0, None} and record.call not in _DEVICE_EVENTS:
                self._judge(record, now)
        self._seen += len(records)
        self._judge_standing(now)

    def inside(self) -> bool:
        """Whether the limits are as tight as the sources want them."""
        asked = self.sources
        limits = self.machine.limits()
        if asked.budget_watts is None:
            return True
        heat_kept = self.excuse.blind or all(
            limits[gpu] <= PRODUCT.min_watts + TOLERANCE_WATTS for gpu in asked.hot & self.excuse.healthy
        )
        return heat_kept and self._bound() <= asked.budget_watts + TOLERANCE_WATTS

    def complain(self, what: str) -> None:
        """Note a broken promise."""
        self.complaints.append(f"at {self.now() - self._began:.1f} s: {what}")

    def _bound(self) -> float:
        return self.machine.bound_watts(self.promises.bound_watts)

    def _judge(self, record: Record, now: float) -> None:
        asked, gpu = self.sources, record.gpu or 0
        if asked.budget_watts is None and not asked.releasing:
            self.complain(f"{record.call.name} of GPU {gpu}, though nobody asks for anything")
            return
        if record.call is not Call.SET_POWER_LIMIT or record.new <= record.old or self.excuse.swapped:
            return
        new = record.new / 1000
        known = now - asked.since > self.promises.tighten_seconds + self.grace_seconds
        lately, was = self._lately(now), PREVIOUS_WATTS[gpu]
        if any(each.releasing for each in lately) and new <= was + TOLERANCE_WATTS:
            return  # also where a target follows that the agent has not heard of yet
        if asked.releasing and known:
            self.complain(f"GPU {gpu} is put back to {new:.0f} W, before the agent it was {was:.0f} W")
            return
        allowed = _loosest(lately)
        if asked.lease_over and known:
            self.complain(f"GPU {gpu} is raised to {new:.0f} W after the lease has ended")
        if (
            gpu in asked.hot
            and not self.excuse.blind
            and now - asked.since > self.promises.heat_seconds + self.grace_seconds
        ):
            self.complain(f"GPU {gpu} is raised to {new:.0f} W though it is about to overheat")
        if allowed is not None and self._bound() > allowed + TOLERANCE_WATTS:
            self.complain(
                f"GPU {gpu} is raised to {new:.0f} W: {self._bound():.0f} W together of {allowed:.0f} W"
            )

    def _lately(self, now: float) -> list[Sources]:
        """Return all that may be what the agent knows is asked, newest first: it needs a while to hear of a change."""
        horizon = now - self.promises.tighten_seconds - self.grace_seconds
        lately = [self._history[-1]]
        for older, newer in zip(reversed(self._history[:-1]), reversed(self._history), strict=False):
            if newer.since < horizon:
                break
            lately.append(older)
        return lately

    def _judge_standing(self, now: float) -> None:
        asked, inside = self.sources, self.inside()
        if not inside:
            self._outside_at = now
        if asked.budget_watts is None or not self.watching:
            return
        passed = now - asked.since
        if inside and not self._kept:
            self._kept = True
            if not self.excuse.any:
                self.tighten_seconds.append(passed)
        promised = max(self.promises.tighten_seconds, self.promises.heat_seconds if asked.hot else 0.0)
        if asked.first and self.promises.first_seconds is not None:
            promised = self.promises.first_seconds
        if self.excuse.any:
            promised = self.promises.notice_seconds
        promised += self.grace_seconds
        if self._late or passed <= promised:
            return
        if not inside and not self._made_up():
            self._late = True
            self.complain(
                f"{self._bound():.0f} W can be drawn of {asked.budget_watts:.0f} W after {passed:.1f} s"
                f" (limits {', '.join(f'{watts:.0f} W' for watts in self.machine.limits())}; hot: {sorted(asked.hot)})"
            )
        elif (
            now - max(asked.since, self._outside_at) > DRAW_SECONDS
            and self.machine.drawn_watts > asked.budget_watts + 1
        ):
            self._late = True
            self.complain(f"{self.machine.drawn_watts:.0f} W are drawn of {asked.budget_watts:.0f} W")

    def _made_up(self) -> bool:
        """Whether the GPUs that can be written are at their least, as a fault keeps the others from it."""
        limits = self.machine.limits()
        return self.excuse.healthy != _EVERYBODY and all(
            limits[gpu] <= PRODUCT.min_watts + TOLERANCE_WATTS for gpu in self.excuse.healthy
        )


def _loosest(lately: Sequence[Sources]) -> float | None:
    """Return the most that may have been in force; none where nothing was asked for."""
    known = [each.budget_watts for each in lately if not each.releasing]
    return None if None in known else max(watts for watts in known if watts is not None)
