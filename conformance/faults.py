"""Which calls an agent makes, and what can go wrong with each."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from conformance.adapter import Make
from conformance.judge import Excuse
from conformance.machine import UUIDS, Machine
from conformance.stage import Stage, State
from wattline.fake.nvml import Call, Faults, Point
from wattline.fake.nvml.layout import SETTERS

NOT_SUPPORTED = 3
UNKNOWN = 999
CODES = (UNKNOWN, 1, 2, 4, 6, 9, 10, 15, 16, 18, 19, 24, 25, 27)
"""NVML's; the first is the quick form's, 15 to 16 mean a lost GPU, 18 a driver that was replaced."""
DRAW_FIELDS = (185, 186, 83)
_WITHOUT_FIELDS = frozenset({Call.POWER_USAGE, Call.TOTAL_ENERGY})
"""What agents ask on devices whose fields do not tell the draw."""
_STEADY_SECONDS = 6.0


class Kind(StrEnum):
    """What goes wrong with a call."""

    ERROR = "error"
    HANG = "hang"
    WRONG = "wrong value"
    LOST = "lost"
    MISSING = "N/A"


WRONG: dict[Call, tuple[int, ...]] = {
    Call.COUNT: (0, 1, 5),
    Call.POWER_USAGE: (0, 4_000_000_000),
    Call.TOTAL_ENERGY: (0, 1 << 60),
    Call.POWER_LIMIT: (0, 200_000, 700_000, 4_000_000_000),
    Call.POWER_LIMIT_CONSTRAINTS: (0, 300_000, 4_000_000_000),
    Call.POWER_LIMIT_DEFAULT: (0, 4_000_000_000),
    Call.POWER_LIMIT_ENFORCED: (0, 200_000, 700_000, 4_000_000_000),
    Call.CLOCK: (0, 1980, 4_000_000_000),
    Call.TEMPERATURE: (0, 255),
    Call.MARGIN: (0, 60, 4_294_967_196),  # the last is -100
    Call.FIELD_VALUES: (0, 700_000, 1 << 62),
    Call.EVENT_REASONS: (0, 0x1FF, (1 << 64) - 1),
    Call.PERSISTENCE: (0, 1),
    Call.SET_POWER_LIMIT: (200_000, 700_000),
    Call.LOCK_CLOCKS: ((345 << 32) | 345, (345 << 32) | 1980),
    Call.RESET_CLOCKS: ((345 << 32) | 345,),
    Call.SET_PERSISTENCE: (0,),
}
"""What the driver may say or do instead; calls that answer with a text, a handle or a list tell no numbers."""

MAY_BE_MISSING = frozenset(
    {
        Call.MARGIN,  # A100 and older
        Call.PERSISTENCE,  # Windows, vGPU
        Call.FIELD_VALUES,  # its fields, before Ampere
        Call.MEMORY_CLOCKS,
        Call.GRAPHICS_CLOCKS,  # vGPU
        Call.LOCK_CLOCKS,  # before Volta
        Call.RESET_CLOCKS,
        Call.HANDLE_BY_UUID,
        Call.SHUTDOWN,
        Call.POWER_LIMIT_DEFAULT,
        Call.TEMPERATURE_THRESHOLD,  # deprecated since Ada
        Call.MIG_MODE,
    }
)
"""Calls that devices in good health lack: an agent may go on without them."""


@dataclass(frozen=True, slots=True)
class Learned:
    """The calls of one agent."""

    always: frozenset[tuple[Call, bool]]
    """Those of a steady loop; with whether they name a GPU."""
    sometimes: frozenset[tuple[Call, bool]]
    """The others: at a start, at a change."""

    @property
    def all(self) -> list[tuple[Call, bool]]:
        """Return every call, in the library's order."""
        return sorted(self.always | self.sometimes)


def learn(make: Make, folder: Path, library: Path, *, speed: float) -> Learned:
    """Watch an agent through a calm life, with and without the fields that only newer devices have."""
    with Stage(make, folder, library, speed=speed) as stage:
        seen: set[tuple[Call, bool]] = set()
        heads = [0, 0]

        def watch() -> set[tuple[Call, bool]]:
            mapping = stage.machine.mapping
            found = [*mapping.calls(heads[0]), *mapping.journal(heads[1])]
            heads[:] = [int(mapping.node.call_head), int(mapping.node.setter_head)]
            fresh = {(each.call, each.gpu is not None) for each in found if each.call < Call.POWER_ON}
            fresh = {(call, names and call is not Call.HANDLE_BY_INDEX) for call, names in fresh}
            seen.update(fresh)
            return fresh

        stage.enter(State.CAPPED)
        watch()
        stage.pace.wait(_STEADY_SECONDS)
        always = watch()
        if stage.agent.promises.thermal:
            stage.heat(0)
            stage.pace.wait(_STEADY_SECONDS)
            stage.machine.hot.clear()
        watch()
        for gpu in range(len(UUIDS)):
            stage.machine.faults.hide_fields(gpu, *DRAW_FIELDS)
        stage.agent.stop()
        stage.start()
        stage.pace.wait(_STEADY_SECONDS)
        stage.release(_STEADY_SECONDS * 4)
        stage.agent.stop()
        watch()
    steady = frozenset(each for each in always if each[0] not in SETTERS)
    return Learned(steady, frozenset(seen - steady))


@dataclass(frozen=True, slots=True)
class Cell:
    """One fault at one call in one state."""

    call: Call
    of_gpu: bool
    kind: Kind
    state: State
    value: int = 0
    """The code, or what is said instead."""
    restart: bool = False
    """Whether the agent is started anew under the fault, because it makes this call then."""

    @property
    def name(self) -> str:
        """Return it in words."""
        value = f" {self.value}" if self.kind in {Kind.ERROR, Kind.WRONG} else ""
        return f"{self.call.name} {self.kind}{value} while {self.state}"

    @property
    def excuse(self) -> Excuse:
        """Return what it keeps an agent from."""
        one, nobody = frozenset(range(1, len(UUIDS))), frozenset[int]()
        return Excuse(
            healthy=one if self.of_gpu and self.kind is not Kind.HANG else nobody,
            blind=self.kind is Kind.WRONG and self.call in {Call.MARGIN, Call.TEMPERATURE},
            swapped=self.kind is Kind.WRONG and self.call in SETTERS,
        )

    @property
    def must_tell(self) -> bool:
        """Whether an agent has to say that something is wrong: what it needs is gone, and no device lacks that by nature."""
        if self.state is State.IDLE and self.restart and self.kind is not Kind.HANG:
            return False  # of a GPU that it never saw and that nobody asked for it cannot know
        if self.kind in {Kind.HANG, Kind.LOST}:
            return True
        if self.kind is Kind.WRONG or self.call in SETTERS:
            return False  # whether it notices shows in whether the limits are kept
        return self.call not in MAY_BE_MISSING

    @property
    def needs_old_device(self) -> bool:
        """Whether the call is made where fields do not tell the draw."""
        return self.call in _WITHOUT_FIELDS and self.restart

    def reached(self, machine: Machine, since: tuple[int, int]) -> bool:
        """Whether the call was made under the fault; ``since`` is where both journals stood when it was put."""
        mapping = machine.mapping
        if self.kind is Kind.LOST and not self.of_gpu:
            return True
        if self.kind in {Kind.HANG, Kind.LOST}:  # not written down before it ends, but it happens once
            faults = mapping.node.gpus[0].faults if self.of_gpu else mapping.node.faults
            return bool(faults[self.call].times == 0)
        made = (*mapping.calls(since[0]), *mapping.journal(since[1]))
        return any(each.call is self.call and each.gpu in {None, 0} for each in made)

    def strike(self, faults: Faults) -> None:
        """Put it upon the machine."""
        gpu = 0 if self.of_gpu else None
        match self.kind:
            case Kind.ERROR:
                faults.set(self.call, gpu, code=self.value)
            case Kind.MISSING:
                faults.set(self.call, gpu, code=NOT_SUPPORTED)
            case Kind.WRONG:
                faults.set(self.call, gpu, value=self.value)
            case Kind.LOST if self.of_gpu:
                faults.set(self.call, gpu, loses=True, times=1)
            case Kind.LOST:
                faults.lose(0)
            case Kind.HANG:
                point = Point.LOCKED if self.call in SETTERS else Point.BEFORE
                faults.set(self.call, gpu, hang_seconds=float("inf"), point=point, times=1)


def cells(learned: Learned, states: Iterable[State], kinds: Iterable[Kind], *, full: bool) -> list[Cell]:
    """Return the table's cells; where a call has several wrong values or codes, the quick form takes the first two."""
    found: list[Cell] = []
    for call, of_gpu in learned.all:
        for kind in kinds:
            values: tuple[int, ...] = (0,)
            if kind is Kind.ERROR:
                values = CODES if full else CODES[:1]
            elif kind is Kind.WRONG:
                values = WRONG.get(call, ()) if full else WRONG.get(call, ())[:2]
            restart = (call, of_gpu) not in learned.always
            found += [Cell(call, of_gpu, kind, state, value, restart) for state in states for value in values]
    return found
