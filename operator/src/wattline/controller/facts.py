"""What one node may draw, and what it can be brought to (promise 1's arithmetic)."""

import math
from collections.abc import Collection, Iterable

from wattline.api.powernode import GpuStatus, NodeState, Outcome
from wattline.model.bounds import bound_watts
from wattline.model.cluster import NodeView

CONTESTED = "Contested"
"""First word of a GPU's reason while somebody else writes it."""


def rebooted(node: NodeView) -> bool:
    """Whether the node's limits may be gone: it answers under another boot than its read-back was made."""
    return (
        node.readings is not None and node.status is not None and node.readings.boot_id != node.status.boot_id
    )


def acknowledged(node: NodeView) -> bool:
    """Whether the agent has the present order in force and read back."""
    return (
        node.spec is not None
        and node.status is not None
        and node.status.observed_generation >= node.generation
        and node.status.epoch == node.spec.epoch
        and not rebooted(node)
    )


def appeared(node: NodeView) -> tuple[str, ...]:
    """Return the GPUs that no order covers yet."""
    if node.spec is None or node.status is None:
        return ()
    ordered = {gpu.uuid for gpu in node.spec.gpus}
    return tuple(gpu.uuid for gpu in node.status.gpus if gpu.uuid not in ordered)


def contested(node: NodeView) -> tuple[str, ...]:
    """Return the GPUs that somebody else writes."""
    gpus = () if node.status is None else node.status.gpus
    return tuple(gpu.uuid for gpu in gpus if gpu.reason.startswith(CONTESTED))


def blocked(node: NodeView) -> tuple[str, ...]:
    """Return the GPUs whose limits could not be set, with the reason."""
    gpus = () if node.status is None else node.status.gpus
    return tuple(
        f"{gpu.uuid} ({gpu.reason or gpu.outcome})"
        for gpu in gpus
        if gpu.outcome in {Outcome.BLOCKED, Outcome.ERROR} and not gpu.reason.startswith(CONTESTED)
    )


def capped(node: NodeView, uuids: Collection[str] | None = None) -> bool:
    """Whether GPUs of a node, all of them unless named, are read back under limits that fit its enforcing order.

    An order that is on its way to an agent that enforces changes nothing: the limits of the one before fit what
    was sent then.
    """
    if node.spec is None or not node.spec.enforce or node.status is None or rebooted(node):
        return False
    mine = [gpu for gpu in node.status.gpus if uuids is None or gpu.uuid in uuids]
    if not mine or (uuids is not None and len(mine) < len(set(uuids))):
        return False
    ordered = {gpu.uuid for gpu in node.spec.gpus}
    if any(
        gpu.uuid not in ordered or gpu.enforced_watts is None or gpu.reason.startswith(CONTESTED)
        for gpu in mine
    ):
        return False
    holds = node.status.state in {NodeState.ENFORCING, NodeState.FAILSAFE}
    fits = sent_watts(node) if holds else node.spec.budget_watts
    return acknowledged(node) or read_back_watts(node) <= fits + 0.5


def maxima_watts(node: NodeView) -> float:
    """Return what the node draws at most under its devices' greatest limits; infinite if they are unknown."""
    if node.status is None or not node.status.gpus:
        return math.inf
    return math.fsum(max(bound_watts(g.product, None, g.max_watts), g.bound_watts) for g in node.status.gpus)


def floor_watts(gpus: Iterable[GpuStatus]) -> float:
    """Return what GPUs may draw under their least limits; less cannot be promised."""
    return math.fsum(bound_watts(gpu.product, gpu.min_watts, gpu.max_watts) for gpu in gpus)


def read_back_watts(node: NodeView) -> float:
    """Return what the node may draw under the limits its agent read back."""
    if node.status is None or not node.status.gpus:
        return math.inf
    return math.fsum(
        bound_watts(gpu.product, None, gpu.max_watts)
        if gpu.enforced_watts is None or gpu.reason.startswith(CONTESTED)
        else max(gpu.bound_watts, bound_watts(gpu.product, gpu.enforced_watts, gpu.max_watts))
        for gpu in node.status.gpus
    )


def sent_watts(node: NodeView) -> float:
    """Return the highest budget the agent may still be acting on."""
    if node.spec is None:
        return 0.0
    if acknowledged(node):
        return node.spec.budget_watts
    return max(node.spec.budget_watts, node.spec.highest_sent_watts)


def may_draw_watts(node: NodeView) -> float:
    """Return the most the node's GPUs may draw now (promise 1).

    An agent that is away counts at the highest it was sent and the last it read back; a node that is not held
    by us, runs under another boot, or shows a GPU that no order covers, at its devices' maxima.
    """
    held = node.spec is not None and node.spec.enforce
    if not held or rebooted(node) or appeared(node):
        return max(maxima_watts(node), sent_watts(node))
    return max(sent_watts(node), read_back_watts(node))


def reports_watts(node: NodeView) -> float:
    """Return what a node that is not held by us may draw under the limits it was found with."""
    return maxima_watts(node) if rebooted(node) else read_back_watts(node)


def stuck_watts(node: NodeView) -> float | None:
    """Return what the node stays at whatever is ordered, or None if it follows orders.

    It stays while its agent is away, and where the limits read back for the present order are above it.
    """
    if node.readings is None:
        return may_draw_watts(node)
    if node.spec is not None and node.spec.enforce and acknowledged(node):
        stays = read_back_watts(node)
        return stays if stays > max(node.spec.budget_watts, _floor(node)) + 0.5 else None
    return None


def _floor(node: NodeView) -> float:
    return floor_watts(node.status.gpus) if node.status is not None else 0.0
