"""InferencePool: replicas of one model in one role that can serve the same request."""

from typing import Any, ClassVar, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from wattline.api.base import Condition, NodeName, Object, PowerClass, Spec

URL = r"^https?://[^/\s]+$"
"""A web address without a path."""


class Endpoint(Spec):
    """One engine that stands already, with or without a cluster."""

    name: str = Field(min_length=1, max_length=63, pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")
    """Name of the replica, unique in its pool."""

    url: str = Field(max_length=253, pattern=URL)
    """Where the engine listens, without a path, e.g. http://127.0.0.1:8001."""

    node: NodeName
    """Node whose GPUs it uses."""

    gpus: tuple[str, ...] = Field(min_length=1, max_length=16)
    """UUIDs of its GPUs, as `nvidia-smi -L` prints them."""


class Objective(Spec):
    """What every agent of the pool is to get."""

    tokens_per_second_per_agent_p5: float = Field(default=20.0, gt=0, alias="tokensPerSecondPerAgentP5")
    """Output tokens per second that 95 of 100 agent windows reach, holding and prefill included."""


class Memory(Spec):
    """Shares of KV capacity at which behaviour changes (KAIROS, arXiv 2604.16682: alpha, gamma, beta)."""

    model_config = ConfigDict(
        json_schema_extra={
            "x-kubernetes-validations": [
                {
                    "rule": "self.protectAbove <= self.admitBelow && self.admitBelow <= self.neverAbove",
                    "message": "protectAbove <= admitBelow <= neverAbove is required",
                }
            ]
        }
    )

    protect_above: float = Field(default=0.75, gt=0, le=1)
    """alpha: above this resident share memory comes before energy."""

    admit_below: float = Field(default=0.90, gt=0, le=1)
    """gamma: new agents start only below this resident share."""

    never_above: float = Field(default=0.95, gt=0, le=1)
    """beta: no admission takes the resident share above this."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not self.protect_above <= self.admit_below <= self.never_above:
            raise ValueError("protectAbove <= admitBelow <= neverAbove is required")
        return self


_MIN_UP_TO_MAX = ConfigDict(
    json_schema_extra={
        "x-kubernetes-validations": [
            {
                "rule": "!has(self.min) || !has(self.max) || self.min <= self.max",
                "message": "min must not be above max",
            }
        ]
    }
)


class WattRange(Spec):
    """Bounds of one GPU's power limit, in watts."""

    model_config = _MIN_UP_TO_MAX

    min: float | None = Field(default=None, gt=0, le=10_000)
    """Never limited below this; the device's minimum when unset."""

    max: float | None = Field(default=None, gt=0, le=10_000)
    """Never limited above this; the device's maximum when unset."""


class ClockRange(Spec):
    """Bounds of a GPU's graphics clock, in MHz."""

    model_config = _MIN_UP_TO_MAX

    min: int | None = Field(default=None, ge=100, le=10_000)
    """Never asked to run slower than this; the slowest supported clock when unset."""

    max: int | None = Field(default=None, ge=100, le=10_000)
    """Never allowed to run faster than this; the fastest supported clock when unset."""


class PoolPower(Spec):
    """Bounds inside which the pool's GPUs may be moved."""

    watts_per_gpu: WattRange = WattRange()
    """Bounds of each GPU's power limit."""

    clock_mhz: ClockRange = ClockRange()
    """Bounds of each GPU's graphics clock."""


class Routing(Spec):
    """When agents are packed together, and when one moves (KAIROS, algorithms 2 and 3)."""

    consolidate_below: float = Field(default=0.50, ge=0, le=1)
    """While every active replica's resident share is below this, agents go to the first replica with room."""

    reassign_after_turns: int = Field(default=8, ge=1)
    """An agent may move to another replica after this many turns on one."""

    reassign_ratio: float = Field(default=2.0, ge=1)
    """It moves when its replica holds at least this many times the resident tokens of the emptiest."""


class InferencePoolSpec(Spec):
    """What the user asks for."""

    model_config = ConfigDict(
        json_schema_extra={
            "x-kubernetes-validations": [
                {
                    "rule": "self.endpoints.all(e, self.endpoints.exists_one(o, o.name == e.name))",
                    "message": "names of endpoints must differ",
                }
            ]
        }
    )

    model: str = Field(min_length=1)
    """Model name that agents ask for."""

    endpoints: tuple[Endpoint, ...] = Field(min_length=1, max_length=64)
    """Engines that stand already."""

    replicas: int | None = Field(default=None, ge=0)
    """How many of the endpoints, in their order, get work; all when unset."""

    power_class: PowerClass = Field(default=PowerClass.STANDARD, alias="class")
    """Order in which pools keep watts."""

    objective: Objective = Objective()
    """What every agent is to get."""

    power: PoolPower = PoolPower()
    """Bounds of the pool's GPUs."""

    memory: Memory = Memory()
    """Shares of KV capacity at which behaviour changes."""

    routing: Routing = Routing()
    """When agents are packed together, and when one moves."""

    @model_validator(mode="after")
    def _distinct_names(self) -> Self:
        names = [endpoint.name for endpoint in self.endpoints]
        if len(set(names)) != len(names):
            raise ValueError("names of endpoints must differ")
        return self

    def active(self) -> tuple[Endpoint, ...]:
        """Return the endpoints that get work."""
        return self.endpoints if self.replicas is None else self.endpoints[: self.replicas]


class InferencePoolStatus(Spec):
    """What was seen and decided."""

    observed_generation: int = 0
    """Generation of the spec this status speaks of."""

    replicas: int = 0
    """Endpoints that get work."""

    ready_replicas: int = 0
    """Of these, those whose GPUs all answer."""

    draw_watts: float | None = None
    """Measured draw of the pool's GPUs; absent while one does not answer."""

    conditions: tuple[Condition, ...] = Field(default=(), max_length=8)
    """Accepted, Ready."""


class InferencePool(Object[InferencePoolSpec, InferencePoolStatus]):
    """Replicas of one model in one role that can serve the same request."""

    kind: Literal["InferencePool"] = "InferencePool"

    plural: ClassVar[str] = "inferencepools"
    short_name: ClassVar[str] = "wpool"
    namespaced: ClassVar[bool] = True
    scale: ClassVar[dict[str, Any] | None] = {
        "specReplicasPath": ".spec.replicas",
        "statusReplicasPath": ".status.replicas",
    }
    columns: ClassVar[tuple[tuple[str, str, str], ...]] = (
        ("Model", "string", ".spec.model"),
        ("Ready", "integer", ".status.readyReplicas"),
        ("Desired", "integer", ".status.replicas"),
        ("Draw(W)", "number", ".status.drawWatts"),
        ("Reason", "string", '.status.conditions[?(@.type=="Ready")].reason'),
    )
