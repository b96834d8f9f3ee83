"""What all kinds share: the object envelope, conditions, and how a spec behaves."""

from enum import StrEnum
from typing import Annotated, ClassVar, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

GROUP = "wattline.dev"
VERSION = "v1alpha1"
CATEGORY = "wattline"


class Spec(BaseModel):
    """A frozen part of a kind: camelCase in YAML, snake_case in code.

    Unknown fields are ignored, so that an older program survives a newer object; files of a user are read
    with ``extra="forbid"`` instead.
    """

    model_config = ConfigDict(
        frozen=True,
        alias_generator=to_camel,
        populate_by_name=True,
        use_attribute_docstrings=True,
        allow_inf_nan=False,
    )


DNS_NAME = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"
"""A DNS subdomain, safe as a file name."""

NodeName = Annotated[str, Field(min_length=1, max_length=253, pattern=DNS_NAME)]
"""Name of a node."""

LabelKey = Annotated[str, Field(min_length=1, max_length=316)]
"""Key of a label, with its prefix where it has one."""

LabelValue = Annotated[str, Field(max_length=63, pattern=r"^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$")]
"""Value of a label."""


class PowerClass(StrEnum):
    """Who keeps watts longest when there are too few: Protected, then Standard, then BestEffort."""

    PROTECTED = "Protected"
    STANDARD = "Standard"
    BEST_EFFORT = "BestEffort"


CLASSES = tuple(PowerClass)
"""Keenest first."""


class Metadata(Spec):
    """The part of Kubernetes' object metadata that Wattline reads."""

    name: str = Field(min_length=1, max_length=253, pattern=DNS_NAME)
    """Name of the object, a DNS subdomain."""

    namespace: str | None = Field(default=None, min_length=1, max_length=63, pattern=DNS_NAME)
    """Namespace of the object; none for kinds of the whole cluster."""

    generation: int = 0
    """Counts changes of the spec."""

    uid: str = ""
    """Tells this object from an earlier one of the same name."""


class ConditionStatus(StrEnum):
    """Whether a condition holds."""

    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"


class Condition(Spec):
    """One observed aspect of an object, as Kubernetes writes it."""

    type: str
    """Aspect, CamelCase."""

    status: ConditionStatus
    """Whether it holds."""

    reason: str
    """One CamelCase word a program can match."""

    message: str = ""
    """One sentence a person can read."""

    observed_generation: int = 0
    """Generation of the spec this was seen for."""

    last_transition_time: str | None = None
    """When the status last changed, RFC 3339."""


SpecT = TypeVar("SpecT", bound=Spec)
StatusT = TypeVar("StatusT", bound=Spec)


class Object(Spec, Generic[SpecT, StatusT]):
    """An API object: what the user asks for and what was seen of it."""

    api_version: Literal["wattline.dev/v1alpha1"] = "wattline.dev/v1alpha1"
    kind: str
    metadata: Metadata
    spec: SpecT
    status: StatusT | None = None

    plural: ClassVar[str]
    short_name: ClassVar[str]
    namespaced: ClassVar[bool]
    scale: ClassVar[dict[str, str] | None] = None
    columns: ClassVar[tuple[tuple[str, str, str], ...]]
    """Printer columns: name, type, JSON path; AGE is added to all."""
