"""What the device process and the network process say to each other; both may miss any of it."""

from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from wattline.api.base import Spec
from wattline.api.powernode import GpuStatus, NodeState, PowerNodeSpec
from wattline.loops.seen import ReplicaSeen
from wattline.model.wire import GpuSample, LevelView
from wattline_agent.budget import Kind


class OrderSeen(Spec):
    """The node's order as it stands now; ``spec`` is none when there is none."""

    kind: Literal["order"] = "order"
    uid: str = ""
    generation: int = 0
    spec: PowerNodeSpec | None = None


class LeaseSeen(Spec):
    """One look at the lease."""

    kind: Literal["lease"] = "lease"
    name: str
    renewals: int
    epoch: int = 0


class ReplicaLoadSeen(Spec):
    """What gateways and engine say of one replica."""

    pool: str
    name: str
    seen: ReplicaSeen


class LoadsSeen(Spec):
    """All replicas of the node as they are now."""

    kind: Literal["loads"] = "loads"
    replicas: tuple[ReplicaLoadSeen, ...] = ()


class EmergencySeen(Spec):
    """An authenticated signal about an emergency level; told again until a view says that it was heard."""

    kind: Literal["emergency"] = "emergency"
    level: str
    number: int
    """Tells one signal of a way from the next."""
    way: Literal["http", "file"]
    action: Literal["start", "end"] = "start"


Inbound = Annotated[OrderSeen | LeaseSeen | LoadsSeen | EmergencySeen, Field(discriminator="kind")]
INBOUND: TypeAdapter[OrderSeen | LeaseSeen | LoadsSeen | EmergencySeen] = TypeAdapter(Inbound)
"""To the device process."""


class Count(Spec):
    """One counter with its label values."""

    name: str
    labels: tuple[str, ...] = ()
    value: float


class SpreadSeen(Spec):
    """One histogram of durations."""

    name: str
    labels: tuple[str, ...] = ()
    bounds_seconds: tuple[float, ...]
    counts: tuple[int, ...]
    """One per bound, and one for what is above all of them."""
    total_seconds: float


class Move(Spec):
    """A setting of a GPU that was changed, old and new, and why."""

    at_seconds: float
    number: int
    uuid: str
    what: str
    why: str


class GpuLine(Spec):
    """One GPU in a view."""

    index: int = 0
    """Its place in the driver's list."""
    status: GpuStatus
    sample: GpuSample | None
    """None while it does not answer."""
    instant_watts: float | None = None
    policy_watts: float | None = None
    """Limit that the last decision wants, also where the order only observes."""
    clock_asked_mhz: int | None = None
    """Lock in force; none: the driver's own clock."""
    clock_max_mhz: int | None = None
    clock_reason: str = ""
    """Why the clock is what it is."""
    thermal_band: str = "release"
    thermal_clock_ratio: float = 1.0
    thermal_margin_celsius: float | None = None
    """Degrees left before it slows itself down, also where the device offers no margin."""
    thermal_ahead_celsius: float | None = None
    """The same in ten seconds as it draws now; none while its response is not known well enough."""
    thermal_error_celsius: float | None = None
    """How far such predictions were off in the last minute; none before there were enough to say."""
    parts: tuple[str, ...] = ()
    """UUIDs of the parts it is divided into (MIG), by which pods may be given it."""
    event_seconds: dict[str, float] = Field(default_factory=dict)
    """How long each reason kept the clock low, since the device process started."""


class SourceLine(Spec):
    """One bound on what the node may draw."""

    kind: Kind
    name: str = ""
    watts: float
    until_seconds: float | None = None


class View(Spec):
    """Everything the device process knows, once a second and whenever an outcome changes."""

    at_seconds: float
    boot_id: str
    state: NodeState
    reason: str = ""
    waiting: str = ""
    """Why new work must wait; empty once every GPU is read back under its order, or the order only observes."""
    observed_generation: int = 0
    epoch: int = 0
    budget_watts: float | None = None
    """The tightest budget in force; none while nothing is enforced."""
    budget_source: SourceLine | None = None
    """What sets that budget."""
    budget_sources: tuple[SourceLine, ...] = ()
    """Every source that is valid."""
    emergencies: tuple[LevelView, ...] = ()
    signals_heard: dict[str, int] = Field(default_factory=dict)
    """Number of the last signal of each way and level."""
    bound_watts: float = 0.0
    demand_watts: float = 0.0
    heat_freed_watts: float = 0.0
    lease_remaining_seconds: float = 0.0
    let_go: bool = False
    """Whether the device process has ended so that the driver can be taken away; nothing of its GPUs is known."""
    gpus: tuple[GpuLine, ...] = ()
    counts: tuple[Count, ...] = ()
    spreads: tuple[SpreadSeen, ...] = ()
    moves: tuple[Move, ...] = ()
    """Changes of the last seconds, oldest first; each is told more than once."""
