"""What one second of a node looks at: its GPUs, its replicas, its budget."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from wattline.model.bounds import bound_watts
from wattline.model.gpu import GpuIdentity, GpuReading

ReplicaKey = tuple[str, str]
"""Pool and name of a replica."""


class GpuSeen(NamedTuple):
    """One ordered GPU as its agent knows it."""

    identity: GpuIdentity
    reading: GpuReading | None
    """None while the GPU does not answer."""
    held: str = ""
    """Why it cannot be written now; empty when it can. It is then counted at its bound as it stands."""
    contested: bool = False
    """Somebody else writes it too, so that only its greatest limit is certain."""
    clock_top_mhz: int | None = None
    """Fastest clock that heat allows; none while heat binds nothing."""
    limit_top_watts: float | None = None
    """Greatest limit that heat allows, for a device whose clock cannot be locked; none for others."""
    emergency: bool = False
    """It is about to overheat, so that limits go to the devices' least in all its group."""
    unsure: bool = False
    """Its reading is not fresh, so that neither its limit nor its group's clock is loosened."""
    locked_mhz: int | None = None
    """Lock in force, as far as it is known; none gives the clock to the driver."""

    @property
    def limit_watts(self) -> float | None:
        """Return the limit that was read back, the greater of what is asked for and what is enforced."""
        if self.reading is None or self.contested:
            return None
        return max(self.reading.limit_watts, self.reading.asked_watts or 0.0)

    @property
    def bound_watts(self) -> float:
        """Return the most this GPU can draw as it stands; its maximum where that is not known."""
        return bound_watts(self.identity.product, self.limit_watts, self.identity.max_watts)


class ReplicaSeen(NamedTuple):
    """One replica as gateway and engine say; what is not known is None."""

    resident_tokens: int | None = None
    capacity_tokens: int | None = None
    slowest_agent_tokens_per_second: float | None = None
    running: int = 0
    waiting: int = 0
    prompt_tokens_total: float = 0.0
    cached_tokens_total: float = 0.0
    generation_tokens_total: float = 0.0


UNKNOWN_REPLICA = ReplicaSeen()
"""A replica that nobody speaks of: its clock is not lowered and goes to the top of its bounds."""


@dataclass(frozen=True, slots=True)
class NodeSeen:
    """What one step of the loop looks at."""

    at_seconds: float
    budget_watts: float
    """The tightest budget that is in force."""
    gpus: Mapping[str, GpuSeen]
    replicas: Mapping[ReplicaKey, ReplicaSeen] = field(default_factory=dict)
    tighten_only: bool = False
    """No limit may rise: the lease has ended."""
