"""Puts every GPU of a box back to what it was before us, and names the nodes that did not."""

from collections.abc import Callable
from pathlib import Path

from wattline.api.powernode import NodeState, PowerNodeSpec
from wattline.doors import state as folder
from wattline.doors.clock import Clock
from wattline.doors.files import FilesCluster
from wattline.doors.overview import NodeFiles, node_files, node_names

LOOK_SECONDS = 0.2
"""How often answers are looked at, in world seconds."""


async def restore(
    state: Path, clock: Clock, *, timeout_seconds: float, say: Callable[[str], None]
) -> tuple[str, ...]:
    """Order every node that was ever ordered to release its GPUs; return those that did not in time.

    The caller holds the state folder, so that no loop takes a node back meanwhile.
    """
    epoch = folder.next_epoch(state)
    cluster = FilesCluster([], state, epoch=epoch)
    waiting: list[str] = []
    for name in node_names(state):
        order = node_files(state, name).order
        if order is not None:
            await cluster.order(name, released(order.spec, epoch))
            waiting.append(name)
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


def _done(node: NodeFiles) -> bool:
    order, answer = node.order, node.answer
    return (
        order is not None
        and answer is not None
        and answer.epoch == order.spec.epoch
        and answer.observed_generation >= order.metadata.generation
        and answer.state in {NodeState.RELEASED, NodeState.OBSERVING}
    )
