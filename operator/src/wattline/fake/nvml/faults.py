"""Faults and driver events on command: what a test can do to a fake GPU, from any process."""

from collections.abc import Callable, Sequence
from typing import Any

from wattline.fake.nvml import layout
from wattline.fake.nvml.layout import Call, Point, RootOnly
from wattline.fake.nvml.mapping import Mapping, boot_ns, fresh_presets

_MS_MAX = layout.FOR_EVER - 1


class Faults:
    """What goes wrong on one node."""

    def __init__(self, mapping: Mapping, *, now_ns: Callable[[], int] = boot_ns) -> None:
        self._mapping = mapping
        self._node = mapping.node
        self._now_ns = now_ns

    # At a call.

    def set(
        self,
        call: Call,
        gpu: int | None = None,
        *,
        code: int = 0,
        hang_seconds: float = 0.0,
        value: int | None = None,
        dies: bool = False,
        victim: int = 0,
        loses: bool = False,
        point: Point = Point.BEFORE,
        times: int | None = None,
    ) -> None:
        """Let ``call`` on ``gpu`` (none: calls that name no GPU) go wrong, ``times`` times or until cleared.

        It hangs (infinity: until cleared), kills its process (or process ``victim``), has its GPU fall off the bus,
        returns ``code``, or answers ``value``; a setter then sets that instead of what it was asked for. A code at
        ``Point.WRITTEN`` or later is told to a caller whose setting was made all the same.
        """
        fault = self._fault(call, gpu)
        fault.times = 0
        fault.code, fault.point = code, point
        fault.dies, fault.victim, fault.loses = int(dies), victim, int(loses)
        fault.lies, fault.value = int(value is not None), value or 0
        fault.hang_ms = (
            layout.FOR_EVER if hang_seconds == float("inf") else min(round(hang_seconds * 1000), _MS_MAX)
        )
        fault.times = layout.FOR_EVER if times is None else times

    def clear(self, call: Call | None = None, gpu: int | None = None) -> None:
        """End the fault of one call on one GPU, and the hangs in it; without a call, every fault of every call."""
        if call is not None:
            _heal(self._fault(call, gpu))
            return
        for faults in (self._node.faults, *(one.faults for one in self._node.gpus)):
            for fault in faults:
                _heal(fault)

    # To a GPU.

    def lose(self, gpu: int) -> None:
        """Let a GPU fall off the bus."""
        self._node.gpus[gpu].lost = 1

    def bring_back(self, gpu: int) -> None:
        """Reset a lost GPU: its settings are the default ones, and only a new session has a live handle."""
        self._node.gpus[gpu].lost = 0
        with self._mapping.locked():
            self._default(gpu)
        self._node.gpus[gpu].epoch += 1

    def hold_below(self, gpu: int, watts: float | None) -> None:
        """Let out-of-band management hold the limit below what the driver was asked for, or not any more."""
        new = 0 if watts is None else round(watts * 1000)
        with self._mapping.locked():
            old, self._node.gpus[gpu].out_of_band_mw = self._node.gpus[gpu].out_of_band_mw, new
            self._mapping.record(Call.OUT_OF_BAND_LIMIT, gpu, old=old, new=new, at_ns=self._now_ns())

    def hide_fields(self, gpu: int, *fields: int) -> None:
        """Let field values be N/A, and only these."""
        words = [0] * layout.FIELD_WORDS
        for field in fields:
            words[field // 64] |= 1 << field % 64
        for place, word in enumerate(words):
            self._node.gpus[gpu].missing_fields[place] = word

    def partition(self, gpu: int, *, on: bool, parts: Sequence[str] = ()) -> None:
        """Switch MIG mode, and say which parts the GPU has, by their UUIDs."""
        one = self._node.gpus[gpu]
        for place, uuid in enumerate(parts):
            one.parts[place].uuid = uuid.encode()
        one.part_count = len(parts)
        one.mig = int(on)

    # To the driver.

    def setters_for(self, who: RootOnly) -> None:
        """Say who may call setters."""
        self._node.root_only = who

    def setters_take(self, seconds: float, most_seconds: float | None = None) -> None:
        """Let every setter hold the driver's lock for so long, as slow drivers do: between the two, if two are given."""
        self._node.setter_ms = round(seconds * 1000)
        self._node.setter_span_ms = 0 if most_seconds is None else round((most_seconds - seconds) * 1000)

    def one_lock(self, *, on: bool) -> None:
        """Let every call wait for the driver's lock, as one lock for all devices makes them."""
        self._node.one_lock = int(on)

    def reload_driver(self, *, handles_live: bool = True) -> None:
        """Unload and load the driver: settings are the default ones, energy counts from zero."""
        with self._mapping.locked():
            for gpu in range(self._node.gpu_count):
                self._default(gpu)
        if not handles_live:
            for gpu in range(self._node.gpu_count):
                self._node.gpus[gpu].epoch += 1

    def last_client_gone(self) -> None:
        """Let the driver drop what it holds of GPUs that nobody uses and that are not in persistence mode."""
        with self._mapping.locked():
            for gpu in range(self._node.gpu_count):
                if not self._node.gpus[gpu].settings.persistence:
                    self._default(gpu)

    def unload_driver(self) -> None:
        """Take the driver away."""
        self._node.loaded = 0

    def load_driver(self) -> None:
        """Bring the driver, with default settings."""
        self.reload_driver(handles_live=False)
        self._node.loaded = 1

    def _default(self, gpu: int) -> None:
        one = self._node.gpus[gpu]
        old, new = one.settings.limit_mw, one.identity.default_mw
        self._mapping.record(Call.DRIVER_RELOAD, gpu, old=old, new=new, at_ns=self._now_ns())
        one.settings.lock, one.settings.limit_mw, one.settings.persistence = 0, new, 0
        one.settings.profiles = 0
        fresh_presets(one.settings)
        one.energy_base_mj = one.physics[one.published % 2].energy_mj
        self._node.changes += 1

    def _fault(self, call: Call, gpu: int | None) -> Any:
        faults = self._node.faults if gpu is None else self._node.gpus[gpu].faults
        return faults[call]


def _heal(fault: Any) -> None:
    fault.times, fault.hang_ms, fault.dies, fault.loses = 0, 0, 0, 0
