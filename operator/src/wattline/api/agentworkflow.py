"""AgentWorkflow: what agent runs of one kind may cost, how urgent they are, and the steps of those we run."""

from enum import StrEnum
from typing import Any, ClassVar, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from wattline.api.base import Condition, Object, PowerClass, Spec
from wattline.api.workflowrun import Phase, RunStatus

NAME = r"^[a-z]([-a-z0-9]*[a-z0-9])?$"
"""A word of lower-case letters, digits and dashes."""

ENV_NAME = r"^[A-Za-z_][A-Za-z0-9_]*$"
"""A name that every shell takes."""

_ONE_WAY = "exactly one of llm, tool is required"

_RULES = (
    (
        "self.trigger == 'External' ? size(self.steps) == 0 : size(self.steps) > 0",
        "OnApply runs steps and needs at least one; External agents bring their own and take none",
    ),
    (
        "self.trigger == 'OnApply' || size(self.parameters) == 0",
        "parameters are for steps; External agents bring their own",
    ),
    (
        "self.trigger == 'OnApply' || self.rerun == 'Never'",
        "rerun is for OnApply; External agents start by themselves",
    ),
    (
        "self.steps.all(s, self.steps.exists_one(o, o.name == s.name))",
        "names of steps must differ",
    ),
)
"""What holds between fields: the rule for the API server, and its message."""


class Trigger(StrEnum):
    """What starts a run."""

    EXTERNAL = "External"
    ON_APPLY = "OnApply"


class Rerun(StrEnum):
    """Whether a changed spec is run again."""

    NEVER = "Never"
    ON_CHANGE = "OnChange"


class OnExceeded(StrEnum):
    """What happens to a run that used up its budget, always at a turn boundary."""

    WARN = "Warn"
    SLOW = "Slow"
    STOP = "Stop"


class RunObjective(Spec):
    """What every run of the workflow is to get."""

    start_within_seconds: float | None = Field(default=None, gt=0, le=86_400)
    """How long the first turn of an agent may be held before it is refused, so that its client can go elsewhere;
    the gateway's own limit when unset."""


class RunBudget(Spec):
    """The most that one run may use."""

    max_joules: float | None = Field(default=None, gt=0, le=1e12)
    """Joules of GPUs that are attributed to one run; no limit when unset."""

    max_duration_seconds: float | None = Field(default=None, gt=0, le=31_536_000)
    """Seconds from a run's first turn or step; no limit when unset."""

    on_exceeded: OnExceeded = OnExceeded.WARN
    """What happens at the next turn: Warn says so, Slow lets others start first, Stop refuses it."""


class Parameter(Spec):
    """A value that steps may use."""

    name: str = Field(min_length=1, max_length=63, pattern=NAME)
    """Name of the parameter: `{{ parameters.NAME }}` in a step."""

    value: str = Field(max_length=16_384)
    """Its value."""


class Llm(Spec):
    """One call of a model."""

    model: str = Field(min_length=1, max_length=253)
    """Model name, as an InferencePool serves it."""

    prompt: str = Field(min_length=1, max_length=32_768)
    """Template of the message: `{{ parameters.NAME }}`, `{{ steps.STEP.answer }}`, `{{ steps.STEP.answer.FIELD }}`."""

    answer: dict[str, Any] | None = None
    """JSON schema that the answer has to keep; free text when unset."""

    max_tokens: int = Field(default=2048, ge=1, le=1_000_000)
    """Most tokens of the answer."""


class EnvVar(Spec):
    """One environment variable of a tool."""

    name: str = Field(min_length=1, max_length=253, pattern=ENV_NAME)
    """Name of the variable."""

    value: str = Field(default="", max_length=32_768)
    """Template of its value, as a prompt's."""


class Resources(Spec):
    """What a tool's container asks for, as in a pod."""

    requests: dict[str, Any] = Field(default={}, max_length=16)
    """Quantities that are kept free for it, by resource."""

    limits: dict[str, Any] = Field(default={}, max_length=16)
    """Quantities that it may not pass, by resource."""


class ToolJob(Spec):
    """A container that runs to its end; what it writes to /dev/termination-log (4096 bytes) is the step's answer."""

    image: str = Field(min_length=1, max_length=512)
    """Image of the container."""

    command: tuple[str, ...] = Field(default=(), max_length=64)
    """Command and arguments, as they are: values of parameters and answers come by the environment, where no shell
    reads them as code. The image's own entrypoint when empty."""

    env: tuple[EnvVar, ...] = Field(default=(), max_length=64)
    """Environment variables."""

    resources: Resources = Resources()
    """What the container asks for."""

    security_context: dict[str, Any] = Field(default={}, max_length=16)
    """The container's security context, as in a pod; allowPrivilegeEscalation is false unless it is said here."""


class Tool(Spec):
    """Work without a model."""

    job: ToolJob
    """A Job of the workflow's namespace."""


class Step(Spec):
    """One step of a chain; it may use the answers of the steps before it."""

    model_config = ConfigDict(
        json_schema_extra={
            "x-kubernetes-validations": [{"rule": "has(self.llm) != has(self.tool)", "message": _ONE_WAY}]
        }
    )

    name: str = Field(min_length=1, max_length=24, pattern=NAME)
    """Name of the step, unique in the workflow."""

    llm: Llm | None = None
    """Ask a model."""

    tool: Tool | None = None
    """Run a container."""

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.llm is None) == (self.tool is None):
            raise ValueError(_ONE_WAY)
        return self


class AgentWorkflowSpec(Spec):
    """What the user asks for."""

    model_config = ConfigDict(
        json_schema_extra={
            "x-kubernetes-validations": [{"rule": rule, "message": message} for rule, message in _RULES]
        }
    )

    trigger: Trigger = Trigger.ON_APPLY
    """OnApply runs the steps once when the object is applied; External is for agents that run elsewhere and name this
    workflow in the header `x-wattline-workflow: NAMESPACE/NAME` of their calls."""

    rerun: Rerun = Rerun.NEVER
    """Whether a changed spec is run again: Never keeps to one run an object, OnChange makes one of each generation, one
    after the other."""

    tenant: str = Field(default="", max_length=63)
    """Whose runs these are; joules and tokens are counted by it."""

    power_class: PowerClass = Field(default=PowerClass.STANDARD, alias="class")
    """Whose turns start first where turns wait: Protected, then Standard, then BestEffort; nobody waits for ever."""

    weight: float = Field(default=1.0, ge=0.1, le=100)
    """Who starts first among turns of one class: the greater."""

    objective: RunObjective = RunObjective()
    """What every run is to get."""

    budget: RunBudget = RunBudget()
    """The most that one run may use."""

    parameters: tuple[Parameter, ...] = Field(default=(), max_length=32)
    """Values that steps may use."""

    steps: tuple[Step, ...] = Field(
        default=(), max_length=32, json_schema_extra={"x-kubernetes-list-type": "atomic"}
    )
    """What is done, one after the other."""

    @model_validator(mode="after")
    def _whole(self) -> Self:
        on_apply = self.trigger is Trigger.ON_APPLY
        names = {step.name for step in self.steps}
        kept = (
            on_apply == bool(self.steps),
            on_apply or not self.parameters,
            on_apply or self.rerun is Rerun.NEVER,
            len(names) == len(self.steps),
        )
        for (_, message), holds in zip(_RULES, kept, strict=True):
            if not holds:
                raise ValueError(message)
        parameters = [parameter.name for parameter in self.parameters]
        twice = next((name for name in parameters if parameters.count(name) > 1), None)
        if twice is not None:
            raise ValueError(f"the parameter {twice} stands twice")
        return self


class AgentWorkflowStatus(Spec):
    """What was seen and done."""

    observed_generation: int = 0
    """Generation of the spec this status speaks of."""

    phase: Phase | None = None
    """How far the last run is; absent where agents run elsewhere."""

    reason: str = ""
    """One CamelCase word: why it is there, or what it waits for."""

    run: RunStatus | None = None
    """The last run, written by its runner alone."""

    conditions: tuple[Condition, ...] = Field(default=(), max_length=8)
    """Accepted, Complete, WithinBudget."""


class AgentWorkflow(Object[AgentWorkflowSpec, AgentWorkflowStatus]):
    """Agent runs of one kind: who they belong to, what one may cost, and its steps where we run them."""

    kind: Literal["AgentWorkflow"] = "AgentWorkflow"

    plural: ClassVar[str] = "agentworkflows"
    short_name: ClassVar[str] = "wf"
    namespaced: ClassVar[bool] = True
    columns: ClassVar[tuple[tuple[str, str, str], ...]] = (
        ("Phase", "string", ".status.phase"),
        ("Steps", "string", ".status.run.progress"),
        ("Energy(J)", "number", ".status.run.joules"),
        ("Budget(J)", "number", ".spec.budget.maxJoules"),
        ("Reason", "string", ".status.reason"),
    )
