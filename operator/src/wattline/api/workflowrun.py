"""The part of an AgentWorkflow's status that the runner of a run writes, and reads again when it starts anew."""

from enum import StrEnum

from pydantic import Field

from wattline.api.base import Spec


class Phase(StrEnum):
    """How far a run or a step is."""

    PENDING = "Pending"
    RUNNING = "Running"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"


class StepStatus(Spec):
    """One step of a run."""

    name: str
    """Name of the step."""

    phase: Phase = Phase.PENDING
    """How far it is."""

    attempts: int = 0
    """How often it was begun."""

    answer: str | None = None
    """What it answered: text, or JSON where it has a schema."""

    answer_ref: str | None = None
    """ConfigMap of the namespace that holds the answer, where it is long."""

    tokens: int = 0
    """Tokens of its calls, prompts and answers."""

    message: str = ""
    """One sentence a person can read, where there is something to say."""


class RunStatus(Spec):
    """One run of the steps."""

    id: str
    """Name of the run; the gateway knows its energy by it."""

    generation: int
    """Generation of the spec that is run."""

    phase: Phase = Phase.PENDING
    """How far it is."""

    reason: str = ""
    """One CamelCase word: why it is there, or what it waits for."""

    message: str = ""
    """One sentence a person can read."""

    progress: str = ""
    """Steps that are done, of all, e.g. 2/4."""

    joules: float = 0.0
    """Joules of GPUs that are attributed to the run."""

    gateway_joules: float = 0.0
    """Of these, what the gateway said last; a gateway that says less has started anew."""

    tokens: int = 0
    """Tokens of all calls, prompts and answers."""

    seconds: float = 0.0
    """How long it has lasted."""

    started_at: str | None = None
    """When it began, RFC 3339."""

    finished_at: str | None = None
    """When it ended, RFC 3339."""

    steps: tuple[StepStatus, ...] = Field(default=(), max_length=32)
    """Every step, in the order of the chain."""
