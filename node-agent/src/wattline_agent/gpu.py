"""One GPU as the agent knows it between two looks: what it reads, what was asked of it, and why it is left alone."""

from dataclasses import dataclass, field

from wattline.api.powernode import Outcome
from wattline.model.bounds import bound_watts
from wattline.model.gpu import GpuIdentity, GpuReading
from wattline_agent import thermal
from wattline_agent.asked import Asked
from wattline_agent.hardware import Events, held_seconds
from wattline_agent.safety import Heat, margin_celsius, step
from wattline_agent.settings import DEFAULTS, Settings

LIMIT_TOLERANCE_WATTS = 1.0
"""Devices round a limit."""
CLOCK_TOLERANCE_MHZ = 15
"""One step of the clock table."""


@dataclass(slots=True)
class Gpu:
    """State of one GPU; changed only by the hands and the governor."""

    identity: GpuIdentity
    settings: Settings = DEFAULTS
    reading: GpuReading | None = None
    heat: Heat = field(default_factory=Heat)
    fit: thermal.Fit = field(default_factory=thermal.Fit)
    """How it warms up, as far as it was learned."""
    lost: str = ""
    """Why it does not answer; empty while it does."""
    requested_watts: float | None = None
    confirmed_watts: float | None = None
    """Limit as it was first read back after our last write; another one now was set by somebody else. None until then."""
    clock_known: bool = True
    """Whether the lock is what ``clock_mhz`` says; NVML cannot be asked."""
    clock_mhz: int | None = None
    """Lock last asked for; none: the driver's own clock."""
    clock_at_seconds: float = float("-inf")
    unlockable: bool = False
    """Whether a lock was refused and none was taken since, so that heat lowers the limit instead."""
    clock_blocked: str = ""
    """Why its clock cannot be locked or given back now."""
    clock_blocked_until: float = float("-inf")
    """It is tried again after this: rights come back."""
    tuning: Asked = field(default_factory=Asked)
    """Its own tuning to inference."""
    ramping: Asked = field(default_factory=Asked)
    """Its own ramp of power."""
    limit_last: bool = False
    """Whether the last write was a limit."""
    written_at_seconds: float = float("-inf")
    contested_until: float = float("-inf")
    foreign: bool = False
    """Whether somebody else writes it, so that its limit may be another one the next moment."""
    wait_until: float = float("-inf")
    """No write before this, after one that failed."""
    outcome: Outcome = Outcome.NONE
    reason: str = "NotAsked"
    event_seconds: dict[str, float] = field(default_factory=dict)
    """How long each reason kept the clock low since our start, by its word."""
    events: Events = field(default_factory=Events)
    """When the hardware itself last slowed it down."""
    last: GpuReading | None = None
    """The last reading there ever was, also after it counts no more."""
    blind_watts: float | None = None
    """Limit it goes down to while its sensors are silent; decided once, when they fall silent."""
    blind_done: bool = False
    """Whether the driver took it."""

    @property
    def asked_watts(self) -> float:
        """Return the limit as anybody last set it; the greatest while nothing can be read."""
        return self._asked_watts(self.reading)

    @property
    def last_asked_watts(self) -> float:
        """Return the limit as it was last read, whether it still answers or not; the greatest if it never was."""
        return self._asked_watts(self.last)

    @property
    def limit_watts(self) -> float | None:
        """Return the limit that bounds the draw; none while it is not known or may change under us."""
        if self.reading is None or self.foreign:
            return None
        unconfirmed = 0.0 if self.confirmed_watts is not None else self.requested_watts or 0.0
        return max(self.reading.limit_watts, self.asked_watts, unconfirmed)

    @property
    def bound_watts(self) -> float:
        """Return the most it can draw as it stands; its maximum where that is not known."""
        return bound_watts(self.identity.product, self.limit_watts, self.identity.max_watts)

    def contested(self, now: float) -> bool:
        """Whether somebody else wrote it lately."""
        return now < self.contested_until

    def held(self, now: float) -> str:
        """Return why it is left alone now; empty if it may be written."""
        if self.reading is None:
            return self.lost or "SensorLost"
        if self.contested(now) or now < self.wait_until:
            return self.reason
        return ""

    def slows(self, mhz: int | None) -> bool:
        """Whether this lock is slower than the one in force, as far as that is known."""
        return mhz is not None and (self.clock_mhz is None or mhz < self.clock_mhz)

    def rested(self, now: float, seconds: float) -> bool:
        """Whether the last write is long enough ago."""
        return now - self.written_at_seconds >= seconds

    @property
    def locked(self) -> bool:
        """Whether its clock is locked, or may be."""
        return not self.clock_known or self.clock_mhz is not None

    def clock_differs(self, mhz: int | None) -> bool:
        """Whether asking for this clock would change anything."""
        if self.clock_blocked or (mhz is not None and not self.identity.clocks_mhz):
            return False  # a lock can be taken off without knowing the clocks it could have had
        return not self.clock_known or self.clock_mhz != mhz

    def saw(self, reading: GpuReading, now: float) -> str:
        """Take a reading in; return why a setting of ours is no longer what it was, if that is so."""
        before, self.reading, self.lost = self.reading, reading, ""
        if now >= self.clock_blocked_until:
            self.clock_blocked = ""
        held = held_seconds(before, reading, self.settings.reading_stale_seconds)
        for word, passed in held.items():
            self.event_seconds[word] = self.event_seconds.get(word, 0.0) + passed
        self.events = self.events.after(reading, held)
        self.last, self.blind_watts, self.blind_done = reading, None, False
        drift = ""
        reloaded = before is not None and reading.energy_joules < before.energy_joules
        unkept = before is not None and before.persistence and not reading.persistence
        moved = (
            self.confirmed_watts is not None
            and abs(self.asked_watts - self.confirmed_watts) > LIMIT_TOLERANCE_WATTS
        )
        if reloaded or (unkept and moved):
            drift = "driver_reload" if reloaded else "persistence"
            self.confirmed_watts = None
            # a driver that was loaded again has forgotten the lock
            self.clock_known, self.clock_mhz = True, None
            self._forget_own()
        elif moved:
            drift = "external"
            self.confirmed_watts = self.asked_watts
            self.contested_until, self.foreign = now + self.settings.contested_seconds, True
            self.outcome = Outcome.BLOCKED
            self.reason = f"Contested: another writer set {self.asked_watts:.0f} W"
        elif self._unlocked(reading, now):
            drift, self.clock_known = "clock", False
        if not drift and self.confirmed_watts is None and self.requested_watts is not None:
            self.confirmed_watts = self.asked_watts
        if self.foreign and not self.contested(now):
            self.foreign = False
            self.outcome, self.reason = Outcome.NONE, "NotAsked"
        return drift

    def unsure(self, now: float) -> bool:
        """Whether its last reading is so old that nothing may be loosened on it."""
        return self.reading is None or now - self.reading.at_seconds > self.settings.reading_hold_seconds

    def rise_celsius(self) -> float:
        """Return the degrees it will warm up by in ten seconds as it draws now; zero where that cannot be told."""
        if self.reading is None or not self._foresees():
            return 0.0
        return self.fit.rise_celsius(self.reading.watts)

    def heat_limit_watts(self) -> float | None:
        """Return the greatest limit that heat allows where the clock cannot be locked; none where it can."""
        if self.heat.clock_ratio >= 1 or (self.identity.clocks_mhz and not self.unlockable):
            return None
        return max(self.identity.min_watts, self.heat.clock_ratio * self.identity.max_watts)

    def margin_celsius(self) -> float | None:
        """Return the degrees left before it slows itself down; none while it does not answer."""
        return None if self.reading is None else margin_celsius(self.reading, self.identity.slowdown_celsius)

    def ahead_celsius(self) -> float | None:
        """Return the margin ten seconds ahead; none where it cannot be told."""
        margin = self.margin_celsius()
        return margin - self.rise_celsius() if margin is not None and self._foresees() else None

    def feel(self, now: float) -> bool:
        """Let the thermal loop take a step on the last reading; say whether it allows less than before."""
        if self.reading is None or self.unsure(now):
            return False
        before, at = self.heat, self.reading.at_seconds
        self.unlockable = bool(self.clock_blocked) or (self.unlockable and self.clock_mhz is None)
        self.fit = thermal.step(self.fit, self.reading)
        margin = margin_celsius(self.reading, self.identity.slowdown_celsius)
        self.heat = step(self.settings.heat, before, at, margin, self.rise_celsius())
        return self.heat.clock_ratio < before.clock_ratio or self.heat.emergency > before.emergency

    def _asked_watts(self, reading: GpuReading | None) -> float:
        if reading is None:
            return self.identity.max_watts
        return reading.limit_watts if reading.asked_watts is None else reading.asked_watts

    def _foresees(self) -> bool:
        return self.settings.heat.predict and self.fit.trusted

    def _unlocked(self, reading: GpuReading, now: float) -> bool:
        return (
            self.clock_known
            and self.clock_mhz is not None
            and now - self.clock_at_seconds > self.settings.settled_seconds
            and reading.clock_mhz > self.clock_mhz + CLOCK_TOLERANCE_MHZ
        )

    def lose(self, why: str) -> None:
        """Quarantine: nothing is known any more but what it was and what it is."""
        self.reading, self.lost = None, why
        self.confirmed_watts = None
        self.outcome, self.reason = Outcome.ERROR, why

    def found(self, identity: GpuIdentity) -> None:
        """Have it back; after a reset its settings may be gone, so the lock is asked for anew."""
        self.identity, self.lost = identity, ""
        self.clock_known = self.clock_mhz is None
        self._forget_own()
        self.outcome, self.reason = Outcome.NONE, "NotAsked"

    def failed(self, why: str, now: float) -> None:
        """Take note of a reading that failed; the last one holds for a while."""
        if self.reading is None or now - self.reading.at_seconds > self.settings.reading_stale_seconds:
            self.reading = None
            self.outcome, self.reason = Outcome.ERROR, f"SensorLost: {why}"

    def wrote(self, now: float) -> None:
        """Note a write as it is made."""
        self.written_at_seconds = now

    def hold(self, outcome: Outcome, reason: str, until: float) -> None:
        """Leave it alone for a while, and say why."""
        self.outcome, self.reason, self.wait_until = outcome, reason, until

    def applied(self) -> None:
        """Note that what was asked is so."""
        self.outcome, self.reason = Outcome.APPLIED, "AsAsked"

    def released(self) -> None:
        """Forget what was asked; everything is as it was before us."""
        self.requested_watts = self.confirmed_watts = None
        self.clock_known, self.clock_mhz = True, None
        self._forget_own()
        self.outcome, self.reason = Outcome.NONE, "Released"

    def _forget_own(self) -> None:
        self.tuning.forget()
        self.ramping.forget()
