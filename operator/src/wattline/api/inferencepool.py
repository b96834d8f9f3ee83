"""InferencePool: replicas of one model in one role that can serve the same request."""

from typing import Any, ClassVar, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from wattline.api.base import DNS_NAME, Condition, LabelKey, NodeName, Object, PowerClass, Spec
from wattline.api.memory import Memory

URL = r"^https?://[^/\s]+$"
"""A web address without a path."""

SOURCES = ("template", "workloadRef", "poolRef", "endpoints")
"""Where a pool's replicas come from."""

ONE_SOURCE = f"exactly one of {', '.join(SOURCES)} says where the replicas come from"


class TemplateMetadata(Spec):
    """What a pod takes from its template beside its spec."""

    labels: dict[LabelKey, str] = Field(default={}, max_length=64)
    """Labels of the pods."""

    annotations: dict[LabelKey, str] = Field(default={}, max_length=256)
    """Annotations of the pods."""


class PodTemplate(Spec):
    """Pods that Wattline runs, as in a Deployment."""

    metadata: TemplateMetadata = TemplateMetadata()
    """Labels and annotations of the pods."""

    spec: dict[str, Any]
    """Spec of the pods, as Kubernetes knows it."""


class WorkloadRef(Spec):
    """A workload of the pool's namespace that somebody else made; its pods are the replicas."""

    api_version: str = Field(min_length=1, max_length=253)
    """Group and version, e.g. apps/v1."""

    kind: Literal["Deployment", "StatefulSet", "LeaderWorkerSet"]
    """Kind of the workload."""

    name: str = Field(min_length=1, max_length=253, pattern=DNS_NAME)
    """Name of the workload."""


class PoolRef(Spec):
    """An InferencePool of the Gateway API inference extension (inference.networking.k8s.io/v1) of the same
    namespace; the pods it selects are the replicas.
    """

    name: str = Field(min_length=1, max_length=253, pattern=DNS_NAME)
    """Name of that pool."""


class Engine(Spec):
    """How the replicas' engines are reached."""

    port: int = Field(default=8000, ge=1, le=65_535)
    """Port of the pods that speaks OpenAI's protocol; a poolRef's own target port comes first."""


class Endpoint(Spec):
    """One engine that stands already, with or without a cluster."""

    name: str = Field(min_length=1, max_length=253, pattern=DNS_NAME)
    """Name of the replica, unique in its pool."""

    url: str = Field(max_length=253, pattern=URL)
    """Where the engine listens, without a path, e.g. http://127.0.0.1:8001."""

    node: NodeName
    """Node whose GPUs it uses."""

    gpus: tuple[str, ...] = Field(min_length=1, max_length=64)
    """UUIDs of its GPUs, as `nvidia-smi -L` prints them."""


class Objective(Spec):
    """What every agent of the pool is to get."""

    tokens_per_second_per_agent_p5: float = Field(default=20.0, gt=0, alias="tokensPerSecondPerAgentP5")
    """Output tokens per second that 95 of 100 agent windows reach, holding and prefill included."""


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

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"min {self.min:g} W is above max {self.max:g} W")
        return self


class ClockRange(Spec):
    """Bounds of a GPU's graphics clock, in MHz."""

    model_config = _MIN_UP_TO_MAX

    min: int | None = Field(default=None, ge=100, le=10_000)
    """Never asked to run slower than this; the slowest supported clock when unset."""

    max: int | None = Field(default=None, ge=100, le=10_000)
    """Never allowed to run faster than this; the fastest supported clock when unset."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"min {self.min} MHz is above max {self.max} MHz")
        return self


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
                    "rule": "!has(self.endpoints) || self.endpoints.all(e, self.endpoints.exists_one(o, o.name == e.name))",
                    "message": "names of endpoints must differ",
                },
                {
                    "rule": "[has(self.template), has(self.workloadRef), has(self.poolRef),"
                    " has(self.endpoints) && size(self.endpoints) > 0].filter(there, there).size() == 1",
                    "message": ONE_SOURCE,
                },
            ]
        }
    )

    model: str = Field(min_length=1)
    """Model name that agents ask for."""

    template: PodTemplate | None = None
    """Pods that Wattline runs: a Deployment of the pool's name, placed where the watts are."""

    workload_ref: WorkloadRef | None = None
    """A workload that stands already; it is scaled only if `replicas` is set."""

    pool_ref: PoolRef | None = None
    """An InferencePool of the Gateway API inference extension whose pods are the replicas."""

    endpoints: tuple[Endpoint, ...] = Field(default=(), max_length=64)
    """Engines that stand already, with or without a cluster."""

    engine: Engine = Engine()
    """How the engines of pods are reached."""

    replicas: int | None = Field(default=None, ge=0, le=256)
    """How many replicas: pods of the template (1 when unset) or of the workload (its own count when unset); of
    endpoints as many as get work, in their order (all when unset)."""

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

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        sources = (self.template, self.workload_ref, self.pool_ref, self.endpoints or None)
        if sum(source is not None for source in sources) != 1:
            raise ValueError(ONE_SOURCE)
        return self

    @property
    def of_pods(self) -> bool:
        """Whether the replicas are pods, found anew in every pass, and not endpoints a user listed."""
        return self.template is not None or self.workload_ref is not None or self.pool_ref is not None

    def active(self) -> tuple[Endpoint, ...]:
        """Return the endpoints that get work; `replicas` counts off those that a user listed."""
        return self.endpoints if self.of_pods or self.replicas is None else self.endpoints[: self.replicas]


class EndpointStatus(Spec):
    """One replica as found."""

    name: str = Field(min_length=1, max_length=253, pattern=DNS_NAME)
    """Name of the replica: of its pod, or of the endpoint."""

    url: str = Field(default="", max_length=253)
    """Where its engine listens; empty while its pod has no address."""

    node: str = Field(default="", max_length=253)
    """Node it runs on; empty while it waits for one."""

    gpus: tuple[str, ...] = Field(default=(), max_length=64)
    """UUIDs of its GPUs; empty while they are not known."""

    ready: bool = False
    """Whether its engine answers and its GPUs do."""

    traffic: bool = False
    """Whether the gateway may send it work: its GPUs are read back under the enforced domain, or nothing is
    enforced there."""

    reason: str = Field(default="", max_length=512)
    """Why it is not ready or gets no work: one CamelCase word, with a detail after a colon."""


class InferencePoolStatus(Spec):
    """What was seen and decided."""

    observed_generation: int = 0
    """Generation of the spec this status speaks of."""

    replicas: int = 0
    """Replicas there are: pods that do not end, or endpoints that get work."""

    ready_replicas: int = 0
    """Of these, those whose engine and GPUs answer."""

    ready: str = ""
    """Replicas that are ready, of those that are wanted, e.g. 3/4."""

    selector: str = ""
    """Label selector of the replicas' pods, for autoscalers."""

    endpoints: tuple[EndpointStatus, ...] = Field(default=(), max_length=256)
    """The replicas as found; where there are more than 256, the first by name."""

    cap_watts: float | None = None
    """Sum of the power limits read back of the pool's GPUs; absent while one is not known."""

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
        "labelSelectorPath": ".status.selector",
    }
    columns: ClassVar[tuple[tuple[str, str, str], ...]] = (
        ("Model", "string", ".spec.model"),
        ("Ready", "string", ".status.ready"),
        ("Cap(W)", "number", ".status.capWatts"),
        ("Draw(W)", "number", ".status.drawWatts"),
        ("Reason", "string", '.status.conditions[?(@.type=="Ready")].reason'),
    )
