"""What the reconcile loop sees: a snapshot of the objects and of the agents' readings."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from wattline.api.inferencepool import InferencePoolStatus
from wattline.api.powerdomain import PowerDomainStatus
from wattline.api.powernode import PowerNodeSpec, PowerNodeStatus
from wattline.model.affinity import NodeTaint, Term, Toleration
from wattline.model.fleet import Fleet
from wattline.model.names import HELD, MANAGED, PLACEMENT, UNCAPPED
from wattline.model.references import Problem
from wattline.model.wire import GpusView

__all__ = [
    "Broken",
    "ClusterView",
    "MachineSeen",
    "NodeTaint",
    "NodeView",
    "Owner",
    "PodSeen",
    "Replica",
    "Worker",
    "WorkloadSeen",
]


@dataclass(frozen=True, slots=True)
class NodeView:
    """One node: the order it was sent, its agent's last answer, and its agent's readings of this moment."""

    name: str
    spec: PowerNodeSpec | None = None
    generation: int = 0
    status: PowerNodeStatus | None = None
    readings: GpusView | None = None
    """Absent when the agent does not answer now."""


@dataclass(frozen=True, slots=True)
class Owner:
    """The controller of a pod."""

    kind: str
    name: str
    uid: str


@dataclass(frozen=True, slots=True)
class PodSeen:
    """What the loop reads of one pod that has not ended."""

    namespace: str
    name: str
    uid: str
    resource_version: str
    labels: Mapping[str, str] = field(default_factory=dict)
    owner: Owner | None = None
    node: str = ""
    """Where it is bound; empty while it waits."""
    address: str = ""
    """Its IP address; empty until it has one."""
    ready: bool = False
    leaving: bool = False
    """Whether its deletion has begun."""
    gates: tuple[str, ...] = ()
    """Scheduling gates that hold it back."""
    gpus: int = 0
    """GPUs it asks of a device plugin, over all containers."""
    claims: bool = False
    """Whether it has resource claims, so that its GPUs may come by them."""
    node_selector: Mapping[str, str] = field(default_factory=dict)
    affinity: tuple[Term, ...] | None = None
    """Required node affinity, terms of which one must hold (`affinity.terms`); None allows every node."""
    tolerations: tuple[Toleration, ...] = ()
    """Taints it bears (`affinity.tolerations`)."""
    created_at: str = ""
    """RFC 3339; who came first."""

    @property
    def full_name(self) -> str:
        """Return namespace/name."""
        return f"{self.namespace}/{self.name}"

    @property
    def waits_for_us(self) -> bool:
        """Whether it waits for us to choose its nodes."""
        return PLACEMENT in self.gates and not self.leaving


@dataclass(frozen=True, slots=True)
class MachineSeen:
    """What the loop reads of one node of the cluster."""

    name: str
    uid: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    taints: tuple[NodeTaint, ...] = ()
    gpus: int = 0
    """GPUs that a device plugin offers there."""
    ready: bool = True
    cordoned: bool = False

    @property
    def managed(self) -> bool:
        """Whether it is opted in."""
        return self.labels.get(MANAGED) == "true"

    @property
    def held(self) -> bool:
        """Whether it is marked as held by us."""
        return self.labels.get(HELD) == "true"

    @property
    def uncapped(self) -> bool:
        """Whether our taint keeps new pods away."""
        return any(taint.key == UNCAPPED for taint in self.taints)


@dataclass(frozen=True, slots=True)
class WorkloadSeen:
    """What a pool refers to: something with replicas, or somebody else's choice of pods."""

    api_version: str
    kind: str
    namespace: str
    name: str
    uid: str = ""
    replicas: int | None = None
    """What its spec asks for; none where it has no count."""
    selector: str = ""
    """Selector of its pods, as `kubectl -l` takes it; empty while it is not known."""
    port: int | None = None
    """Target port of an InferencePool of the Gateway API inference extension."""
    owner: Owner | None = None
    """Its controller, where it has one."""

    @property
    def full_name(self) -> tuple[str, str, str]:
        """Return kind, namespace and name: what a view finds it by."""
        return self.kind, self.namespace, self.name


@dataclass(frozen=True, slots=True)
class JobSeen:
    """The Job of a workflow's run."""

    namespace: str
    name: str
    run: str
    """Id of the run."""
    owner: str
    """uid of the workflow."""
    failed: bool = False
    """It is given up: no pod of it will run any more."""
    message: str = ""
    """Why, where it is given up."""


@dataclass(frozen=True, slots=True)
class Broken:
    """An object of a user that is there but cannot be read as its kind."""

    kind: str
    name: str
    """With the namespace in front where there is one."""
    generation: int
    message: str


@dataclass(frozen=True, slots=True)
class Worker:
    """A pod that works for a replica whose engine another pod, its leader, answers for."""

    pod: PodSeen
    gpus: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Replica:
    """One replica of a pool as found in a pass."""

    name: str
    node: str = ""
    """Empty while its pod is not bound."""
    url: str = ""
    gpus: tuple[str, ...] = ()
    pod: PodSeen | None = None
    """None where a user listed the endpoint."""
    workers: tuple[Worker, ...] = ()
    """Workers on other nodes; GPUs of those beside the leader are among its own."""
    reason: str = ""
    """Why it can do no work, one CamelCase word with a detail after a colon; empty if it can."""


@dataclass(frozen=True, slots=True)
class ClusterView:
    """Everything a pass decides on; whole, or there is no pass."""

    fleet: Fleet
    epoch: int
    """Our epoch as leader."""

    nodes: Mapping[str, NodeView] = field(default_factory=dict)
    """Every node that is opted in, has an order or has an agent."""

    domains: Mapping[str, PowerDomainStatus] = field(default_factory=dict)
    """Statuses as last written, by name."""

    pools: Mapping[str, InferencePoolStatus] = field(default_factory=dict)
    """Statuses as last written, by full name."""

    pods: Mapping[str, PodSeen] = field(default_factory=dict)
    """Pods that have not ended, by namespace/name; none on a box."""

    machines: Mapping[str, MachineSeen] = field(default_factory=dict)
    """Nodes of the cluster by name; none on a box."""

    workloads: Mapping[tuple[str, str, str], WorkloadSeen] = field(default_factory=dict)
    """What pools refer to and is there, by kind, namespace and name."""

    broken: tuple[Broken, ...] = ()
    """Objects that are not in the fleet because they cannot be read."""

    clustered: bool = False
    """Whether this is a Kubernetes cluster, where labels opt nodes in, and not a box."""

    jobs: Mapping[str, JobSeen] = field(default_factory=dict)
    """Jobs of the runs of workflows, by namespace/name; none on a box."""

    failed: Mapping[str, str] = field(default_factory=dict)
    """What could not be done in the last pass, by what it was (`Apply Deployment/agents/coder`), with the cause."""

    image: str = ""
    """Image of our own containers in pods of templates; without it they have none."""

    image_pull_policy: str = ""
    """When nodes pull that image; as the cluster has it when empty."""

    gateway: str = ""
    """Where pods reach the gateway, e.g. http://wattline-gateway.wattline-system:8080."""

    declared: Fleet | None = None
    """The fleet as the users wrote it, once `controller.replicas.resolve` has put nodes and replicas into
    `fleet` and taken out what has problems."""

    problems: tuple[Problem, ...] = ()
    """What is wrong with declared objects; filled by resolve."""

    standing: Mapping[str, str] = field(default_factory=dict)
    """Nodes whose present orders stand because what is declared about them has problems, each with the domain
    that pays for it (empty: none); filled by resolve."""

    replicas: Mapping[str, tuple[Replica, ...]] = field(default_factory=dict)
    """Replicas found of each pool, by its full name; filled by resolve."""

    heat_mhz: Mapping[str, int | None] = field(default_factory=dict)
    """For every GPU whose replica spans nodes, by UUID: the fastest clock that heat on its other nodes allows, none
    while it binds nothing; filled by resolve."""

    def our_image(self) -> dict[str, str]:
        """Return what a container of ours says of its image."""
        policy = {"imagePullPolicy": self.image_pull_policy} if self.image_pull_policy else {}
        return {"image": self.image, **policy}
