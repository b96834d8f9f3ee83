"""What a device does by itself once it is asked: tune itself to LLM inference, ramp its own power.

Both are asked for where the device offers them, after it is on record that we do, and read back. What others asked of
the device stays: a profile that excludes inference, or a ramp that is stricter, is theirs, and what they take back is
not asked for again for a while. A refusal is told and keeps the GPU from nothing else.
"""

from collections.abc import Callable
from dataclasses import replace

from wattline.api.powernode import Outcome
from wattline.loops.node import GpuTarget
from wattline.model.errors import GpuError
from wattline.model.gpu import Ramp, Tuned
from wattline_agent.asked import Asked
from wattline_agent.device import Device
from wattline_agent.gpu import Gpu
from wattline_agent.record import Previous, RecordFile
from wattline_agent.touch import Touch, refusal

RAMP_TOLERANCE_RATIO = 0.01
"""Ours: devices round a ramp."""
FLOOR_TOLERANCE_PERCENT = 1.0
"""Ours: the floor is told in whole percent."""
OVERRULED = "Overruled: the device follows another profile that was asked of it"
EXCLUDED = "Excluded: somebody asked for a profile that inference cannot go with"


class Tuner:
    """Asks devices for what they do by themselves; one driver write to a GPU at a time."""

    def __init__(self, device: Device, record: RecordFile, touch: Touch) -> None:
        self._device = device
        self._record = record
        self._touch = touch

    def act(self, gpu: Gpu, target: GpuTarget, now: float) -> None:
        """Ask for what is wanted and is not so; only of a GPU that is on record and may be written."""
        if not self._free(gpu, now):
            return
        self._tune(gpu, now, wanted=target.serves)
        if self._free(gpu, now):
            self._smooth(gpu, now, target.ramp_up_watts_per_second)

    def back(self, gpu: Gpu, was: Previous, now: float) -> bool:
        """Take one thing back that we asked for; say whether anything is still to be taken back."""
        reading = gpu.reading
        if reading is None:
            return True
        if was.tuned_touched and gpu.identity.tunes and reading.tuned in {None, Tuned.ON, Tuned.OVERRULED}:
            if reading.tuned is not None and self._free(gpu, now) and now >= gpu.tuning.wait_until:
                self._set_tuned(gpu, now, on=False)
            return True
        mine = was.ramp is not None and gpu.identity.ramps and not gpu.ramping.taken
        if mine and was.ramp is not None and not _same(reading.ramp, was.ramp):
            if reading.ramp is not None and self._free(gpu, now) and now >= gpu.ramping.wait_until:
                self._set_ramp(gpu, now, was.ramp)
            return True
        return False

    def _free(self, gpu: Gpu, now: float) -> bool:
        return gpu.reading is not None and gpu.rested(now, gpu.settings.write_seconds)

    # -- a profile -----------------------------------------------------------------------------------------------

    def _tune(self, gpu: Gpu, now: float, *, wanted: bool) -> None:
        tuned = None if gpu.reading is None else gpu.reading.tuned
        asked, was = gpu.tuning, self._record.record.gpus[gpu.identity.uuid]
        if tuned is None or now < asked.wait_until:
            return
        on = tuned in {Tuned.ON, Tuned.OVERRULED}
        if not wanted:
            if was.tuned_touched and on:
                self._set_tuned(gpu, now, on=False)
            elif was.tuned_touched and self._noted(gpu, asked, replace(was, tuned_touched=False), now):
                asked.forget()
        elif on:
            asked.applied(was.tuned_touched or None)
            if tuned is Tuned.OVERRULED:
                asked.hold(Outcome.BLOCKED, OVERRULED)
        elif asked.stands:
            self._taken(gpu, asked, "the profile", now)
        elif tuned is Tuned.EXCLUDED:
            asked.hold(Outcome.BLOCKED, EXCLUDED)
        elif self._noted(gpu, asked, replace(was, tuned_touched=True), now):
            self._set_tuned(gpu, now, on=True)

    def _set_tuned(self, gpu: Gpu, now: float, *, on: bool) -> None:
        asked, direction = gpu.tuning, "on" if on else "off"
        if not self._write(
            gpu, asked, "profile", direction, now, lambda: self._device.set_tuned(gpu.identity.uuid, on=on)
        ):
            return
        tuned = None if gpu.reading is None else gpu.reading.tuned
        done = tuned in ({Tuned.ON, Tuned.OVERRULED} if on else {Tuned.OFF, Tuned.EXCLUDED})
        self._told(gpu, asked, "profile", direction, now, done=done, stands=on or None)
        if done and tuned is Tuned.OVERRULED:
            asked.hold(Outcome.BLOCKED, OVERRULED)

    # -- a ramp --------------------------------------------------------------------------------------------------

    def _smooth(self, gpu: Gpu, now: float, up_watts_per_second: float | None) -> None:
        ramp = None if gpu.reading is None else gpu.reading.ramp
        asked, was = gpu.ramping, self._record.record.gpus[gpu.identity.uuid]
        if ramp is None or now < asked.wait_until:
            return
        if up_watts_per_second is None:
            if was.ramp is not None and not _same(ramp, was.ramp):
                self._set_ramp(gpu, now, was.ramp)
            elif was.ramp is not None:
                self._noted(gpu, asked, replace(was, ramp=None), now)
                asked.forget()
            return
        wanted = _stricter(up_watts_per_second, ramp if was.ramp is None else was.ramp)
        if _same(ramp, wanted):
            asked.applied(None if was.ramp is None else wanted)
        elif isinstance(asked.stands, Ramp) and not _same(ramp, asked.stands):
            self._taken(gpu, asked, "the ramp", now)
        elif was.ramp is not None or self._noted(gpu, asked, replace(was, ramp=ramp), now):
            self._set_ramp(gpu, now, wanted)

    def _set_ramp(self, gpu: Gpu, now: float, wanted: Ramp) -> None:
        asked, direction = gpu.ramping, "on" if wanted.on else "off"
        if not self._write(
            gpu, asked, "ramp", direction, now, lambda: self._device.set_ramp(gpu.identity.uuid, wanted)
        ):
            return
        ramp = None if gpu.reading is None else gpu.reading.ramp
        self._told(gpu, asked, "ramp", direction, now, done=_same(ramp, wanted), stands=wanted)

    # -- both ----------------------------------------------------------------------------------------------------

    def _noted(self, gpu: Gpu, asked: Asked, previous: Previous, now: float) -> bool:
        """Have it on disk what was there before us; without that nothing is asked."""
        try:
            self._record.remember(gpu.identity.uuid, previous)
        except OSError as error:
            why = f"NoRecord: what was there before cannot be noted: {error}"
            asked.hold(Outcome.ERROR, why, now + gpu.settings.again_seconds)
            return False
        return True

    def _write(
        self, gpu: Gpu, asked: Asked, actuator: str, direction: str, now: float, do: Callable[[], None]
    ) -> bool:
        """Write and read back; say whether the driver took it.

        A profile may move the limit in force, so the limit that is read next is nobody else's doing.
        """
        gpu.wrote(now)
        gpu.confirmed_watts = None
        try:
            with self._touch.timed(actuator):
                do()
        except GpuError as error:
            if not self._touch.gone(gpu, error):
                outcome, wait_seconds = refusal(error, gpu.settings)
                asked.hold(outcome, str(error), now + wait_seconds)
                self._touch.tally.actuations[actuator, direction, outcome] += 1
            return False
        self._touch.read(gpu, now)
        return True

    def _told(
        self, gpu: Gpu, asked: Asked, actuator: str, direction: str, now: float, *, done: bool, stands: object
    ) -> None:
        outcome = Outcome.APPLIED if done else Outcome.ERROR
        self._touch.tally.actuations[actuator, direction, outcome] += 1
        if done:
            asked.applied(stands)
            self._touch.tally.move(
                gpu.identity.uuid, f"{actuator} {direction}", "the device does it itself", now
            )
        else:
            self._touch.tally.mismatches += 1
            why = f"ReadBackMismatch: {actuator} asked {direction} and not seen so"
            asked.hold(outcome, why, now + gpu.settings.again_seconds)

    def _taken(self, gpu: Gpu, asked: Asked, what: str, now: float) -> None:
        asked.forget()
        asked.taken = True
        why = f"Contested: somebody else changed {what}"
        asked.hold(Outcome.BLOCKED, why, now + gpu.settings.contested_seconds)


def _stricter(up_watts_per_second: float, was: Ramp) -> Ramp:
    """Return the ramp to ask for: of two that are on the slower; a floor only where somebody had set one."""
    if was.on:
        return replace(was, up_watts_per_second=min(up_watts_per_second, was.up_watts_per_second))
    return Ramp(on=True, preset=was.preset, up_watts_per_second=up_watts_per_second, floor_percent=0.0)


def _same(ramp: Ramp | None, wanted: Ramp) -> bool:
    if ramp is None:
        return False
    differs_watts = abs(ramp.up_watts_per_second - wanted.up_watts_per_second)
    return (
        (ramp.on, ramp.preset) == (wanted.on, wanted.preset)
        and differs_watts <= RAMP_TOLERANCE_RATIO * wanted.up_watts_per_second
        and abs(ramp.floor_percent - wanted.floor_percent) <= FLOOR_TOLERANCE_PERCENT
    )
