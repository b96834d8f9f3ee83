"""The world of one node: its GPUs and engines moved along with the clock, its record written."""

import asyncio
import math
from collections.abc import Sequence
from typing import Protocol

from wattline.doors.clock import Clock
from wattline.fake.host import EngineHost
from wattline.fake.record import EngineSecond, GpuSecond, RecordWriter, Second
from wattline.world.gpu import Gpu
from wattline.world.load import IDLE

TICK_WALL_SECONDS = 0.02
"""The world is moved at least this often, so that the agent's fast loop never reads the same state for long."""


class Driver(Protocol):
    """The settings that a driver keeps for a node's GPUs, and the readings it gives."""

    def pull(self) -> None:
        """Put the driver's settings into the GPUs."""

    def publish(self) -> None:
        """Let the driver give the GPUs' readings."""


class NodeWorld:
    """Moves GPUs and engines along; work that arrives wakes it early."""

    def __init__(
        self,
        gpus: Sequence[Gpu],
        hosts: Sequence[EngineHost],
        driver: Driver,
        clock: Clock,
        record: RecordWriter,
        *,
        tick_seconds: float,
    ) -> None:
        self._gpus = tuple(gpus)
        self._hosts = list(hosts)
        self._driver = driver
        self._clock = clock
        self._record = record
        self._tick_seconds = tick_seconds
        self._at = clock.now()
        self._second = math.floor(self._at)
        self._joules = [gpu.energy_joules for gpu in self._gpus]
        self._late_seconds = 0.0
        self._woken = asyncio.Event()
        self._idle_gpus: list[Gpu] = []
        self._look()

    def wake(self) -> None:
        """Look again now: work came or went."""
        self._woken.set()

    def add(self, host: EngineHost) -> None:
        """Take in an engine that stands at the world's present."""
        self._hosts.append(host)
        self._look()

    def remove(self, host: EngineHost) -> None:
        """Let go of an engine; its GPUs are idle from now on."""
        self._hosts.remove(host)
        self._look()

    async def run(self) -> None:
        """Keep the world at the clock until cancelled."""
        while True:
            self._woken.clear()
            self.catch_up()
            events = (host.engine.next_event_seconds() for host in self._hosts)
            due = min((self._at + self._tick_seconds, *events))
            await self._clock.sleep_until(due, or_set=self._woken)
            self._late_seconds = max(self._late_seconds, self._clock.now() - due)

    def catch_up(self) -> float:
        """Move everything to the present and return it."""
        now = self._clock.now()
        self.advance(now)
        return now

    def advance(self, until_seconds: float) -> None:
        """Move everything, stopping at every full second to write the record."""
        self._driver.pull()
        while self._second + 1 <= until_seconds:
            self._move(self._second + 1)
            self._second += 1
            self._record.write(self._seen())
        self._move(until_seconds)
        self._driver.publish()

    def _look(self) -> None:
        """See which GPUs nobody uses, and move at once."""
        busy = {id(gpu) for host in self._hosts for gpu in host.engine.gpus}
        self._idle_gpus = [gpu for gpu in self._gpus if id(gpu) not in busy]
        self.wake()

    def _move(self, until_seconds: float) -> None:
        self._at = max(self._at, until_seconds)
        for host in self._hosts:
            host.advance(until_seconds)
        for gpu in self._idle_gpus:
            gpu.advance(until_seconds, IDLE)

    def _seen(self) -> Second:
        before, self._joules = self._joules, [gpu.energy_joules for gpu in self._gpus]
        late, self._late_seconds = self._late_seconds, 0.0
        return Second(
            self._second,
            round(late, 3),
            tuple(
                _gpu_second(gpu, joules - earlier)
                for gpu, joules, earlier in zip(self._gpus, self._joules, before, strict=True)
            ),
            tuple(_engine_second(host) for host in self._hosts),
        )


def _gpu_second(gpu: Gpu, watts: float) -> GpuSecond:
    return GpuSecond(
        round(watts, 2),
        round(gpu.energy_joules, 1),
        round(gpu.celsius, 2),
        gpu.clock_mhz,
        round(gpu.limit_watts, 1),
        round(gpu.throttled_seconds, 1),
    )


def _engine_second(host: EngineHost) -> EngineSecond:
    engine = host.engine
    return EngineSecond(
        host.name,
        len(engine.gpus),
        engine.running,
        engine.waiting,
        engine.kv_used_tokens,
        engine.kv_cached_tokens,
        engine.capacity_tokens,
        engine.prompt_tokens,
        engine.cached_tokens,
        engine.generation_tokens,
    )
