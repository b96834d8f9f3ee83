"""Two hundred agent loops in one process, each in a virtual time of its own: from an emergency signal to its budget.

The loop is the agent's own: governor, hands, record in a folder, and the pauses of the device process. The device
keeps settings and takes its time: a call that reads takes what NVML takes, a slow setter 50 to 300 ms.
"""

import math
import random
from pathlib import Path

from wattline.api.powernode import EmergencyLevel, GpuOrder, LeaseRef, PowerNodeSpec, ReplicaOrder
from wattline.loops.seen import ReplicaSeen
from wattline.model.gpu import EventReason, GpuIdentity, GpuReading
from wattline.world.products import PRODUCTS
from wattline_agent.governor import Governor
from wattline_agent.hands import Hands
from wattline_agent.messages import EmergencySeen, LeaseSeen, LoadsSeen, OrderSeen, ReplicaLoadSeen
from wattline_agent.record import RecordFile
from wattline_agent.settings import DEFAULTS

PRODUCT = PRODUCTS["h100"]
GPUS = 8
READ_SECONDS = 0.0005
"""One GPU's reading: some ten calls."""
WRITE_SECONDS = 0.002
SLOW_SECONDS = (0.05, 0.3)
HOP_SECONDS = 0.02
"""From the signal's answer to the device process: one packet, a process that wakes."""
ORDER_WATTS, EMERGENCY_WATTS = 4800.0, 3600.0
"""A power emergency leaves 75 % (TAPAS, arXiv 2501.02600)."""
SETTLE_SECONDS = 8.0


class TimedDevice:
    """Settings that are kept, and calls that move the clock."""

    def __init__(self, chance, slow):
        self.now = 1000.0
        self._chance, self._slow = chance, slow
        self.limits = {f"GPU-{index}": PRODUCT.max_watts for index in range(GPUS)}
        self.locks = dict.fromkeys(self.limits)
        self._watts = {uuid: chance.uniform(300, 650) for uuid in self.limits}

    def open(self):
        return tuple(
            GpuIdentity(
                uuid, PRODUCT.device_name, PRODUCT.min_watts, PRODUCT.max_watts, PRODUCT.max_watts,
                PRODUCT.clocks_mhz, index,
            )
            for index, uuid in enumerate(self.limits)
        )  # fmt: skip

    def close(self):
        pass

    def read(self, uuid):
        self.now += READ_SECONDS
        swing = 1 + 0.2 * math.sin(self.now / 3 + int(uuid[-1]))
        watts = min(self._watts[uuid] * swing, self.limits[uuid])
        return GpuReading(
            at_seconds=self.now,
            watts=watts,
            instant_watts=watts,
            energy_joules=self.now * 400,
            limit_watts=self.limits[uuid],
            clock_mhz=self.locks[uuid] or PRODUCT.max_mhz,
            celsius=55.0,
            margin_celsius=32.0,
            reasons=EventReason(0),
            persistence=True,
            asked_watts=self.limits[uuid],
        )

    def set_limit(self, uuid, watts):
        self._takes()
        self.limits[uuid] = watts

    def lock_clock(self, uuid, mhz):
        self._takes()
        self.locks[uuid] = mhz

    def set_persistence(self, uuid, *, on):
        raise AssertionError(f"{uuid}: it is on already, not to be {on}")

    def _takes(self):
        self.now += self._chance.uniform(*SLOW_SECONDS) if self._slow else WRITE_SECONDS


def order():
    uuids = [f"GPU-{index}" for index in range(GPUS)]
    return PowerNodeSpec(
        epoch=1,
        lease=LeaseRef(name="bench"),
        enforce=True,
        budget_watts=ORDER_WATTS,
        highest_sent_watts=ORDER_WATTS,
        failsafe_watts=ORDER_WATTS / 2,
        emergency=(EmergencyLevel(level="row", budget_watts=EMERGENCY_WATTS, duration_seconds=300.0),),
        gpus=tuple(GpuOrder(uuid=uuid, group=uuid) for uuid in uuids),
        replicas=tuple(
            ReplicaOrder(
                pool="coder", name=uuid, url="http://e", gpus=(uuid,), tokens_per_second_per_agent_p5=20
            )
            for uuid in uuids
        ),
    )


class Loop:
    """One agent's device process, as fast as its device lets it be."""

    def __init__(self, folder, chance, slow):
        self._chance = chance
        self.device = TimedDevice(chance, slow)
        record = RecordFile(folder / "device.json", "boot", 1.0, write=lambda path, text: None)  # noqa: ARG005 - disks are measured elsewhere
        hands = Hands(self.device, record, lambda uuid: None, lambda: self.device.now)  # noqa: ARG005 - nobody else
        self.governor = Governor(hands)
        self.governor.hear(OrderSeen(uid="u", generation=1, spec=order()), self.device.now)
        self._due = self.device.now
        self._told = 0

    def run(self, until):
        """Run passes until a time."""
        while self.device.now < until:
            self._pass()
            if self.device.now >= self._due:
                self._due = max(self._due + DEFAULTS.safety_seconds, self.device.now)
            self.device.now = max(self.device.now, min(self._due, until))

    def answer(self, signal):
        """Hear a signal when it comes, or when a pass that is under way has ended; return when it is obeyed."""
        self.device.now = max(self.device.now, signal)
        self.governor.hear(EmergencySeen(level="row", number=1, way="http"), self.device.now)
        while True:
            self._pass()
            if self.governor.inside(EMERGENCY_WATTS):
                return self.device.now
            self.device.now += DEFAULTS.safety_seconds

    def _pass(self):
        self._loads()
        self.governor.tick(self.device.now)

    def _loads(self):
        """Tell once a second what a network process tells."""
        if self.device.now < 1000.0 + self._told:
            return
        self._told += 1
        self.governor.hear(
            LeaseSeen(name="bench", renewals=self._told // 15 + (self._told > 1), epoch=1), self.device.now
        )
        self.governor.hear(
            LoadsSeen(
                replicas=tuple(
                    ReplicaLoadSeen(pool="coder", name=uuid, seen=self._load()) for uuid in self.device.limits
                )
            ),
            self.device.now,
        )

    def _load(self):
        return ReplicaSeen(
            resident_tokens=self._chance.randrange(100_000, 350_000),
            capacity_tokens=400_000,
            slowest_agent_tokens_per_second=self._chance.uniform(18.0, 40.0),
            running=6,
        )


def answers(folder, loops, seed, *, slow):
    """Return the seconds that each loop needs from the signal until its bounds are read back inside the level."""
    took = []
    for number in range(loops):
        chance = random.Random(f"{seed} {number}")
        loop = Loop(Path(folder), chance, slow)
        signal = loop.device.now + SETTLE_SECONDS + chance.random()
        loop.run(signal)
        took.append(loop.answer(signal + HOP_SECONDS) - signal)
    return took
