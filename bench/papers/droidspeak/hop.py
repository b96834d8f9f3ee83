"""The second hop of a workflow: replicas of the receiver that get contexts which the sender's replicas have."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from heapq import heappop, heappush
from math import exp, inf, log
from random import Random

from wattline.policy.reuse import Group, Pair, ReuseDecision, ReuseSeen, ReuseSpec, decide, parts
from wattline.world.engine import ENGINES
from wattline.world.engines import scaled
from wattline.world.physics import Architecture, EnginePhysics
from wattline.world.products import A100

LLAMA_8B = Architecture(
    model="meta-llama/Llama-3-8B",
    weight_bytes=16.06e9,
    expert_bytes=0.0,
    experts=1,
    experts_per_token=1,
    activated_parameters=8.03e9,
    kv_bytes_per_token=2 * 32 * 8 * 128 * 2,
    attention_flops_per_token_pair=4 * 32 * 32 * 128,
    max_context_tokens=131_072,
)
HIDDEN_BYTES = 4096 * 2
"""Hidden state of a token before a layer: twice its KV memory of a layer, as the paper says."""
CHUNK_TOKENS = 2048
REPLICAS = 8
"""Of each model, in turn [P]."""
LINK_BYTES = 20e9
"""A second between two replicas: InfiniBand of 200 Gb/s at 0.8 [R]."""


@lru_cache(maxsize=1)
def physics() -> EnginePhysics:
    """Return the receiver: Llama-3-8B on one A100, with the shares that were fitted to a dense model of 14 B on an H100."""
    return scaled(ENGINES[("Qwen/Qwen3-14B", "h100", 1)], A100, architecture=LLAMA_8B)


@dataclass(frozen=True, slots=True)
class Hop:
    """A request to the receiver."""

    at_seconds: float
    context_tokens: int
    """That the sender has computed."""
    own_tokens: int
    """New in this hop: the receiver's instruction, the sender's answer."""
    output_tokens: int
    known: bool
    """Whether the sender's memory still has the context."""


def hops(seed: int, seconds: float, per_second: float, *, hit: float, median: float) -> tuple[Hop, ...]:
    """Return Poisson arrivals for all replicas; contexts after LongBench's size [R]: a lognormal, 32 K at most."""
    random = Random(f"droidspeak hops {seed}")
    out: list[Hop] = []
    now = 0.0
    while (now := now + random.expovariate(1.0)) < seconds * per_second:
        context = min(32_000, max(512, int(median * exp(0.6 * random.gauss(0.0, 1.0)))))
        own = random.randint(50, 400)
        output = max(1, int(60 * exp(log(3) * random.gauss(0.0, 1.0))))
        out.append(Hop(now / per_second, context, own, min(output, 1000), random.random() < hit))
    return tuple(out)


@dataclass(frozen=True, slots=True)
class Way:
    """How the receiver treats what the sender knows."""

    name: str
    spec: ReuseSpec | None = None
    """Of the policy that decides; none: everything is taken over, whatever it costs."""
    connector: bool = True
    """Without it nothing is."""


@dataclass(frozen=True, slots=True)
class Served:
    """What became of a hop."""

    first_seconds: float
    end_seconds: float
    """Both from arrival."""
    drop_ratio: float


@dataclass(slots=True)
class _Active:
    hop: Hop
    left_tokens: float
    """Of the prompt, in tokens of whole layers."""
    all_tokens: float
    starts_seconds: float
    """When the hidden states are there, if it needs any."""
    fetched_seconds: float
    """When all is there that it fetches."""
    drop_ratio: float


def prefill_seconds(tokens: float, before: float = 0.0) -> float:
    """Return the time of a prompt alone, in chunks."""
    seconds = 0.0
    done = 0.0
    while done < tokens:
        chunk = min(CHUNK_TOKENS, tokens - done)
        seconds += physics().step(0, 0.0, chunk, before + done + chunk / 2).step_seconds(1.0)
        done += chunk
    return seconds


def treated(
    way: Way, pair: Pair, hop: Hop, waiting_seconds: float, link_bytes: float
) -> tuple[ReuseDecision, ReuseSeen]:
    """Return the policy's decision for a hop, and what it saw."""
    tokens = hop.context_tokens
    seen = ReuseSeen(
        shared_tokens=tokens if hop.known else 0,
        connector=way.connector,
        prefill_seconds=_prefill(tokens),
        kv_seconds=LLAMA_8B.kv_bytes_per_token * tokens / link_bytes,
        hidden_seconds=HIDDEN_BYTES * tokens / link_bytes,
        waiting_seconds=waiting_seconds,
    )
    return decide(way.spec or ReuseSpec(), pair, seen), seen


@lru_cache(maxsize=65_536)
def _prefill(tokens: int) -> float:
    return prefill_seconds(tokens)


def replica(asked: Sequence[Hop], way: Way, pair: Pair, full_drop: float, link_bytes: float) -> list[Served]:
    """Serve hops one prompt after the other, chunk by chunk beside what decodes; return what became of each, in order."""
    model = physics()
    waiting: deque[tuple[int, Hop]] = deque()
    served: dict[int, Served] = {}
    firsts: dict[int, tuple[float, float]] = {}
    ends: list[tuple[int, int]] = []
    active: tuple[int, _Active] | None = None
    now, coming, iteration, decoding, context = 0.0, 0, 0, 0, 0.0
    while len(served) < len(asked):
        while coming < len(asked) and asked[coming].at_seconds <= now:
            waiting.append((coming, asked[coming]))
            coming += 1
        if active is None and waiting:
            index, hop = waiting.popleft()
            active = (index, _begun(way, pair, hop, now, full_drop, link_bytes))
        if active is None and not decoding:
            now = asked[coming].at_seconds
            continue
        computes = active is not None and active[1].left_tokens > 0 and active[1].starts_seconds <= now
        if active is not None and computes:
            one = active[1]
            chunk = min(CHUNK_TOKENS, one.left_tokens)
            whole = one.hop.context_tokens + one.hop.own_tokens
            before = whole * (1.0 - one.left_tokens / one.all_tokens)
            load = model.step(decoding, context, chunk, before + whole * chunk / one.all_tokens / 2)
            one.left_tokens -= chunk
            seconds, steps = load.step_seconds(1.0), 1
        else:
            due = asked[coming].at_seconds if coming < len(asked) else inf
            if active is not None:
                due = active[1].starts_seconds if active[1].left_tokens > 0 else active[1].fetched_seconds
            seconds, steps = max(0.0, due - now), 0
            if decoding:
                each = model.step(decoding, context).step_seconds(1.0)
                steps = max(1, int(min(ends[0][0] - iteration, seconds / each + 1)))
                seconds = steps * each
        now += seconds
        iteration += steps
        context += steps * decoding
        while ends and ends[0][0] <= iteration:
            index = heappop(ends)[1]
            hop = asked[index]
            first, drop = firsts.pop(index)
            served[index] = Served(first, now - hop.at_seconds, drop)
            decoding -= 1
            context -= hop.context_tokens + hop.own_tokens + hop.output_tokens
        if active is not None and active[1].left_tokens <= 0 and active[1].fetched_seconds <= now:
            index, one = active
            firsts[index] = (now - one.hop.at_seconds, one.drop_ratio)
            heappush(ends, (iteration + one.hop.output_tokens, index))
            decoding += 1
            context += one.hop.context_tokens + one.hop.own_tokens
            active = None
    return [served[index] for index in range(len(asked))]


def _begun(way: Way, pair: Pair, hop: Hop, now: float, full_drop: float, link_bytes: float) -> _Active:
    """Return a hop whose turn has come: what it has to compute, and when what it fetches is there."""
    decision, seen = treated(way, pair, hop, now - hop.at_seconds, link_bytes)
    group = decision.group
    if way.spec is None and way.connector and hop.known:
        group = Group(0, 0, full_drop)
    if group is None:
        tokens = float(hop.context_tokens + hop.own_tokens)
        return _Active(hop, tokens, tokens, now, now, 0.0)
    hidden, _, fetched = parts(group, pair.layers, seen)
    tokens = hop.context_tokens * group.count / pair.layers + hop.own_tokens
    return _Active(hop, tokens, tokens, now + hidden, now + hidden + fetched, group.drop_ratio)


def at_rate(asked: Sequence[Hop], factor: float) -> tuple[Hop, ...]:
    """Return the same hops, so many times as close."""
    return tuple(replace(hop, at_seconds=hop.at_seconds / factor) for hop in asked)
