"""The hands on the devices: which GPU may be written now, in which order, and what has to be on disk before.

Before the first write to a GPU its previous values are on disk; nothing is written that is already so; a GPU is
written once a second at most, except to tighten when the node is above its budget or heat allows its group less.
"""

from collections.abc import Callable, Iterable, Mapping
from math import fsum

from wattline.api.powernode import Outcome
from wattline.loops import moves
from wattline.loops.node import GpuTarget
from wattline.model.bounds import bound_watts
from wattline.model.errors import GpuError
from wattline_agent.device import Device, DriverChanged
from wattline_agent.gpu import LIMIT_TOLERANCE_WATTS, Gpu
from wattline_agent.record import Previous, RecordFile
from wattline_agent.settings import DEFAULTS, Settings
from wattline_agent.tally import Tally
from wattline_agent.touch import Touch
from wattline_agent.tuner import Tuner


class Hands:
    """All GPUs of the node, read and written by one thread."""

    def __init__(
        self,
        device: Device,
        record: RecordFile,
        claim: Callable[[str], None],
        stopwatch: Callable[[], float],
        settings: Settings = DEFAULTS,
    ) -> None:
        self._device = device
        self._settings = settings
        self._claim = claim
        self._stopwatch = stopwatch
        self._probe_at = float("-inf")
        self._doubt_at = float("-inf")
        """The driver is not asked again before this because a GPU's call says that it is away."""
        self._touch = Touch(device, record, stopwatch)
        self._tuner = Tuner(device, record, self._touch)
        self.record = record
        self.gpus: dict[str, Gpu] = {}

    @property
    def away(self) -> str:
        """Return why no GPU can be reached at all; empty while the driver answers."""
        return self._touch.away

    @property
    def tally(self) -> Tally:
        """Return how often what happened."""
        return self._touch.tally

    # -- see ---------------------------------------------------------------------------------------------------

    def look(self, now: float, expected: Iterable[str] = ()) -> None:
        """Read every GPU, and look for the driver, for lost and for missing GPUs again when it is time."""
        lost = any(gpu.lost for gpu in self.gpus.values())
        missing = not self.away and not self.gpus.keys() >= {*expected, *self.record.record.gpus}
        if (self.away or lost or missing) and now >= self._probe_at:
            self._probe_at = now + self._settings.probe_seconds
            self._open()
        if self.away:
            return
        answered = [self._touch.read(gpu, now) for gpu in self.gpus.values() if not gpu.lost]
        self._ask_driver(now, silent=not any(answered))

    def _ask_driver(self, now: float, *, silent: bool = False) -> None:
        """Where a GPU's call says that the driver is away or another one, ask the driver itself, now and then.

        While it answers, the word of one GPU is that GPU's alone. Where no GPU answers, it may have been away, and
        what it had been told with it.
        """
        why, self._touch.doubt = self._touch.doubt, ""
        if not why or now < self._doubt_at:
            return
        self._doubt_at = self._probe_at = now + self._settings.probe_seconds
        if silent:
            self._lose_all(why)
        self._open()

    def _open(self) -> None:
        try:
            found = self._device.open()
        except DriverChanged:
            raise
        except GpuError as error:
            self._touch.away = str(error)
            self._lose_all(self.away)
            return
        self.tally.reopened += bool(self.gpus)
        self._touch.away = ""
        for identity in found:
            if identity.uuid not in self.gpus:
                self._claim(identity.uuid)
                gpu = self.gpus[identity.uuid] = Gpu(identity, self._settings)
                was = self.record.record.gpus.get(identity.uuid)
                gpu.clock_known = was is None or not was.clock_touched
            elif self.gpus[identity.uuid].lost:
                self.gpus[identity.uuid].found(identity)
        present = {identity.uuid for identity in found}
        for uuid, gpu in self.gpus.items():
            if uuid not in present:
                gpu.lose("GpuLost: the driver does not show it")

    def _lose_all(self, why: str) -> None:
        for gpu in self.gpus.values():
            gpu.lose(why)

    # -- act ---------------------------------------------------------------------------------------------------

    def act(
        self, now: float, targets: Mapping[str, GpuTarget], ordered: Iterable[str], budget_watts: float
    ) -> None:
        """Bring the GPUs nearer to their targets: tightening first, read back, then what devices do by themselves,
        then clocks, then raises.

        While a slow driver takes writes nobody looks at the GPUs. So once they have taken a safety period, what is
        not urgent waits for the next pass, where it goes to who was written longest ago.
        """
        until = self._stopwatch() + self._settings.safety_seconds
        ready = {uuid for uuid in targets if self._ready(self.gpus[uuid], now)}
        limits = {
            uuid: self.gpus[uuid].identity.min_watts if self.gpus[uuid].heat.emergency else target.limit_watts
            for uuid, target in targets.items()
            if uuid in ready
        }
        known = [uuid for uuid in ordered if uuid in self.gpus]
        above = fsum(standing.bound_watts for standing in self._standing(known).values()) > budget_watts
        for uuid, watts in moves.lower(self._standing(known), limits, budget_watts).items():
            gpu = self.gpus[uuid]
            urgent = above or gpu.heat.emergency or targets[uuid].emergency
            if urgent or (
                gpu.rested(now, self._settings.write_seconds)
                and not self._clock_first(gpu, targets[uuid])
                and self._stopwatch() < until
            ):
                self._touch.set_limit(gpu, watts, now, _limit_why(gpu, targets[uuid]))
        turns = sorted(ready, key=lambda uuid: (self.gpus[uuid].written_at_seconds, uuid))
        for uuid in () if above else turns:
            hot = self.gpus[uuid].heat.emergency or targets[uuid].emergency
            if not hot and self._stopwatch() < until:
                self._tuner.act(self.gpus[uuid], targets[uuid], now)
        for uuid in turns:
            gpu, wanted = self.gpus[uuid], self._clock_wanted(self.gpus[uuid], targets[uuid])
            rested = (
                gpu.rested(now, self._settings.write_seconds)
                and (gpu.slows(wanted) or not gpu.unsure(now))
                and self._stopwatch() < until
            )
            if gpu.clock_differs(wanted) and (rested or _hot(gpu, targets[uuid], wanted)):
                self._touch.set_clock(gpu, wanted, now, _clock_why(gpu, targets[uuid], wanted))
        for uuid, watts in moves.higher(self._standing(known), limits, budget_watts).items():
            gpu = self.gpus[uuid]
            rested = gpu.rested(now, self._settings.write_seconds) and self._stopwatch() < until
            if rested and not gpu.unsure(now):
                self._touch.set_limit(gpu, watts, now, _limit_why(gpu, targets[uuid]))
        for uuid in ready:
            gpu = self.gpus[uuid]
            if gpu.reading is not None and not gpu.held(now) and not self._waits(gpu, targets[uuid]):
                gpu.applied()
        self._ask_driver(now)

    def cool(self, now: float, uuids: Iterable[str]) -> None:
        """Tighten GPUs that heat binds while nobody can say what is ordered; nothing is ever loosened here.

        A lock that a predecessor may have left is known to be no slower than the slowest clock alone.
        """
        for uuid in uuids:
            gpu = self.gpus.get(uuid)
            top = None if gpu is None else gpu.heat.clock_top_mhz(gpu.identity.clocks_mhz)
            if gpu is None or (top is None and not gpu.heat.emergency) or not self._ready(gpu, now):
                continue
            why = f"Heat: {gpu.heat.band}, and what is ordered is not known"
            least = gpu.identity.min_watts
            if gpu.heat.emergency and gpu.asked_watts - least >= moves.STEP_WATTS:
                self._touch.set_limit(gpu, least, now, why)
            known = gpu.clock_known or gpu.heat.emergency
            if known and top is not None and gpu.slows(top) and gpu.clock_differs(top):
                self._touch.set_clock(gpu, top, now, why)
        self._ask_driver(now)

    def tighten_blind(self, now: float, shares_watts: Mapping[str, float]) -> None:
        """Lower GPUs whose sensors are silent to their shares, once each; the first share given counts.

        Nothing can be read back, so they go on counting at their greatest limit.
        """
        for uuid, watts in shares_watts.items():
            gpu = self.gpus[uuid]
            if gpu.blind_watts is None:
                gpu.blind_watts = watts
            if gpu.blind_done or gpu.last_asked_watts - gpu.blind_watts < moves.STEP_WATTS:
                continue
            idle = now >= gpu.wait_until and gpu.rested(now, self._settings.write_seconds)
            if idle and uuid in self.record.record.gpus and not self.record.unreadable:
                self._touch.set_limit(gpu, gpu.blind_watts, now, "SensorLost: its share of the failsafe")
                gpu.blind_done = now >= gpu.wait_until
        self._ask_driver(now)

    def put_back(self, now: float, uuids: Iterable[str], why: str) -> bool:
        """Bring these GPUs nearer to what they were before us; say whether all are there."""
        done = True
        for uuid in tuple(uuids):
            was = self.record.record.gpus.get(uuid)
            gpu = self.gpus.get(uuid)
            if was is None:
                continue
            if gpu is None or not self._back(gpu, was, now, why):
                done = False
        return done

    def _back(self, gpu: Gpu, was: Previous, now: float, why: str) -> bool:
        reading = gpu.reading
        if reading is None or gpu.unsure(now) or gpu.contested(now) or self.record.unreadable:
            return False
        limit = min(max(was.limit_watts, gpu.identity.min_watts), gpu.identity.max_watts)
        if not gpu.rested(now, self._settings.write_seconds) or now < gpu.wait_until:
            return False
        if was.clock_touched and gpu.clock_differs(None):
            self._touch.set_clock(gpu, None, now, why)
        elif self._tuner.back(gpu, was, now):
            return False
        elif abs(gpu.asked_watts - limit) > LIMIT_TOLERANCE_WATTS:
            self._touch.set_limit(gpu, limit, now, why)
        elif reading.persistence and not was.persistence:
            self._touch.set_persistence(gpu, on=False, now=now)
        elif was.clock_touched and gpu.locked:
            return False  # it stays on record until the lock can be taken off
        else:
            self.record.forget(gpu.identity.uuid)
            gpu.released()
            return True
        return False

    def missing_watts(self, uuids: Iterable[str]) -> float:
        """Return what ordered GPUs may draw that the driver has not shown since our start.

        Nothing is known of them but, where we changed them in this boot, what was there before us; the maximum of
        their neighbours is the better guess. One that no longer draws costs its neighbours watts until the order
        leaves it out: nothing here can tell it from one that draws and does not answer.
        """
        most = max((gpu.identity.max_watts for gpu in self.gpus.values()), default=0.0)
        before = {uuid: was.limit_watts for uuid, was in self.record.record.gpus.items()}
        return fsum(
            bound_watts("", None, max(most, before.get(uuid, 0.0))) for uuid in uuids if uuid not in self.gpus
        )

    def movable(self, now: float) -> tuple[str, ...]:
        """Return the GPUs we changed that answer and that nobody else writes."""
        return tuple(
            uuid
            for uuid in self.record.record.gpus
            if uuid in self.gpus
            and self.gpus[uuid].reading is not None
            and not self.gpus[uuid].contested(now)
        )

    def driver_changed(self, why: str) -> None:
        """Take note that this process can reach no GPU any more."""
        self._touch.away = why
        self._lose_all(why)

    def end_persistence(self, now: float) -> None:
        """Switch persistence mode off where we switched it on, so that the driver can be unloaded."""
        for uuid, was in self.record.record.gpus.items():
            gpu = self.gpus.get(uuid)
            if was.persistence or gpu is None or gpu.reading is None or not gpu.reading.persistence:
                continue
            self._touch.set_persistence(gpu, on=False, now=now)

    def close(self) -> None:
        """Let go of the driver."""
        self._device.close()

    def _ready(self, gpu: Gpu, now: float) -> bool:
        """Whether a GPU may be written: it answers, is ours, is on record and keeps its settings."""
        if gpu.reading is None or gpu.held(now):
            return False
        if self.record.unreadable:
            gpu.hold(
                Outcome.ERROR,
                f"StateFileUnreadable: {self.record.unreadable}",
                now + self._settings.again_seconds,
            )
            return False
        uuid = gpu.identity.uuid
        if uuid not in self.record.record.gpus:
            try:
                self.record.remember(uuid, Previous(gpu.asked_watts, gpu.reading.persistence))
            except OSError as error:
                gpu.hold(
                    Outcome.ERROR,
                    f"NoRecord: previous values cannot be saved: {error}",
                    now + self._settings.again_seconds,
                )
                return False
        if not gpu.reading.persistence:
            if gpu.rested(now, self._settings.write_seconds):
                self._touch.set_persistence(gpu, on=True, now=now)
            return False
        return True

    def _standing(self, uuids: Iterable[str]) -> dict[str, moves.Standing]:
        return {uuid: moves.Standing(self.gpus[uuid].identity, self.gpus[uuid].limit_watts) for uuid in uuids}

    def _waits(self, gpu: Gpu, target: GpuTarget) -> bool:
        """Whether something is still to be tightened or locked."""
        tighter = gpu.asked_watts - target.limit_watts >= moves.STEP_WATTS
        return tighter or gpu.clock_differs(self._clock_wanted(gpu, target))

    def _clock_wanted(self, gpu: Gpu, target: GpuTarget) -> int | None:
        heat_mhz = gpu.heat.clock_top_mhz(gpu.identity.clocks_mhz)
        if heat_mhz is None:
            return target.clock_mhz
        return heat_mhz if target.clock_mhz is None else min(heat_mhz, target.clock_mhz)

    def _clock_first(self, gpu: Gpu, target: GpuTarget) -> bool:
        """Whether a waiting clock goes before the next limit, so that neither starves the other."""
        return gpu.limit_last and gpu.clock_differs(self._clock_wanted(gpu, target))


def _hot(gpu: Gpu, target: GpuTarget, wanted_mhz: int | None) -> bool:
    """Whether heat, its own or its group's, allows less than the lock in force, so that nothing is waited for."""
    if wanted_mhz is None or not gpu.slows(wanted_mhz):
        return False
    tops = [gpu.heat.clock_top_mhz(gpu.identity.clocks_mhz), target.heat_mhz]
    return any(top is not None and gpu.slows(top) for top in tops)


def _limit_why(gpu: Gpu, target: GpuTarget) -> str:
    if gpu.heat.emergency:
        return f"Heat: {gpu.heat.band}, about to slow itself down"
    return f"{target.limit_why}: {target.limit_detail}"


def _clock_why(gpu: Gpu, target: GpuTarget, mhz: int | None) -> str:
    if mhz is not None and mhz != target.clock_mhz:
        return f"Heat: {gpu.heat.band}, at most {gpu.heat.clock_ratio:.0%} of the fastest clock"
    return f"{target.clock_why}: {target.clock_detail}"
