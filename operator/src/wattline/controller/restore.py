"""Puts every GPU of a box back to what it was before us, and names the nodes that did not."""

from collections.abc import Callable
from pathlib import Path

from wattline.api.base import Condition, ConditionStatus
from wattline.api.powerdomain import PowerDomain, PowerDomainStatus
from wattline.api.powernode import NodeState, PowerNodeSpec
from wattline.controller.conditions import stamped
from wattline.doors import state as folder
from wattline.doors.clock import Clock
from wattline.doors.files import FilesCluster, status_path
from wattline.doors.overview import NodeFiles, node_files, overview

LOOK_SECONDS = 0.2
"""How often answers are looked at, in world seconds."""


async def restore(
    state: Path, clock: Clock, *, timeout_seconds: float, at: str, say: Callable[[str], None]
) -> tuple[str, ...]:
    """Order every node that was ever ordered to release its GPUs; return those that did not in time.

    No domain is called enforced from here on. The caller holds the state folder, so that no loop takes a node back meanwhile.
    """
    seen = overview(state)
    epoch = folder.next_epoch(state, above=seen.highest_epoch)
    cluster = FilesCluster([], state, epoch=epoch)
    for domain in seen.domains:
        folder.write(status_path(state, domain), _unpromised(domain, at))
    waiting: list[str] = []
    for node in seen.nodes:
        if node.order is not None:
            await cluster.order(node.name, released(node.order.spec, epoch))
            waiting.append(node.name)
    end = clock.now() + timeout_seconds
    while waiting:
        for name in [name for name in waiting if _done(node_files(state, name))]:
            waiting.remove(name)
            say(f"{name}: put back")
        if not waiting or clock.now() >= end:
            break
        await clock.sleep_until(min(end, clock.now() + LOOK_SECONDS))
    return tuple(waiting)


def released(spec: PowerNodeSpec, epoch: int) -> PowerNodeSpec:
    """Return the order that puts a node's GPUs back."""
    return spec.model_copy(update={"epoch": epoch, "enforce": False, "release": True})


def _unpromised(domain: PowerDomain, at: str) -> PowerDomain:
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


def _done(node: NodeFiles) -> bool:
    order, answer = node.order, node.answer
    return (
        order is not None
        and answer is not None
        and answer.epoch == order.spec.epoch
        and answer.observed_generation >= order.metadata.generation
        and answer.state in {NodeState.RELEASED, NodeState.OBSERVING}
    )
