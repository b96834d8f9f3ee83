"""Puts every GPU back to what it was before us, and names the nodes that did not answer."""

from collections.abc import Callable
from typing import Protocol

from wattline.api.base import Condition, ConditionStatus
from wattline.api.powerdomain import PowerDomain, PowerDomainStatus
from wattline.api.powernode import NodeState, PowerNode, PowerNodeSpec, PowerNodeStatus
from wattline.controller.conditions import stamped
from wattline.doors.clock import Clock

LOOK_SECONDS = 0.2
"""How often answers are looked at, in world seconds."""


class Orders(Protocol):
    """Where the orders and answers of all nodes are: a box's state folder, or the Kubernetes API."""

    async def release(self) -> tuple[str, ...]:
        """See to it that nobody else orders from here on, call no domain enforced, order every node to put its
        GPUs back; return the nodes whose answers count.
        """

    async def restored(self, node: str) -> bool:
        """Whether a node has answered that its GPUs are back."""


async def restore(
    orders: Orders, clock: Clock, *, timeout_seconds: float, say: Callable[[str], None]
) -> tuple[str, ...]:
    """Order every node that was ever ordered to release its GPUs; return those that did not in time."""
    waiting = list(await orders.release())
    end = clock.now() + timeout_seconds
    while waiting:
        for name in [name for name in waiting if await orders.restored(name)]:
            waiting.remove(name)
            say(f"{name}: put back")
        if not waiting or clock.now() >= end:
            break
        await clock.sleep_until(min(end, clock.now() + LOOK_SECONDS))
    return tuple(waiting)


def released(spec: PowerNodeSpec, epoch: int) -> PowerNodeSpec:
    """Return the order that puts a node's GPUs back."""
    return spec.model_copy(update={"epoch": epoch, "enforce": False, "release": True})


def unpromised(domain: PowerDomain, at: str) -> PowerDomain:
    """Return the domain with its condition `Enforced` False: what its nodes draw is no longer ours to bound."""
    if domain.status is None:
        return domain
    enforced = Condition(
        type="Enforced",
        status=ConditionStatus.FALSE,
        reason="Restored",
        message="every GPU is being put back to what it was before Wattline; nothing is held",
        observed_generation=domain.metadata.generation,
    )
    kept = [each for each in domain.status.conditions if each.type == "Accepted"]
    conditions = stamped([*kept, enforced], domain.status, at)
    return domain.model_copy(
        update={
            "status": PowerDomainStatus(observed_generation=domain.metadata.generation, conditions=conditions)
        }
    )


def is_back(order: PowerNode | None, answer: PowerNodeStatus | None) -> bool:
    """Whether an answer says that the GPUs of a released node are back, and speaks of this order."""
    return (
        order is not None
        and answer is not None
        and answer.epoch == order.spec.epoch
        and answer.observed_generation >= order.metadata.generation
        and answer.state in {NodeState.RELEASED, NodeState.OBSERVING}
    )
