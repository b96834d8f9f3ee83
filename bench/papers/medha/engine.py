"""One replica as Medha sees it: iterations of a budget, prompts in chunks, decoding beside them; the house's step times."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from heapq import heappop, heappush

from bench.papers.medha.workload import Asked

from wattline.policy.slack import Chunk, Prompt, SlackSpec, after, decide
from wattline.world.engine import ENGINES
from wattline.world.engines import LLAMA_70B, capacity_tokens
from wattline.world.physics import ATTENTION_SHARE, EnginePhysics
from wattline.world.products import H100

GPUS = 128
"""H100 for one Llama-3-70B, as in the paper."""


@lru_cache(maxsize=8)
def physics(gpus: int, attention_share: float = ATTENTION_SHARE) -> EnginePhysics:
    """Return Llama-3.1-70B over so many H100, which share its work evenly."""
    fitted = ENGINES[(LLAMA_70B.model, "h100", 4)]
    flops = LLAMA_70B.attention_flops_per_token_pair * ATTENTION_SHARE / attention_share
    return replace(
        fitted,
        architecture=replace(LLAMA_70B, attention_flops_per_token_pair=flops),
        gpus=gpus,
        capacity_tokens=capacity_tokens(LLAMA_70B, H100, gpus),
    )


@dataclass(slots=True)
class Predictor:
    """The time of an iteration; the engine takes exactly this times ``error``."""

    physics: EnginePhysics
    decoding: int = 0
    context_tokens: float = 0.0

    def __call__(self, chunks: Sequence[Chunk]) -> float:
        """Return its seconds: each chunk's context is read once, each of its tokens sees what is before it."""
        tokens = contexts = 0
        pairs = 0.0
        for chunk in chunks:
            tokens += chunk.tokens
            contexts += chunk.context_tokens
            pairs += chunk.tokens * (chunk.context_tokens + chunk.tokens / 2)
        if not tokens:
            if not self.decoding:
                return 0.0
            return self.physics.step(self.decoding, self.context_tokens).step_seconds(1.0)
        mean = pairs / tokens
        read = self.context_tokens + contexts - mean
        return self.physics.step(self.decoding, read, tokens, mean).step_seconds(1.0)


def work_seconds(model: EnginePhysics, done: float, tokens: float, budget_seconds: float) -> float:
    """Return what the rest of a prompt takes alone: its arithmetic, and the fixed part of each iteration."""
    architecture = model.architecture
    linear = 2.0 * architecture.activated_parameters * (tokens - done) / model.fit.compute_share
    pairs = (tokens**2 - done**2) / 2.0
    flops = linear + architecture.attention_flops_per_token_pair * pairs / ATTENTION_SHARE
    seconds = flops / model.gpus / model.product.flops_per_second
    fixed = model.fit.step_seconds
    return max(seconds * budget_seconds / (budget_seconds - fixed), fixed)


@dataclass(frozen=True, slots=True)
class Objective:
    """When a first token is due: so long after arrival, and so many times the work."""

    seconds: float = 0.5
    times: float = 2.0


@dataclass(frozen=True, slots=True)
class Served:
    """What became of one request."""

    asked: Asked
    work_seconds: float
    within_seconds: float
    first_seconds: float | None
    """From arrival to the first token; none where the end came before."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of all."""

    served: tuple[Served, ...]
    busy_seconds: float
    peak_tokens: int
    """Most KV memory that was held at once."""
    late_iterations: float
    """Share of the iterations that took longer than the budget."""
    iterations: int
    prompt_tokens: int
    """Computed, all iterations together."""


def run(
    spec: SlackSpec,
    asked: Sequence[Asked],
    until_seconds: float,
    *,
    model: EnginePhysics,
    objective: Objective = Objective(),
    error: float = 1.0,
) -> Outcome:
    """Serve all that is asked until then; every iteration takes ``error`` times what is predicted."""
    predicted = Predictor(model)
    prompts: dict[str, Prompt] = {}
    first: dict[str, float] = {}
    works = {one.name: work_seconds(model, 0, one.tokens, spec.budget_seconds) for one in asked}
    within = {one.name: objective.seconds + objective.times * works[one.name] for one in asked}
    outputs = {one.name: one for one in asked}
    ends: list[tuple[int, str]] = []
    now = busy = 0.0
    iteration = late = held = peak = computed = 0
    coming = 0
    while now < until_seconds:
        while coming < len(asked) and asked[coming].at_seconds <= now:
            one = asked[coming]
            work = works[one.name]
            prompts[one.name] = Prompt(one.name, one.at_seconds, within[one.name], work, work, one.tokens)
            coming += 1
        if not prompts and not ends:
            if coming == len(asked):
                break
            now = asked[coming].at_seconds
            continue
        chunks: tuple[Chunk, ...] = ()
        if prompts:
            decision = decide(spec, now, list(prompts.values()), len(ends), predicted)
            chunks, seconds, steps = decision.chunks, decision.seconds, 1
            late += seconds > spec.budget_seconds + 1e-9
        else:
            due = asked[coming].at_seconds if coming < len(asked) else until_seconds
            steps, seconds = _decoded_alone(predicted, ends[0][0] - iteration, (due - now) / error)
        iteration += steps
        now += seconds * error
        busy += seconds * error
        predicted.context_tokens += steps * predicted.decoding
        held += steps * predicted.decoding
        while ends and ends[0][0] <= iteration:
            name = heappop(ends)[1]
            whole = outputs[name].tokens + outputs[name].output_tokens
            predicted.decoding -= 1
            predicted.context_tokens -= whole
            held -= whole
        for chunk in chunks:
            before = prompts[chunk.name]
            computed += chunk.tokens
            held += chunk.tokens
            left = work_seconds(model, before.done_tokens + chunk.tokens, before.tokens, spec.budget_seconds)
            prompt = prompts[chunk.name] = after(before, chunk.tokens, left)
            if not prompt.left_tokens:
                del prompts[chunk.name]
                first[chunk.name] = now
                heappush(ends, (iteration + outputs[chunk.name].output_tokens, chunk.name))
                predicted.decoding += 1
                predicted.context_tokens += prompt.tokens
        peak = max(peak, held)
    served = tuple(
        Served(
            one,
            works[one.name],
            within[one.name],
            first[one.name] - one.at_seconds if one.name in first else None,
        )
        for one in asked
    )
    return Outcome(served, busy, peak, late / max(1, iteration), iteration, computed)


def _decoded_alone(predicted: Predictor, most: int, within_seconds: float) -> tuple[int, float]:
    """Return how many iterations without a prompt begin before so many seconds are over, and how long they take."""
    steps = max(1, min(most, int(within_seconds / predicted(())) + 1))
    middle = replace(
        predicted, context_tokens=predicted.context_tokens + predicted.decoding * (steps - 1) / 2.0
    )
    return steps, steps * middle(())
