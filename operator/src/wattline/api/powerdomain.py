"""PowerDomain: a site, row, rack or feed with a watt budget."""

from collections.abc import Mapping
from enum import StrEnum
from typing import ClassVar, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from wattline.api.base import DNS_NAME, Condition, LabelKey, LabelValue, NodeName, Object, Spec

EMERGENCY_LEAVES = "reservedWatts leaves nothing of watts × emergency.budgetRatio"
NODES_ONE_WAY = "nodes are named in nodes or selected by nodeSelector, not both"


class Mode(StrEnum):
    """Observe reports what would be done and touches nothing; Enforce does it."""

    OBSERVE = "Observe"
    ENFORCE = "Enforce"


class Budget(Spec):
    """Watts of one domain and what else hangs on its breaker."""

    model_config = ConfigDict(
        json_schema_extra={
            "x-kubernetes-validations": [
                {
                    "rule": "self.reservedWatts < self.watts",
                    "message": "reservedWatts leaves nothing of watts",
                }
            ]
        }
    )

    watts: float = Field(gt=0, le=1_000_000_000)
    """Most that everything behind this breaker may draw together, in watts."""

    node_overhead_watts: float = Field(default=0, ge=0, le=1_000_000)
    """Draw of one node beside its GPUs (processors, fans, losses), in watts."""

    reserved_watts: float = Field(default=0, ge=0, le=1_000_000_000)
    """Draw of everything else on this breaker, in watts."""

    @model_validator(mode="after")
    def _leaves_something(self) -> Self:
        if self.reserved_watts >= self.watts:
            raise ValueError(f"reservedWatts {self.reserved_watts:g} leaves nothing of watts {self.watts:g}")
        return self


class NodeSelector(Spec):
    """Which nodes of a cluster hang on a domain."""

    match_labels: dict[LabelKey, LabelValue] = Field(min_length=1, max_length=16)
    """Labels a node has, all of them."""

    def selects(self, labels: Mapping[str, str]) -> bool:
        """Whether a node with these labels is selected."""
        return all(labels.get(key) == value for key, value in self.match_labels.items())


class Emergency(Spec):
    """What the nodes of a domain do at once when they are told of an emergency there."""

    budget_ratio: float = Field(gt=0, le=1)
    """Share of the domain's watts that holds meanwhile; node overheads and reserved watts are paid from it first."""

    duration_seconds: float = Field(gt=0, le=86_400)
    """It ends this long after the last signal."""


class Ramp(Spec):
    """How fast steps of clocks and limits may move the draw of a domain."""

    up_watts_per_second: float = Field(gt=0, le=1_000_000_000)
    """Upwards, shared among the domain's nodes."""

    down_watts_per_second: float | None = Field(default=None, gt=0, le=1_000_000_000)
    """Downwards, where nothing makes the step urgent; no bound when unset."""


class PowerDomainSpec(Spec):
    """What the user asks for."""

    model_config = ConfigDict(
        json_schema_extra={
            "x-kubernetes-validations": [
                {
                    "rule": "!has(self.nodeSelector) || !has(self.nodes) || size(self.nodes) == 0",
                    "message": NODES_ONE_WAY,
                },
                {
                    "rule": "!has(self.emergency) || self.budget.reservedWatts < self.budget.watts * "
                    "self.emergency.budgetRatio",
                    "message": EMERGENCY_LEAVES,
                },
            ]
        }
    )

    parent: str | None = Field(default=None, min_length=1, max_length=253, pattern=DNS_NAME)
    """Name of the domain this one hangs on; none for a root."""

    nodes: tuple[NodeName, ...] = Field(default=(), max_length=512)
    """Nodes of this domain by name; naming a node here is its opt-in on a box without Kubernetes."""

    node_selector: NodeSelector | None = None
    """Nodes of this domain by label, of those with the label wattline.dev/managed=true; a node hangs on the
    lowest domain that selects it."""

    mode: Mode = Mode.OBSERVE
    """Whether this domain only reports or is enforced."""

    budget: Budget
    """Watts of this domain."""

    emergency: Emergency | None = None
    """What holds after a signal to the agents, with the operator and the API server down too; armed in every node
    below while this domain is enforced."""

    ramp: Ramp | None = None
    """How fast draw may move here while this domain is enforced; no bound when unset."""

    @model_validator(mode="after")
    def _nodes_one_way(self) -> Self:
        if self.node_selector is not None and self.nodes:
            raise ValueError(NODES_ONE_WAY)
        return self

    @model_validator(mode="after")
    def _emergency_leaves_something(self) -> Self:
        left = 1.0 if self.emergency is None else self.emergency.budget_ratio
        if self.budget.reserved_watts >= self.budget.watts * left:
            raise ValueError(EMERGENCY_LEAVES)
        return self


class PowerDomainStatus(Spec):
    """What was seen and decided."""

    observed_generation: int = 0
    """Generation of the spec this status speaks of."""

    epoch: int = 0
    """Epoch of the leader that wrote this, in a cluster; counts changes of leadership."""

    may_draw_watts: float | None = None
    """Most that this domain may draw now: its nodes at their bounds, overheads and reserved watts."""

    draw_watts: float | None = None
    """Measured draw of the domain's GPUs; absent while a node does not answer."""

    nodes: int = 0
    """How many nodes hang on this domain and those below it."""

    conditions: tuple[Condition, ...] = Field(default=(), max_length=8)
    """Accepted, Enforced, and Released while a node waits to be released."""


class PowerDomain(Object[PowerDomainSpec, PowerDomainStatus]):
    """A site, row, rack or feed with a watt budget; domains form a tree."""

    kind: Literal["PowerDomain"] = "PowerDomain"

    plural: ClassVar[str] = "powerdomains"
    short_name: ClassVar[str] = "pdom"
    namespaced: ClassVar[bool] = False
    columns: ClassVar[tuple[tuple[str, str, str], ...]] = (
        ("Budget(W)", "number", ".spec.budget.watts"),
        ("MayDraw(W)", "number", ".status.mayDrawWatts"),
        ("Draw(W)", "number", ".status.drawWatts"),
        ("Mode", "string", ".spec.mode"),
        ("Reason", "string", '.status.conditions[?(@.type=="Enforced")].reason'),
    )
