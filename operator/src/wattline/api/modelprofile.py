"""ModelProfile: what was measured of a model on a group of GPUs, and the engine fitted to it."""

from enum import StrEnum
from typing import Annotated, ClassVar, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from wattline.api.base import Condition, Object, Spec

PRODUCT = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"
"""Short name of a GPU product."""

EXPERTS_FIT = "expertBytes is more than weightBytes, or expertsPerToken more than experts"


class Provenance(StrEnum):
    """Where a figure comes from: read off a machine, said by a model fitted there, or said beyond what was measured."""

    MEASURED = "measured"
    CALIBRATED = "calibrated"
    MODELLED = "modelled"


class ArchitectureSpec(Spec):
    """A model as published: nothing here is fitted."""

    model_config = ConfigDict(
        json_schema_extra={
            "x-kubernetes-validations": [
                {
                    "rule": "self.expertBytes <= self.weightBytes && self.expertsPerToken <= self.experts",
                    "message": EXPERTS_FIT,
                }
            ]
        }
    )

    weight_bytes: float = Field(gt=0)
    """Of all parameters, in bytes."""

    expert_bytes: float = Field(default=0, ge=0)
    """Part of them in experts, in bytes; 0 for a dense model."""

    experts: int = Field(default=1, ge=1)
    """Experts of a layer that choose among; 1 for a dense model."""

    experts_per_token: int = Field(default=1, ge=1)
    """Experts of a layer that one token is sent to."""

    activated_parameters: float = Field(gt=0)
    """Parameters that one token is multiplied with."""

    kv_bytes_per_token: float = Field(gt=0)
    """KV memory of one token in bytes, layers of full attention alone."""

    attention_flops_per_token_pair: float = Field(ge=0)
    """4 × layers × query heads × head size: what a new token costs for each token before it."""

    max_context_tokens: int = Field(gt=0)
    """Longest prompt and answer together."""

    weight_bits: float = Field(default=16, gt=0, le=32)
    """Bits of a number in the multiplications with weights; with 8 or less they may be faster than bf16."""

    state_bytes_per_sequence: float = Field(default=0, ge=0)
    """Recurrent state of state-space layers in bytes, which a step reads and writes for each running sequence."""

    @model_validator(mode="after")
    def _experts_fit(self) -> Self:
        if self.expert_bytes > self.weight_bytes or self.experts_per_token > self.experts:
            raise ValueError(EXPERTS_FIT)
        return self


class EngineParameters(Spec):
    """What is fitted: the physical parameters of one model on one group of GPUs."""

    bandwidth_share: float = Field(gt=0, le=2)
    """Of the product's memory bandwidth that steps reach."""

    compute_share: float = Field(gt=0, le=4)
    """Of the product's dense bf16 rate that multiplications with weights reach; above 1 only with narrower numbers."""

    step_seconds: float = Field(ge=0)
    """Of each step, whatever is in it."""

    sequence_seconds: float = Field(ge=0)
    """Of each step for each running sequence."""

    memory_watts: float = Field(ge=0)
    """Dynamic power of a GPU whose memory is busy all the time, in watts."""

    compute_watts: float = Field(ge=0)
    """Dynamic power of a GPU that computes all the time, in watts."""


class ParameterSpread(Spec):
    """How sure a fitted parameter is."""

    name: str = Field(min_length=1)
    """Name of the parameter."""

    ratio: float | None = Field(default=None, ge=0)
    """Standard error over the value; absent where the points do not say it, as at a bound."""


class EngineProfile(Spec):
    """The engine that the points were fitted with, as the simulator runs it."""

    provenance: Provenance = Provenance.CALIBRATED
    """Calibrated where it was fitted to this product's points, modelled where it was scaled from another's."""

    capacity_tokens: int = Field(gt=0)
    """Tokens of KV memory of the whole group."""

    architecture: ArchitectureSpec
    """The model as published."""

    parameters: EngineParameters
    """What was fitted."""

    spreads: tuple[ParameterSpread, ...] = Field(default=(), max_length=32)
    """How sure each of them is."""


class ClockResponse(Spec):
    """How power and time of computing follow the clock, where the points span clocks."""

    voltage_floor: float = Field(gt=0, le=1)
    """Least voltage, as a share of that at full clock; dynamic power goes with the clock and the square of the voltage."""

    voltage_slope: float = Field(ge=0, le=2)
    """By how much of itself the voltage would fall from full clock to none."""

    time_exponent: float = Field(ge=0, le=2)
    """Seconds of computing go with the clock ratio to minus this power."""

    memory_clock_share: float = Field(ge=0, le=1)
    """Part of the memory-bound dynamic power that follows the clock as computing does."""


class Quantity(StrEnum):
    """What a profile predicts."""

    WATTS = "watts"
    ITL = "itlSeconds"
    RATE = "tokensPerSecond"
    TTFT = "ttftSeconds"


class QuantityError(Spec):
    """How far predictions of one quantity are off at batch sizes that were left out of the fit."""

    quantity: Quantity
    """Which."""

    median_ratio: float = Field(ge=0)
    """Median of the absolute relative errors."""

    worst_ratio: float = Field(ge=0)
    """Largest of them."""

    points: int = Field(ge=1)
    """Points that were left out in turn."""


Positive = Annotated[float, Field(gt=0)]


class ProfilePoint(Spec):
    """One operating point of one replica."""

    provenance: Provenance
    """Where its figures come from."""

    source: str = Field(default="", max_length=512)
    """What said it, with file and line where there is one."""

    clock_mhz: int | None = Field(default=None, gt=0)
    """Locked clock; none where the device chose its own."""

    cap_watts: Positive | None = None
    """Power limit of a GPU; the device's own when unset."""

    batch: Positive
    """Sequences running at a time, on average."""

    prompt_tokens: float = Field(default=0, ge=0)
    """Computed anew for each request."""

    cached_tokens: float = Field(default=0, ge=0)
    """Found in the cache by each request."""

    output_tokens: Positive
    """Answer of each request."""

    watts: Positive | None = None
    """Draw of one GPU, on average."""

    itl_seconds: Positive | None = None
    """Median time between two tokens of one answer."""

    tokens_per_second: Positive | None = None
    """Tokens that the replica generates."""

    ttft_seconds: Positive | None = None
    """Time to the first token, queueing left out."""


class ModelProfileSpec(Spec):
    """What is known of one model on one group of GPUs."""

    model: str = Field(min_length=1, max_length=253)
    """Name of the model, as InferencePools say it."""

    product: str = Field(min_length=1, max_length=63, pattern=PRODUCT)
    """Short name of the GPU product, e.g. h100."""

    gpus: int = Field(ge=1, le=1024)
    """GPUs of one replica."""

    engine: EngineProfile | None = None
    """The fitted engine; without it the points stand for themselves and no simulation can run them."""

    clock: ClockResponse | None = None
    """What clocks do, where it was measured."""

    errors: tuple[QuantityError, ...] = Field(default=(), max_length=8)
    """How well the engine predicts what it was not fitted to."""

    points: tuple[ProfilePoint, ...] = Field(default=(), max_length=4096)
    """Operating points, measured first."""


class ModelProfileStatus(Spec):
    """What was seen of the profile."""

    observed_generation: int = 0
    """Generation of the spec this status speaks of."""

    conditions: tuple[Condition, ...] = Field(default=(), max_length=8)
    """Accepted."""


class ModelProfile(Object[ModelProfileSpec, ModelProfileStatus]):
    """Measured points of a model on a group of GPUs, and the engine fitted to them."""

    kind: Literal["ModelProfile"] = "ModelProfile"

    plural: ClassVar[str] = "modelprofiles"
    short_name: ClassVar[str] = "mprof"
    namespaced: ClassVar[bool] = False
    columns: ClassVar[tuple[tuple[str, str, str], ...]] = (
        ("Model", "string", ".spec.model"),
        ("Product", "string", ".spec.product"),
        ("GPUs", "integer", ".spec.gpus"),
    )
