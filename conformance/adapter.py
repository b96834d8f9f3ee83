"""What an agent has to offer to be judged: one class with these calls, found by ``--agent MODULE:CLASS``.

An adapter starts the agent as its users do, on a driver library and a file of fake GPUs that the suite names, and
translates four things: a target, the end of its lease, a release, and what the agent says of itself. It decides and
judges nothing.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Protocol, runtime_checkable

from wattline.fake.nvml import MAPPING_VARIABLE


class Word(StrEnum):
    """What an agent says of itself, in the suite's words."""

    IDLE = "idle"
    """Nothing is asked of it, and it holds nothing."""
    CAPPED = "capped"
    """The target is in force."""
    THERMAL = "thermal"
    """The target is in force, and a GPU that is about to overheat is held lower still."""
    FAILSAFE = "failsafe"
    """The lease has ended, and the failsafe is in force."""
    EMERGENCY = "emergency"
    """The target stands, and an emergency that was called holds the node lower still."""
    DEGRADED = "degraded"
    """Something is not as it was asked, or not known: a GPU, a write, a reading, the driver."""
    SILENT = "silent"
    """It says nothing."""


@dataclass(frozen=True, slots=True)
class Promises:
    """What an agent is judged by; times are world seconds."""

    name: str
    failsafe_watts: float = 500.0
    """The node's budget once the lease has ended."""
    lease_seconds: float | None = 60.0
    """How long a target holds after the last renewal; none: the agent has no leases, and is not judged by them."""
    emergency_watts: float | None = None
    """The node's budget once an emergency is called, for as long as the suite looks; none: it knows no emergencies."""
    thermal: bool = True
    """Whether it takes a GPU that is about to overheat to its least limit."""
    tighten_seconds: float = 2.0
    """From a tighter source until every GPU that can be written is within it."""
    first_seconds: float | None = None
    """The same from the first target of all: an agent may have to see its lease renewed before. None: no longer."""
    heat_seconds: float = 2.0
    """From a margin near zero until that GPU's limit is at the device's least."""
    notice_seconds: float = 12.0
    """From a fault until the agent says that something is not as it should be."""
    recover_seconds: float = 90.0
    """From the end of a fault until all is as asked and the agent says so."""
    contested_seconds: float = 700.0
    """The same where a reading said that somebody else writes the device, which an agent may leave alone for long."""
    restart_seconds: float = 2.0
    """Wall time from the start of a process that was killed until every GPU is within its target again."""
    writer: str = ""
    """Part of the command line of the process that writes what the agent must not lose; empty: it has no such file."""
    bound_watts: Callable[[float], float] = field(default=float)
    """Most that a GPU draws under a limit, as the agent counts; by default the limit."""


@dataclass(frozen=True, slots=True)
class Site:
    """The node that an agent is started on."""

    folder: Path
    """Its own: outlives the agent, as a node's disk does."""
    gpus_file: Path
    library: Path
    """Folder of the driver library."""
    uuids: tuple[str, ...]
    speed: float = 1.0
    """World seconds to a second, for agents that know such a thing; 1 asks nothing of an agent."""
    preload: Mapping[str, str] = field(default_factory=dict)
    """Environment by which the suite ends a process at a named point of its file writes."""

    def environment(self) -> dict[str, str]:
        """Return what the agent's processes need to see the fake GPUs."""
        return {
            **os.environ,
            "LD_LIBRARY_PATH": str(self.library),
            MAPPING_VARIABLE: str(self.gpus_file),
            **self.preload,
        }


class Agent(Protocol):
    """An agent under test; made with its ``Site``, not started yet."""

    promises: Promises

    def start(self) -> None:
        """Start it, also again after it was ended or killed; return at once."""

    def stop(self) -> None:
        """End it in good order, its settings kept; return when it is gone. Nothing where it does not run."""

    def target(self, watts: float) -> None:
        """Have the node's GPUs limited to so many watts together, and keep its lease renewed."""

    def end_lease(self) -> None:
        """Let the lease be over now, as if nobody had renewed it for long; the target stands as it is."""

    def release(self) -> None:
        """Have every GPU put back to what it was before the agent."""

    def word(self) -> Word:
        """Say what it says of itself now."""

    def processes(self) -> Mapping[str, int]:
        """Return its processes by name: those of one name do one work, however often they are started again.

        The first starts the others, and nobody of the agent starts it.
        """

    def previous_watts(self) -> Mapping[str, float] | None:
        """Return the limits it would put back, by UUID, as it has them on disk; none where that cannot be told."""


class Make(Protocol):
    """An adapter: the class of an agent, or whatever makes one."""

    promises: Promises

    def __call__(self, site: Site) -> Agent:
        """Return an agent for this node, not started yet."""


@runtime_checkable
class Alarmed(Protocol):
    """An agent that promises a budget in an emergency."""

    def alarm(self) -> None:
        """Have the emergency begin."""


@runtime_checkable
class Ticked(Protocol):
    """An agent without processes, in virtual time: the suite calls it instead of waiting."""

    def tick(self, at_seconds: float) -> None:
        """Do what is due at this world time."""
