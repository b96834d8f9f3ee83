"""PowerNode: the order to one node's agent (spec) and that agent's answer (status)."""

from enum import StrEnum
from typing import ClassVar, Literal

from pydantic import Field

from wattline.api.base import Object, PowerClass, Spec
from wattline.api.memory import Memory


class LeaseRef(Spec):
    """The lease that keeps this order in force."""

    name: str
    """Name of the lease; one per root domain."""

    duration_seconds: float = Field(default=60.0, gt=0)
    """The order ends this long after the agent last saw the lease renewed."""


class GpuOrder(Spec):
    """Bounds of one GPU."""

    uuid: str
    """UUID of the GPU."""

    group: str
    """GPUs of one group run one tensor-parallel replica and take one value."""

    power_class: PowerClass = Field(default=PowerClass.STANDARD, alias="class")
    """Order in which groups keep watts."""

    watts_min: float | None = Field(default=None, gt=0)
    """Least power limit; the device's minimum when unset."""

    watts_max: float | None = Field(default=None, gt=0)
    """Greatest power limit; the device's maximum when unset."""

    clock_mhz_min: int | None = Field(default=None, gt=0)
    """Slowest clock that may be asked for; the device's slowest when unset."""

    clock_mhz_max: int | None = Field(default=None, gt=0)
    """Fastest clock that may be asked for; the device's fastest when unset."""

    spans_nodes: bool = False
    """Whether GPUs of other nodes run the same replica, so that the heat of this one is told at once."""

    heat_clock_mhz: int | None = Field(default=None, gt=0)
    """Fastest clock that heat allows the GPUs of its replica on other nodes, as their agents say; none when unset."""


class ReplicaOrder(Spec):
    """One engine replica whose GPUs the agent clocks."""

    pool: str
    """Name of its InferencePool, with the namespace in front where there is one: namespace/name."""

    name: str
    """Name of the replica."""

    url: str
    """Where its engine listens."""

    gpus: tuple[str, ...] = Field(min_length=1)
    """UUIDs of its GPUs."""

    tokens_per_second_per_agent_p5: float = Field(gt=0, alias="tokensPerSecondPerAgentP5")
    """Objective of the pool."""

    memory: Memory = Memory()
    """Shares of KV capacity at which behaviour changes."""


class EmergencyLevel(Spec):
    """A budget that lies ready for an emergency: it counts once the agent is told that this level has begun."""

    level: str = Field(min_length=1, max_length=253)
    """Name of the level: the PowerDomain whose emergency it is."""

    budget_watts: float = Field(ge=0)
    """Most that the node's GPUs may draw together while the level lasts, in watts."""

    duration_seconds: float = Field(gt=0)
    """The level ends this long after the last signal that began it."""


class PowerNodeSpec(Spec):
    """What the operator orders; written by it alone."""

    epoch: int = Field(default=0, ge=0)
    """Counts changes of leadership; an agent ignores anything older than it has seen."""

    lease: LeaseRef
    """What keeps this order in force."""

    enforce: bool = False
    """Whether GPUs are written; else the agent reports what it would do."""

    release: bool = False
    """Put every GPU back to what it was before us."""

    domain: str = ""
    """PowerDomain the node hangs on directly; its watts pay for the node until it is released."""

    budget_watts: float = Field(ge=0)
    """Most that the node's GPUs may draw together, in watts."""

    highest_sent_watts: float = Field(ge=0)
    """Highest the agent may still act on: the budgets sent since, and with, the last one it acknowledged; at
    first what its devices draw at most."""

    failsafe_watts: float = Field(ge=0)
    """Node budget that holds once the lease has ended, in watts."""

    emergency: tuple[EmergencyLevel, ...] = Field(default=(), max_length=256)
    """Levels that the agent can be told to go to at once, one per enforced domain above the node that has an
    emergency; they need neither the operator nor the API server."""

    ramp_up_watts_per_second: float | None = Field(default=None, gt=0)
    """Most by which steps of clocks and limits may raise the node's draw in a second; no bound when unset."""

    ramp_down_watts_per_second: float | None = Field(default=None, gt=0)
    """The same for steps downwards that nothing makes urgent; no bound when unset."""

    gpus: tuple[GpuOrder, ...] = ()
    """Bounds of each opted-in GPU."""

    replicas: tuple[ReplicaOrder, ...] = Field(default=(), max_length=256)
    """Engines on this node."""


class Outcome(StrEnum):
    """What became of the last thing asked of a GPU."""

    APPLIED = "applied"
    BLOCKED = "blocked"
    ERROR = "error"
    NONE = "none"


class NodeState(StrEnum):
    """State of a node's agent."""

    OBSERVING = "Observing"
    ENFORCING = "Enforcing"
    FAILSAFE = "Failsafe"
    RELEASED = "Released"
    DEGRADED = "Degraded"
    WAITING_FOR_DRIVER = "WaitingForDriver"


class GpuStatus(Spec):
    """One GPU as its node's agent knows it; watts are power limits."""

    uuid: str
    """UUID of the GPU."""
    product: str
    """Product name as the driver spells it."""
    min_watts: float
    """Least power limit the device takes."""
    max_watts: float
    """Greatest power limit the device takes."""
    default_watts: float
    """Power limit of the device at boot."""
    previous_watts: float | None = None
    """Power limit before our first write; absent while there was none."""
    requested_watts: float | None = None
    """Power limit last asked for by us."""
    enforced_watts: float | None = None
    """Power limit read back; absent when it could not be read."""
    bound_watts: float
    """Most this GPU can draw under the limit read back; its maximum where that is unknown."""
    outcome: Outcome = Outcome.NONE
    """What became of the last thing asked of this GPU."""
    reason: str = ""
    """Why the outcome is what it is, one CamelCase word, with a detail after a colon."""
    profile: str = ""
    """What became of asking the device to tune itself to LLM inference: an outcome, and why after a colon; empty
    where it was not asked or cannot."""
    ramp: str = ""
    """The same for asking the device to ramp its own power."""
    heat_clock_mhz: int | None = None
    """Fastest clock that its own heat allows, told where its replica has GPUs on other nodes; none while heat binds
    nothing."""
    hardware_event: str = ""
    """What the hardware itself slows the GPU down for, now or in the last minute: HwPowerBrake, HwThermal or
    HwSlowdown; a fault of power supply or cooling that no setting cures. Empty if there is nothing."""
    read_at_seconds: float | None = None
    """When the limit was read back, on the node's clock."""


class PodGpus(Spec):
    """The GPUs that the kubelet gave to one pod, through a device plugin or a DRA driver."""

    namespace: str
    """Namespace of the pod."""
    name: str
    """Name of the pod."""
    gpus: tuple[str, ...] = ()
    """UUIDs of its GPUs."""


class PowerNodeStatus(Spec):
    """What the node's agent answers; written by it alone."""

    observed_generation: int = 0
    """Generation of the last spec that is in force and read back."""

    epoch: int = 0
    """Epoch of the newest spec the agent has heard; older ones it ignores."""

    boot_id: str = ""
    """Boot of the node that this was read under."""

    address: str = ""
    """Where the agent serves its readings, e.g. http://10.0.0.7:9808."""

    state: NodeState = NodeState.OBSERVING
    """State of the agent."""

    reason: str = ""
    """Why the state is what it is, one CamelCase word, with a detail after a colon."""

    bound_watts: float = 0
    """Sum of the GPUs' bounds."""

    budget_source: str = ""
    """What sets the budget in force, one word with a detail after a colon: Order, Failsafe, or Emergency with its
    level and its end; empty while nothing is enforced."""

    demand_watts: float = 0
    """What the node's GPUs would draw at the clocks their objectives could need."""

    heat_freed_watts: float = 0
    """What GPUs that heat holds back want less than they did before; it is no longer part of the demand."""

    gpus: tuple[GpuStatus, ...] = ()
    """Every GPU of the node."""

    pods: tuple[PodGpus, ...] = ()
    """Every pod of the node that has GPUs, as the kubelet says; empty on a box without Kubernetes."""


class PowerNode(Object[PowerNodeSpec, PowerNodeStatus]):
    """The order to one node's agent, and its answer."""

    kind: Literal["PowerNode"] = "PowerNode"

    plural: ClassVar[str] = "powernodes"
    short_name: ClassVar[str] = "pnode"
    namespaced: ClassVar[bool] = False
    columns: ClassVar[tuple[tuple[str, str, str], ...]] = (
        ("Budget(W)", "number", ".spec.budgetWatts"),
        ("Bound(W)", "number", ".status.boundWatts"),
        ("State", "string", ".status.state"),
        ("Source", "string", ".status.budgetSource"),
        ("Epoch", "integer", ".status.epoch"),
    )
