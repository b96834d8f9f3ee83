"""A node agent's loop on devices with state, a journal and faults, under a clock that the test moves."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from wattline.api.powernode import GpuOrder, LeaseRef, PowerNodeSpec, ReplicaOrder
from wattline.loops.seen import ReplicaSeen
from wattline.model.bounds import bound_watts
from wattline.model.errors import GpuLost
from wattline.model.gpu import EventReason, GpuIdentity, GpuReading, Ramp, Tuned
from wattline_agent.device import DriverAway
from wattline_agent.governor import Governor
from wattline_agent.hands import Hands
from wattline_agent.messages import LeaseSeen, LoadsSeen, OrderSeen, ReplicaLoadSeen
from wattline_agent.record import RecordFile, write_synced
from wattline_agent.settings import DEFAULTS, Settings
from wattline_agent.view import view

PRODUCT = "NVIDIA H100 80GB HBM3"
CLOCKS = tuple(range(345, 1981, 15))
BOOT = "boot-1"
CALL_SECONDS = 0.02
"""Every write takes this long by the agent's stopwatch, unless a test has slower ones."""


@dataclass(frozen=True)
class Write:
    """One line of the device's own journal."""

    at_seconds: float
    uuid: str
    call: str
    old: object
    new: object
    limits: Mapping[str, float]
    """Limits of all GPUs once it was made."""


@dataclass
class FakeGpu:
    limit_watts: float = 700.0
    lock_mhz: int | None = None
    persistence: bool = True
    watts: float = 400.0
    celsius: float = 50.0
    energy_joules: float = 1000.0
    reasons: EventReason = field(default=EventReason(0))
    min_watts: float = 200.0
    max_watts: float = 700.0
    lost: bool = False
    tuned: Tuned | None = None
    """None: it has no such thing."""
    ramp: Ramp | None = None
    """As above."""
    parts: tuple[str, ...] = ()
    errors: dict[str, Exception] = field(default_factory=dict)
    """By call: raised instead of doing it."""


class FakeDevice:
    """GPUs that do what a driver does, and remember every write."""

    def __init__(self, now: Callable[[], float], gpus: Mapping[str, FakeGpu]) -> None:
        self._now = now
        self.gpus = dict(gpus)
        self.journal: list[Write] = []
        self.away = False
        self._shown: set[str] = set()

    def open(self):
        if self.away:
            raise DriverAway("DriverAway: no driver")
        self._shown = {uuid for uuid, gpu in self.gpus.items() if not gpu.lost}
        return tuple(
            GpuIdentity(
                uuid,
                PRODUCT,
                gpu.min_watts,
                gpu.max_watts,
                gpu.max_watts,
                CLOCKS,
                index,
                tunes=gpu.tuned is not None,
                ramps=gpu.ramp is not None,
            )
            for index, (uuid, gpu) in enumerate(self.gpus.items())
            if not gpu.lost
        )

    def close(self) -> None:
        self._shown = set()

    def read(self, uuid):
        gpu = self._gpu(uuid, "read")
        return GpuReading(
            at_seconds=self._now(),
            watts=min(gpu.watts, gpu.limit_watts),
            instant_watts=min(gpu.watts, gpu.limit_watts),
            energy_joules=gpu.energy_joules,
            limit_watts=gpu.limit_watts,
            clock_mhz=gpu.lock_mhz or CLOCKS[-1],
            celsius=gpu.celsius,
            margin_celsius=87 - gpu.celsius,
            reasons=gpu.reasons,
            persistence=gpu.persistence,
            asked_watts=gpu.limit_watts,
            tuned=gpu.tuned,
            ramp=gpu.ramp,
            parts=gpu.parts,
        )

    def set_limit(self, uuid, watts) -> None:
        gpu = self._gpu(uuid, "set_limit")
        assert gpu.min_watts <= watts <= gpu.max_watts
        old, gpu.limit_watts = gpu.limit_watts, watts
        self._note(uuid, "set_limit", old, watts)

    def lock_clock(self, uuid, mhz) -> None:
        gpu = self._gpu(uuid, "lock_clock")
        assert mhz is None or mhz in CLOCKS
        old, gpu.lock_mhz = gpu.lock_mhz, mhz
        self._note(uuid, "lock_clock", old, mhz)

    def set_persistence(self, uuid, *, on) -> None:
        gpu = self._gpu(uuid, "set_persistence")
        old, gpu.persistence = gpu.persistence, on
        self._note(uuid, "set_persistence", old, on)

    def set_tuned(self, uuid, *, on) -> None:
        gpu = self._gpu(uuid, "set_tuned")
        assert gpu.tuned is not None, "only a device that offers it is asked"
        old, gpu.tuned = gpu.tuned, Tuned.ON if on else Tuned.OFF
        self._note(uuid, "set_tuned", old, gpu.tuned)

    def set_ramp(self, uuid, ramp) -> None:
        gpu = self._gpu(uuid, "set_ramp")
        assert gpu.ramp is not None, "only a device that offers it is asked"
        old, gpu.ramp = gpu.ramp, ramp
        self._note(uuid, "set_ramp", old, ramp)

    def bound_watts(self) -> float:
        return sum(bound_watts(PRODUCT, gpu.limit_watts, gpu.max_watts) for gpu in self.gpus.values())

    def _gpu(self, uuid, call) -> FakeGpu:
        if self.away:
            raise DriverAway("DriverAway: no driver")
        gpu = self.gpus[uuid]
        if gpu.lost or uuid not in self._shown:
            raise GpuLost(f"GpuLost: {uuid} fell off the bus")
        if call in gpu.errors:
            raise gpu.errors[call]
        return gpu

    def _note(self, uuid, call, old, new) -> None:
        limits = {name: gpu.limit_watts for name, gpu in self.gpus.items()}
        self.journal.append(Write(self._now(), uuid, call, old, new, limits))


@dataclass
class Rig:
    """One agent on one node; ``agent`` may be ended and made again on the same devices and record."""

    folder: Path
    device: FakeDevice
    write: Callable[[Path, str], None] = write_synced
    at_seconds: float = 1000.0
    boot_id: str = BOOT
    renewals: int = 0
    settings: Settings = DEFAULTS
    call_seconds: float = CALL_SECONDS
    agent: Governor | None = None

    def start(self) -> "Rig":
        record = RecordFile(self.folder / "device.json", self.boot_id, 1.0, write=self.write)
        claimed: set[str] = set()

        def claim(uuid: str) -> None:
            assert uuid not in claimed, "a GPU is claimed once; a second lock of our own would refuse us"
            claimed.add(uuid)

        def stopwatch() -> float:
            return len(getattr(self.device, "journal", ())) * self.call_seconds  # a twin keeps its own record

        hands = Hands(self.device, record, claim, stopwatch, self.settings)
        self.agent = Governor(hands, self.settings)
        return self

    @property
    def governor(self) -> Governor:
        assert self.agent is not None
        return self.agent

    def hear(self, message) -> None:
        self.governor.hear(message, self.at_seconds)

    def run(self, seconds: float = 1.0, *, renewing: bool = True, loads=None) -> "Rig":
        """Let time pass; the lease is renewed at its start unless told otherwise."""
        if renewing:
            self.renew()
        for _ in range(round(seconds / self.settings.safety_seconds)):
            if loads is not None:
                self.hear(loads)
            self.governor.tick(self.at_seconds)
            self.at_seconds = round(self.at_seconds + self.settings.safety_seconds, 3)
        return self

    def renew(self, *, epoch: int = 1) -> None:
        self.renewals += 1
        self.hear(LeaseSeen(name="box", renewals=self.renewals, epoch=epoch))

    def order(self, spec: PowerNodeSpec, *, generation: int = 1, uid: str = "u") -> "Rig":
        self.hear(OrderSeen(uid=uid, generation=generation, spec=spec))
        return self

    def enforced(self, spec: PowerNodeSpec, seconds: float = 5.0) -> "Rig":
        """Order, have the lease seen to change, and let it settle."""
        self.order(spec)
        self.renew()
        return self.run(seconds)

    def statuses(self):
        return {line.status.uuid: line.status for line in self.view().gpus}

    def view(self):
        return view(self.governor, self.boot_id, self.at_seconds)


def rig(folder: Path, gpus: int | Mapping[str, FakeGpu] = 2, **changes) -> Rig:
    """An agent that has just started, with calm GPUs G0, G1, ..."""
    made = gpus if isinstance(gpus, Mapping) else {f"G{i}": FakeGpu() for i in range(gpus)}
    here = Rig(folder, FakeDevice(lambda: here.at_seconds, made), **changes)
    return here.start()


def spec(budget_watts: float = 1000.0, gpus: int = 2, **changes) -> PowerNodeSpec:
    """An enforcing order for G0, G1, ..., a group and a replica each."""
    calm = {
        "epoch": 1,
        "lease": LeaseRef(name="box"),
        "enforce": True,
        "budget_watts": budget_watts,
        "highest_sent_watts": budget_watts,
        "failsafe_watts": budget_watts,
        "gpus": tuple(GpuOrder(uuid=f"G{i}", group=f"g{i}") for i in range(gpus)),
        "replicas": tuple(replica(i) for i in range(gpus)),
    }
    return PowerNodeSpec(**calm | changes)


def replica(index: int, *gpus: str) -> ReplicaOrder:
    return ReplicaOrder(
        pool="coder",
        name=f"r{index}",
        url=f"http://e{index}",
        gpus=gpus or (f"G{index}",),
        tokens_per_second_per_agent_p5=20,
    )


def load(index: int = 0, **changes) -> ReplicaLoadSeen:
    calm = {"resident_tokens": 100_000, "capacity_tokens": 400_000, "slowest_agent_tokens_per_second": 60.0}
    return ReplicaLoadSeen(pool="coder", name=f"r{index}", seen=ReplicaSeen(**calm | changes))


def loads(*each: ReplicaLoadSeen) -> LoadsSeen:
    return LoadsSeen(replicas=each)


def but(order: PowerNodeSpec, **changes) -> PowerNodeSpec:
    return order.model_copy(update=changes)


__all__ = ["BOOT", "CLOCKS", "FakeGpu", "Rig", "but", "load", "loads", "replace", "replica", "rig", "spec"]
