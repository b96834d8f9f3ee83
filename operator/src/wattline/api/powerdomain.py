"""PowerDomain: a site, row, rack or feed with a watt budget."""

from collections.abc import Mapping
from enum import StrEnum
from typing import ClassVar, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from wattline.api.base import DNS_NAME, Condition, LabelKey, LabelValue, NodeName, Object, Spec

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


class PowerDomainSpec(Spec):
    """What the user asks for."""

    model_config = ConfigDict(
        json_schema_extra={
            "x-kubernetes-validations": [
                {
                    "rule": "!has(self.nodeSelector) || !has(self.nodes) || size(self.nodes) == 0",
                    "message": NODES_ONE_WAY,
                }
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

    @model_validator(mode="after")
    def _nodes_one_way(self) -> Self:
        if self.node_selector is not None and self.nodes:
            raise ValueError(NODES_ONE_WAY)
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
