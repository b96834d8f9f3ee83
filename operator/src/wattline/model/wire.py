"""What the parts say to each other over HTTP: whoever sees serves, whoever needs reads, at 1 Hz."""

from typing import Literal

from pydantic import Field

from wattline.api.base import Spec

TOKEN_HEADER = "X-Wattline-Token"  # noqa: S105 - a header's name
"""Where the token of emergencies may stand too: the API server's proxy keeps ``Authorization`` for itself."""


class GpuSample(Spec):
    """One GPU, as its node's agent last read it."""

    uuid: str
    product: str
    energy_joules: float
    """Counter of the device; goes back to zero when the driver is loaded again."""
    watts: float
    """Average draw of the last second."""
    limit_watts: float
    """Enforced power limit."""
    clock_mhz: int
    """Graphics clock."""
    celsius: float
    margin_celsius: float | None
    """Degrees left before the device slows itself down; absent where the device does not say."""
    event_reasons: tuple[str, ...] = ()
    """Why the clock is not the fastest, one word each (model.gpu.EventReason)."""


class GpusView(Spec):
    """Answer of a node agent's ``GET /v1/gpus``."""

    node: str
    boot_id: str
    at_seconds: float
    """When the samples were read, on the node's clock (CLOCK_BOOTTIME times the speed)."""
    gpus: tuple[GpuSample, ...]


class EmergencySignal(Spec):
    """Body of a node agent's ``POST /v1/emergency``, and the text of its emergency file, in JSON."""

    level: str = Field(min_length=1, max_length=253)
    """Name of the PowerDomain whose emergency it is."""
    action: Literal["start", "end"] = "start"
    """An end is taken while somebody renews the order that counts from then on."""


class LevelView(Spec):
    """One emergency level of a node; answer to a signal about it, as it stood then."""

    level: str
    budget_watts: float
    duration_seconds: float
    until_seconds: float | None = None
    """When it ends, on the node's clock; absent while it has not begun."""
    in_force: bool = False
    """Whether it has begun and the GPUs are read back inside its budget, or at the devices' least limits."""


class EmergencyView(Spec):
    """Answer of a node agent's ``GET /v1/emergency``."""

    node: str
    at_seconds: float
    """When this was so, on the node's clock."""
    levels: tuple[LevelView, ...]


class ReplicaLoad(Spec):
    """One replica as the gateway sees it."""

    pool: str
    name: str
    resident_tokens: int
    """Unique context tokens of all its sessions, tool gaps included."""
    capacity_tokens: int | None
    """Tokens its KV memory holds; absent until the engine said so."""
    slowest_agent_tokens_per_second: float | None
    """P5 of the agent rates of the last 30 s; absent while no agent ran."""
    running: int
    """Turns at the engine."""
    waiting: int
    """Turns held by the gateway for this replica, and first turns held for any."""


class ReplicasView(Spec):
    """Answer of the gateway's ``GET /v1/replicas?node=N``."""

    replicas: tuple[ReplicaLoad, ...]


class RunEnergy(Spec):
    """Answer of the gateway's ``GET /v1/runs/ID``."""

    id: str
    joules: float
    """Attributed so far; final once settled."""
    settled: bool
    turns: int
    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int
    recomputed_tokens: int
    """Prompt tokens that were computed again though the run had them resident before."""
    held_seconds: float = 0.0
    """How long its turn that waits longest has waited to start."""
    held_because: str = ""
    """Why turns of that pool wait; empty while none of the run's does."""


class TurnRecord(Spec):
    """One turn that ended at a gateway: sizes, times and which blocks of its prompt were seen before, and no text."""

    gateway: str
    """One life of one gateway; numbers, chains and streams of blocks are its own."""
    turn: int = Field(ge=0)
    """Number of the turn in that life, in the order in which turns ended."""
    ended_at: str
    """Date and time of its end, RFC 3339."""
    start_seconds: float = Field(ge=0)
    """When the request came, on the gateway's clock."""
    pool: str
    model: str
    replica: str = ""
    """Where it ran last; empty where it never did."""
    session: str
    root: str
    """Session that it is a part of; its own where nobody is above it."""
    parent: str = ""
    chain: int = Field(default=0, ge=0)
    """Conversation in the session, where it has several."""
    client: str = ""
    """What told the session: a header, ``body``, or ``prompt``."""
    workflow: str = ""
    """Full name of the AgentWorkflow."""
    tenant: str = ""
    """Of the workflow."""
    outcome: str
    """``answered``, ``broken``, ``left``, ``refused`` or ``declined``, as in the metric of requests."""
    gap_seconds: float | None = Field(default=None, ge=0)
    """Since the conversation's turn before it ended: tools, or a person; absent for the first."""
    held_seconds: float = Field(default=0, ge=0)
    """From the request to the engine."""
    first_byte_seconds: float | None = Field(default=None, ge=0)
    """From the request to the first byte of the answer."""
    duration_seconds: float = Field(ge=0)
    """From the request to the end."""
    prompt_tokens: int = Field(ge=0)
    cached_tokens: int = Field(default=0, ge=0)
    """Of the prompt, tokens that the engine had."""
    recomputed_tokens: int = Field(default=0, ge=0)
    """Of the prompt, tokens that were computed again."""
    output_tokens: int = Field(default=0, ge=0)
    counted: bool = True
    """Whether the engine counted the tokens; else they are estimates."""
    prompt_bytes: int = Field(default=0, ge=0)
    """Length of the prompt's text."""
    blocks: tuple[tuple[int, int, int], ...] = ()
    """The prompt's text as stretches: name of a stream, first byte and last byte but one. Equal beginnings are equal
    stretches; a negative name is text that is too short to be known again."""


class TurnsView(Spec):
    """Answer of the gateway's ``GET /v1/turns?since=N``: turns that ended, oldest first."""

    gateway: str
    """As in the records."""
    first: int
    """Number of the oldest turn that is still remembered."""
    following: int
    """What to ask for next."""
    turns: tuple[TurnRecord, ...]


class Decision(Spec):
    """One thing a part of Wattline decided, for people who ask why."""

    at: str
    """Date and time, RFC 3339."""
    about: str
    """Kind and name of the object, with the namespace between them where there is one: PowerDomain/row-a."""
    what: str
    """What was done or found."""
    why: str
    """The reason, one sentence."""


class DecisionsView(Spec):
    """Answer of ``GET /v1/decisions?about=KIND/NAMESPACE/NAME``, oldest first."""

    decisions: tuple[Decision, ...]


class RefusalError(Spec):
    """Body of a refusal, in OpenAI's shape."""

    message: str
    type: str
    code: str | None = None
    param: str | None = None


class Refusal(Spec):
    """A refusal: ``{"error": {...}}``."""

    error: RefusalError = Field()
