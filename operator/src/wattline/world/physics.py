"""How long an engine's step takes and what it draws, from six fitted numbers and the published architecture."""

from dataclasses import dataclass, field

from wattline.world.curve import PowerShape
from wattline.world.load import Load
from wattline.world.products import Product

ATTENTION_SHARE = 0.4
"""Of the dense rate, what attention over a long prompt reaches [R: FlashAttention-2 on an H100, up to 400 TFLOPS of
989]. Not fitted: the prompts of the measurements are too short to show it, those of agents are not."""


@dataclass(frozen=True, slots=True)
class Architecture:
    """A model as published: nothing here is fitted."""

    model: str
    weight_bytes: float
    """Of all parameters."""
    expert_bytes: float
    """Part of them in experts, of which a step reads those that its tokens were sent to; 0 for a dense model."""
    experts: int
    experts_per_token: int
    activated_parameters: float
    """Per token."""
    kv_bytes_per_token: float
    """Of full-attention layers, where a model has others too."""
    attention_flops_per_token_pair: float
    """4 × layers × query heads × head size: what one new token costs for each token before it."""
    max_context_tokens: int
    weight_bits: float = 16.0
    """Of a number in the multiplications that a fit may look beyond the bf16 rate for, where it is 8 or less."""
    state_bytes_per_sequence: float = 0.0
    """Recurrent state of state-space layers, which a step reads and writes for each running sequence."""

    def weights_read(self, tokens: float) -> float:
        """Return the bytes of weights that a step of so many tokens reads, experts chosen evenly."""
        if not self.expert_bytes:
            return self.weight_bytes
        missed: float = (1.0 - self.experts_per_token / self.experts) ** tokens
        return self.weight_bytes - self.expert_bytes * missed


@dataclass(frozen=True, slots=True)
class Fit:
    """The six physical parameters of one model on one group of GPUs."""

    bandwidth_share: float
    """Of the GPU's memory bandwidth that steps reach."""
    compute_share: float
    """Of the GPU's dense bf16 rate that the multiplications with weights reach."""
    step_seconds: float
    """Per step, whatever is in it: launches, host, communication."""
    sequence_seconds: float
    """Per step and running sequence: scheduling, sampling, what does not overlap."""
    memory_watts: float
    """Dynamic power of a GPU whose memory is busy all the time."""
    compute_watts: float
    """Dynamic power of a GPU that computes all the time."""


@dataclass(frozen=True, slots=True)
class EnginePhysics:
    """One model on one group of GPUs."""

    architecture: Architecture
    product: Product
    gpus: int
    fit: Fit
    capacity_tokens: int
    """Tokens of KV memory of the whole group."""
    source: str = "fitted"
    """``fitted``, or ``modelled`` where it is scaled from another product."""
    shape: PowerShape | None = None
    """What clocks do, where it was measured with this engine."""
    _parts: tuple[float, ...] = field(init=False, repr=False, compare=False)
    """What ``step`` needs of all this, in the order in which it takes it apart."""

    def __post_init__(self) -> None:
        architecture, product, fit = self.architecture, self.product, self.fit
        parts = (
            architecture.weight_bytes,
            architecture.expert_bytes,
            1.0 - architecture.experts_per_token / architecture.experts if architecture.expert_bytes else 0.0,
            architecture.kv_bytes_per_token,
            2.0 * architecture.activated_parameters,
            fit.compute_share,
            product.bandwidth_bytes_per_second * fit.bandwidth_share,
            product.flops_per_second,
            fit.step_seconds,
            fit.sequence_seconds,
            product.on_chip_bytes_per_second,
            2.0 * architecture.state_bytes_per_sequence,
        )
        object.__setattr__(self, "_parts", parts)

    @property
    def model(self) -> str:
        """Name of the model."""
        return self.architecture.model

    @property
    def max_context_tokens(self) -> int:
        """Longest prompt and answer together that can run."""
        return min(self.architecture.max_context_tokens, self.capacity_tokens)

    def step(
        self,
        sequences: float,
        context_tokens: float,
        prefill_tokens: float = 0.0,
        prefill_context_tokens: float = 0.0,
    ) -> Load:
        """Return what one step asks of each GPU of the group.

        ``sequences`` are decoding, with ``context_tokens`` in all of their contexts together; beside them
        ``prefill_tokens`` of a prompt are computed, each of which sees ``prefill_context_tokens`` on average.
        """
        (
            weights, experts, missed, kv, twice_parameters, compute_share, bandwidth, flops_per_second, step_seconds,
            sequence_seconds, on_chip, state,
        ) = self._parts  # fmt: skip
        tokens = sequences + prefill_tokens
        if experts:
            weights -= experts * missed**tokens
        flops = twice_parameters * tokens / compute_share
        if prefill_tokens:
            read = weights + kv * (context_tokens + prefill_context_tokens)
            pairs = prefill_tokens * prefill_context_tokens
            flops += self.architecture.attention_flops_per_token_pair * pairs / ATTENTION_SHARE
        else:
            read = weights + kv * context_tokens
        if state:
            read += state * sequences
        fit, gpus = self.fit, self.gpus
        share = read / gpus
        return Load(
            share / bandwidth,
            flops / gpus / flops_per_second,
            step_seconds + sequence_seconds * sequences,
            fit.memory_watts,
            fit.compute_watts,
            share / on_chip,
        )
