"""``reuse``: whether a model takes over the KV memory that a sibling computed, and which layers it computes itself (DroidSpeak, arXiv 2411.02820).

From the paper: models tuned from one foundation share a layout of KV memory, and only some layers of it are so different
that taking them over costs quality. Layers that are computed again lie together, because each step from a taken layer to
a computed one needs the sender's hidden state (its E cache) and brings an error in. Which groups of layers cost what was
measured for each pair of models beforehand; those stay that no other beats in both layers and quality. The hidden state
is fetched first, and while the group is computed the KV memory of the other layers streams in.

Which of the groups a request takes, the paper leaves open. Ours: the least loss of quality that still meets the objective
of the first token behind what waits, nothing shared at all being no loss; where none does, or there is no objective, the
fastest within the bound. The whole prompt is computed wherever anything is unknown or sharing would not be faster.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class Why(StrEnum):
    """Why so many layers are computed."""

    OTHER_BASE = "OtherBaseModel"
    NO_CONNECTOR = "EngineCannotShare"
    NOT_THERE = "NoContextToShare"
    UNMEASURED = "PairNotMeasured"
    QUALITY = "QualityBound"
    SLOWER = "SharingNotFaster"
    NO_NEED = "ObjectiveMetWithout"
    OBJECTIVE = "ObjectiveMet"
    FASTEST = "Fastest"


@dataclass(frozen=True, slots=True)
class Group:
    """Layers that the receiver computes itself, all others being taken from the sender."""

    first: int
    count: int
    drop_ratio: float
    """Part of the receiver's own quality that is lost, measured."""


@dataclass(frozen=True, slots=True)
class Pair:
    """Two models, and what was measured of them."""

    sender_base: str
    receiver_base: str
    layers: int
    groups: tuple[Group, ...]


@dataclass(frozen=True, slots=True)
class ReuseSpec:
    """What the user asks for."""

    max_drop_ratio: float = 0.01
    """Most quality that may be lost: 5 % in the paper's profiles, 1 % in its serving."""
    objective_seconds: float | None = None
    """First token due so long after arrival; none: as soon as possible."""


@dataclass(frozen=True, slots=True)
class ReuseSeen:
    """One prompt at the receiver, a part of it known at the sender."""

    shared_tokens: int
    """At the beginning of the prompt, whose KV memory the sender or a store has; 0: none."""
    connector: bool
    """Whether the receiver's engine can fetch and mix layers."""
    prefill_seconds: float
    """Of those tokens, all layers computed."""
    kv_seconds: float
    """To fetch their KV memory, all layers."""
    hidden_seconds: float
    """To fetch their hidden states before one layer."""
    waiting_seconds: float = 0.0
    """Before the receiver comes to this prompt."""


@dataclass(frozen=True, slots=True)
class ReuseDecision:
    """What is computed and what is fetched."""

    group: Group | None
    """None: all layers are computed, nothing is fetched."""
    seconds: float
    """Predicted for the shared tokens, from when the receiver comes to them."""
    why: Why


def frontier(groups: Sequence[Group]) -> tuple[Group, ...]:
    """Return the groups that no other beats in layers and quality, least layers first."""
    kept: list[Group] = []
    for group in sorted(groups, key=lambda one: (one.count, one.drop_ratio, one.first)):
        if not kept or group.drop_ratio < kept[-1].drop_ratio:
            kept.append(group)
    return tuple(kept)


def shared_seconds(group: Group, layers: int, seen: ReuseSeen) -> float:
    """Return what a prompt takes when a group is computed while the rest streams in behind its hidden states."""
    hidden, computed, fetched = parts(group, layers, seen)
    return hidden + max(computed, fetched)


def parts(group: Group, layers: int, seen: ReuseSeen) -> tuple[float, float, float]:
    """Return the seconds of fetching hidden states, of computing the group and of fetching KV memory of the others."""
    share = group.count / layers
    hidden = seen.hidden_seconds if group.count and group.first > 0 else 0.0
    return hidden, share * seen.prefill_seconds, (1.0 - share) * seen.kv_seconds


def decide(spec: ReuseSpec, pair: Pair | None, seen: ReuseSeen) -> ReuseDecision:
    """Return which layers the receiver computes."""

    def whole(why: Why) -> ReuseDecision:
        return ReuseDecision(None, seen.prefill_seconds, why)

    if not seen.connector:
        return whole(Why.NO_CONNECTOR)
    if seen.shared_tokens <= 0:
        return whole(Why.NOT_THERE)
    if pair is None or not pair.groups:
        return whole(Why.UNMEASURED)
    if pair.sender_base != pair.receiver_base:
        return whole(Why.OTHER_BASE)
    good = [group for group in pair.groups if group.drop_ratio <= spec.max_drop_ratio]
    if not good:
        return whole(Why.QUALITY)
    timed = [(shared_seconds(group, pair.layers, seen), group) for group in good]
    faster = [(seconds, group) for seconds, group in timed if seconds < seen.prefill_seconds]
    if not faster:
        return whole(Why.SLOWER)
    if spec.objective_seconds is not None:
        left = spec.objective_seconds - seen.waiting_seconds
        if seen.prefill_seconds <= left:
            return whole(Why.NO_NEED)
        met = [(seconds, group) for seconds, group in faster if seconds <= left]
        if met:
            seconds, group = min(met, key=lambda one: (one[1].drop_ratio, one[0]))
            return ReuseDecision(group, seconds, Why.OBJECTIVE)
    seconds, group = min(faster, key=lambda one: (one[0], one[1].drop_ratio))
    return ReuseDecision(group, seconds, Why.FASTEST)
