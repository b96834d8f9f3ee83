"""Ends without a warning: each process of an agent killed around every step of a write, and at random instants.

One series is one agent in one folder, killed again and again while its target moves. After each end: within the
promised time of the restart the limits are inside the target, the values that stood before the agent are known, and
the device's journal shows no raise that was not allowed. After the last, everything is put back.
"""

import os
import signal
import tempfile
import traceback
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import cycle
from multiprocessing import get_context
from pathlib import Path
from random import Random

from conformance import points
from conformance.adapter import Make, Word
from conformance.machine import PREVIOUS_WATTS, UUIDS
from conformance.pace import boot_seconds
from conformance.stage import Stage, State
from wattline.fake.nvml import Call, Point

TARGETS_WATTS = (800.0, 1200.0, 600.0, 1000.0)
_FIRE_SECONDS = 6.0
"""A planned end that has not come by then does not come."""
_LEAVE_SECONDS = 20.0
_SPEAK_SECONDS = 20.0
_RELEASE_SECONDS = 30.0
_STEPS = 12
"""File writes after a new target that are a point each: two whole records."""
_SETTERS = (Call.SET_POWER_LIMIT, Call.LOCK_CLOCKS, Call.SET_PERSISTENCE)


@dataclass(frozen=True, slots=True)
class End:
    """When and whom."""

    victim: str
    """Name of the process."""
    call: Call | None = None
    point: Point = Point.BEFORE
    """At this point of a setter."""
    step: int = 0
    after: bool = False
    """Around this step of a file write, counted from the new target."""
    delay_seconds: float = 0.0
    """Else so long after the new target."""

    @property
    def name(self) -> str:
        """Return it in words."""
        if self.call is not None:
            return f"{self.victim} at {self.call.name} {self.point.name}"
        if self.step:
            return f"{self.victim} {'after' if self.after else 'before'} file step {self.step}"
        return f"{self.victim} {self.delay_seconds:.3f} s after a target"

    @property
    def group(self) -> str:
        """Return the row of the report that it belongs to."""
        return "a setter" if self.call is not None else "a file write" if self.step else "any instant"


@dataclass(frozen=True, slots=True)
class Ending:
    """What became of one end."""

    end: End
    fired: bool
    complaints: tuple[str, ...]
    restart_seconds: float | None
    """Wall time from the new process's start until the limits were inside the target."""
    slow: bool


def plan(victims: Sequence[str], total: int, random: Random, *, has_file: bool) -> list[End]:
    """Return so many ends: half of them at points, every one of these if there is room, the rest at random instants."""
    named = [
        End(victim, call=call, point=point) for victim in victims for call in _SETTERS[:1] for point in Point
    ]
    if has_file:
        named += [
            End(victim, step=step + 1, after=after)
            for victim in victims
            for step in range(_STEPS)
            for after in (False, True)
        ]
    named += [
        End(victim, call=call, point=point) for victim in victims for call in _SETTERS[1:] for point in Point
    ]
    some = random.sample(named, min(len(named), total // 2))
    drawn = [
        End(random.choice(list(victims)), delay_seconds=random.uniform(0.0, 1.5))
        for _ in range(total - len(some))
    ]
    both = some + drawn
    random.shuffle(both)
    return both


def kill_all(
    make: Make,
    ends: Sequence[End],
    library: Path,
    points_library: Path,
    *,
    workers: int,
    restart_seconds: float,
    slow_ratio: float,
    patience_seconds: float,
    per_series: int = 10,
) -> list[Ending]:
    """Carry all ends out, in series of a fresh agent each; the first part of the series on a slow driver."""
    series = [ends[place : place + per_series] for place in range(0, len(ends), per_series)]
    slow = [place < slow_ratio * len(series) for place in range(len(series))]
    run = partial(_series, make, library, points_library, restart_seconds, patience_seconds)
    with get_context("spawn").Pool(workers) as pool:
        return [
            each for found in pool.starmap(run, zip(series, slow, strict=True), chunksize=1) for each in found
        ]


def _series(
    make: Make,
    library: Path,
    points_library: Path,
    restart_seconds: float,
    patience_seconds: float,
    ends: Sequence[End],
    slow: bool,
) -> list[Ending]:
    found: list[Ending] = []
    with tempfile.TemporaryDirectory(prefix="conformance-") as name:
        folder = Path(name)
        marks = points.Points(folder / "points", points_library, folder / "node", make.promises.writer)
        with Stage(
            make,
            folder / "node",
            library,
            slow=slow,
            patience_seconds=patience_seconds,
            preload=marks.environment,
        ) as stage:
            series = _Series(stage, marks, restart_seconds)
            if not stage.enter(State.CAPPED):
                stage.judge.complain(f"does not get to capped; says {stage.agent.word()}")
            stage.judge.complaints[:] = [f"before any end: {what}" for what in stage.judge.complaints]
            targets = cycle(TARGETS_WATTS)
            for end in ends:
                fired, seconds = False, None
                try:
                    fired, seconds = series.kill(end, next(targets))
                except Exception:  # noqa: BLE001 - whatever an agent or its adapter raises is a verdict on it
                    stage.judge.complain(f"raised: {traceback.format_exc(limit=-3)}")
                if end is ends[-1] and not stage.release(_RELEASE_SECONDS):
                    stage.judge.complain(f"does not put back what was there before: {stage.machine.limits()}")
                found.append(Ending(end, fired, tuple(stage.judge.complaints), seconds, slow))
                stage.judge.complaints.clear()
    return found


class _Series:
    def __init__(self, stage: Stage, marks: points.Points, restart_seconds: float) -> None:
        self._stage = stage
        self._marks = marks
        self._restart_seconds = restart_seconds

    def kill(self, end: End, watts: float) -> tuple[bool, float | None]:
        """Move the target, have the end come, and see what follows; say whether it came, and how long it took."""
        stage, judge = self._stage, self._stage.judge
        if not stage.pace.wait(_SPEAK_SECONDS, lambda: end.victim in stage.agent.processes()):
            judge.complain(f"no process {end.victim}")
            return False, None
        judge.watching = False
        before = stage.agent.processes()
        victim = before[end.victim]
        self._arm(end, victim)
        stage.ask(watts)
        if end.call is None and not end.step:
            stage.pace.wait(end.delay_seconds)
            with suppress(ProcessLookupError):
                os.kill(victim, signal.SIGKILL)
        fired = stage.pace.wait(_FIRE_SECONDS, lambda: stage.agent.processes().get(end.victim) != victim)
        stage.machine.faults.clear()
        self._marks.spare()
        if not fired:
            judge.watching = True
            return False, None
        began = self._restarted(end, before)
        most = self._restart_seconds
        inside = stage.pace.wait(most, judge.inside)
        seconds = boot_seconds() - began if inside else None
        if not inside:
            judge.complain(
                f"{end.name}: {stage.machine.bound_watts(stage.agent.promises.bound_watts):.0f} W can be drawn of"
                f" {watts:.0f} W {most:.1f} s after the restart"
            )
        self._see_previous(end)
        if not stage.settled(Word.CAPPED, _SPEAK_SECONDS):
            judge.complain(f"{end.name}: is not capped again; says {stage.agent.word()}")
        judge.watching = True
        return True, seconds

    def _arm(self, end: End, victim: int) -> None:
        if end.call is not None:
            if end.call is Call.SET_PERSISTENCE:
                with self._stage.machine.mapping.locked():  # somebody switched it off
                    self._stage.machine.mapping.node.gpus[0].settings.persistence = 0
            for gpu in range(len(UUIDS)):
                self._stage.machine.faults.set(
                    end.call, gpu, dies=True, victim=victim, point=end.point, times=1
                )
        elif end.step:
            self._marks.end(end.step, after=end.after, victim=victim)

    def _restarted(self, end: End, before: Mapping[str, int]) -> float:
        """Return when the killed process was started again; the first one nobody else starts."""
        stage, victim = self._stage, before[end.victim]
        if end.victim == next(iter(before)):
            if not stage.pace.wait(_LEAVE_SECONDS, lambda: all(gone(pid) for pid in before.values())):
                stage.judge.complain(f"{end.name}: it leaves processes behind")
            stage.agent.start()
        elif not stage.pace.wait(
            _LEAVE_SECONDS, lambda: stage.agent.processes().get(end.victim) not in {None, victim}
        ):
            stage.judge.complain(f"{end.name}: it is not started again")
        return boot_seconds()

    def _see_previous(self, end: End) -> None:
        known = self._stage.agent.previous_watts()
        if known is None:
            self._stage.judge.complain(f"{end.name}: what was there before cannot be read")
            return
        for uuid, watts in zip(UUIDS, PREVIOUS_WATTS, strict=True):
            if known.get(uuid) != watts:
                self._stage.judge.complain(
                    f"{end.name}: before the agent {uuid} had {watts} W, on disk is {known.get(uuid)}"
                )


def gone(pid: int) -> bool:
    """Whether a process has ended, waited for or not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):  # the latter where it ended between opening and reading
        return True
