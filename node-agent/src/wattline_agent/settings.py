"""Every timeout and period of the agent, as one value. Standard library only, because the supervisor reads it too.

Seconds are world seconds (CLOCK_BOOTTIME times ``--speed``), except those whose name says ``wall``: they bound what
the machine does, which no speed changes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from math import isfinite
from typing import Any

from wattline_agent.bands import Bands


class BadSettings(ValueError):  # noqa: N818 - says what is the case
    """Settings that make no sense; ``problems`` has a sentence for each."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Settings:
    """Seconds above zero; the defaults hold for a node of a cluster and for a box alike."""

    safety_seconds: float = 0.2
    """Period of the safety loop: devices renew their power reading every 100 ms (A100, H100 PCIe: data set D5 of
    JimZeyuYang/GPU_Power_Benchmark), so twice that sees every second one."""
    decide_seconds: float = 1.0
    """Period of the division of watts and of the clock loop. Ours: as long as one GPU needs between two writes."""
    view_seconds: float = 1.0
    """Heartbeat of the device process: it tells all it knows at least this often. Ours."""
    loads_stale_seconds: float = 3.0
    """Replicas whose gateways the device process heard of so long ago are unknown: their clocks are not lowered. Ours."""
    write_seconds: float = 1.0
    """A GPU is written once in this time at most, except to tighten in an emergency. A lock is effective 1 s after it
    was asked for (12vhpwr-guard v1.1.0)."""
    again_seconds: float = 5.0
    """Wait after a failed write. Ours."""
    blocked_seconds: float = 60.0
    """Wait after a refused write. Ours: rights and drivers change rarely."""
    probe_seconds: float = 10.0
    """Wait between two looks for a lost GPU or an absent driver. Ours."""
    contested_seconds: float = 600.0
    """A GPU that somebody else writes is left alone until this long after the last such write. Ours: longer than the
    period of any writer we know (Dynamo's power agent: 15 s)."""
    reading_hold_seconds: float = 1.0
    """Nothing is loosened on a GPU whose last reading is older than this. Ours: a lost reading or four change nothing."""
    reading_stale_seconds: float = 5.0
    """A reading older than this does not count as one. Ours: sensor loss of 1 to 5 s is held through."""
    settled_seconds: float = 3.0
    """A clock faster than its lock for longer than this means that the lock is gone. Ours: a change settles in a second."""
    moves_told_seconds: float = 5.0
    """A change of a setting is told in every view for so long, because a view may be missed. Ours."""
    hardware_told_seconds: float = 60.0
    """A power brake or hardware slowdown is told for so long after it last held, so that one that comes and goes is one.
    Ours."""
    restore_seconds: float = 30.0
    """Time in which a stopping agent tries to put everything back. Ours: three spaced writes to a GPU need three."""
    heat: Bands = field(default_factory=Bands)
    """The thermal loop."""

    look_seconds: float = 0.2
    """Period in which the network process looks at what changed: files, orders to bring, a status to write. Ours."""
    tell_seconds: float = 1.0
    """Order and lease are told to the device process this often even if nothing changed: it may have been started
    again; so is a signal of an emergency that was not heard. Ours."""
    poll_seconds: float = 1.0
    """Period in which gateways and engines are asked: the clock loop's."""
    answer_seconds: float = 0.25
    """What gateways and engines have answered by then is told at once, the rest a period later. Ours."""
    hang_wall_seconds: float = 5.0
    """A gateway that took the connection and does not answer is given up after this. Ours."""
    gateway_names_seconds: float = 3.0
    """Period in which the gateway service's name is looked up. Ours: as long as a gateway may be silent."""
    gateway_stale_seconds: float = 3.0
    """A gateway or engine silent for so long leaves its replicas unknown. Ours: three polls."""
    lease_silence_seconds: float = 25.0
    """The watches of order and lease are opened anew when the lease has not changed for so long. Ours: it is renewed
    every 15 s and an order lives for 60, so that one lost renewal and a new watch fit in."""
    kubelet_seconds: float = 3.0
    """Period in which the kubelet is asked which pod has which GPU. Ours."""
    kubelet_hang_wall_seconds: float = 5.0
    """A kubelet that does not answer is given up after this. Ours."""
    slices_seconds: float = 30.0
    """Least time between two looks at what DRA drivers publish. Ours: they publish once and change it rarely."""
    view_stale_seconds: float = 10.0
    """A device process silent for so long may hang in a driver call: readings are stale, the state ``Degraded``. Ours:
    DCGM's calls block for more than 45 s on a degraded GPU (NVIDIA/DCGM#313), a call that works takes milliseconds."""
    heartbeat_seconds: float = 60.0
    """The status is written at least this often. Ours: what hurries is served over HTTP."""
    demand_seconds: float = 10.0
    """A demand that moved by a tenth is told after this. Ours: balance shares watts by it every 15 s."""
    report_again_seconds: float = 0.5
    """A status that could not be written is tried again after this, then later and later. Ours."""
    report_longest_seconds: float = 8.0
    """The longest of these waits. Ours."""
    last_word_wall_seconds: float = 3.0
    """Time that the last status may take. Ours."""

    restart_first_wall_seconds: float = 0.2
    """Wait before a child process that died young is started again; doubled each time. Ours."""
    restart_longest_wall_seconds: float = 10.0
    """The longest of these waits. Ours: a process that dies at once loads a core for a twentieth of it."""
    restart_calm_wall_seconds: float = 30.0
    """A child that ran for so long starts its waits from the beginning. Ours."""
    stop_stage_wall_seconds: float = 15.0
    """Time between the two requests to stop the device process, and after the second until one that hangs in a driver
    call is left alone. Ours; the pod's grace period has to be longer than twice this."""

    def problems(self) -> tuple[str, ...]:
        """Return what contradicts itself or is no time, a sentence each."""
        found = [
            f"{name} must be above zero and finite, not {value:g}"
            for name, value in named(self).items()
            if name.endswith("_seconds") and not (isfinite(value) and value > 0)
        ]
        if found:
            return tuple(found)
        found += [
            f"{less} ({named(self)[less]:g}) must not be above {more} ({named(self)[more]:g}): {why}"
            for less, more, why in ORDERED
            if named(self)[less] > named(self)[more]
        ]
        return (*found, *self.heat.problems())


ORDERED = (
    ("safety_seconds", "decide_seconds", "what is decided is carried out by the safety loop"),
    ("safety_seconds", "reading_hold_seconds", "every reading would be held before the next"),
    ("reading_hold_seconds", "reading_stale_seconds", "what is held would be lost first"),
    ("reading_hold_seconds", "reading_stale_seconds", "a reading is held before it is none"),
    ("safety_seconds", "view_seconds", "a view is told by the safety loop"),
    ("view_seconds", "view_stale_seconds", "a device process in good health would be called stale"),
    ("view_seconds", "moves_told_seconds", "a change could be missed"),
    ("write_seconds", "restore_seconds", "no GPU could be put back in time"),
    ("poll_seconds", "gateway_stale_seconds", "every gateway would be silent before it is asked again"),
    ("poll_seconds", "loads_stale_seconds", "every replica would be unknown before the next poll"),
    ("answer_seconds", "poll_seconds", "answers would be told after the next question"),
    ("look_seconds", "tell_seconds", "what changed is told when it is looked for"),
    ("report_again_seconds", "report_longest_seconds", "the first wait is the shortest"),
    ("restart_first_wall_seconds", "restart_longest_wall_seconds", "the first wait is the shortest"),
    ("decide_seconds", "loads_stale_seconds", "no load would live until the next decision"),
    (
        "probe_seconds",
        "contested_seconds",
        "a GPU that comes back is looked at while its writer is remembered",
    ),
)
"""Of each pair the first must not be above the second, and why."""

DEFAULTS = Settings()


def named(settings: Any, prefix: str = "") -> dict[str, float | bool]:
    """Return every setting by its name, those of a part with the part's name and a dot in front."""
    found: dict[str, float | bool] = {}
    for each in fields(settings):
        value = getattr(settings, each.name)
        if is_dataclass(value):
            found |= named(value, f"{prefix}{each.name}.")
        else:
            found[prefix + each.name] = value
    return found


def changed(settings: Settings, given: Mapping[str, Any]) -> Settings:
    """Return the settings with those given in place; parts are objects or dotted names. Raise ``BadSettings``."""
    wanted = flat(given)
    known = named(settings)
    problems = [f"no setting is called {name}{_near(name, known)}" for name in wanted if name not in known]
    values: dict[str, float | bool] = {}
    for name in wanted.keys() & known.keys():
        switch = isinstance(known[name], bool)
        try:
            values[name] = _switch(wanted[name]) if switch else _number(wanted[name])
        except (KeyError, TypeError, ValueError):
            what = "true or false" if switch else "a number"
            problems.append(f"{name} must be {what}, not {wanted[name]!r}")
    if problems:
        raise BadSettings(tuple(sorted(problems)))
    made: Settings = _made(settings, values)
    if made.problems():
        raise BadSettings(made.problems())
    return made


def flat(given: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return settings by dotted names, whether they are given so or as objects in objects."""
    found: dict[str, Any] = {}
    for name, value in given.items():
        found |= flat(value, f"{prefix}{name}.") if isinstance(value, Mapping) else {f"{prefix}{name}": value}
    return found


def _number(value: Any) -> float:
    if isinstance(value, bool):
        raise TypeError
    return float(value)


def _switch(value: Any) -> bool:
    return {"true": True, "false": False}[str(value).lower()]


def _made(part: Any, values: Mapping[str, float | bool]) -> Any:
    own: dict[str, Any] = {name: value for name, value in values.items() if "." not in name}
    for each in fields(part):
        inner = {
            name.removeprefix(f"{each.name}."): value
            for name, value in values.items()
            if name.startswith(f"{each.name}.")
        }
        if inner:
            own[each.name] = _made(getattr(part, each.name), inner)
    return replace(part, **own)


def _near(name: str, known: Mapping[str, float | bool]) -> str:
    import difflib  # noqa: PLC0415 - only where somebody mistyped

    near = difflib.get_close_matches(name, known, 1)
    return f"; did you mean {near[0]}?" if near else ""
