"""``/v1/decisions``: what this node's agent changed, was refused or went through, old and new, and why."""

from wattline.api.powernode import Outcome
from wattline.doors.clock import utc
from wattline.model.journal import Journal, about
from wattline.model.wire import DecisionsView
from wattline_agent.messages import GpuLine, OrderSeen, View

KEPT = 400
"""A change at a replica's GPU is told of the GPU and of the pool, so this is 200 of them."""
TROUBLE = {Outcome.BLOCKED, Outcome.ERROR}


class Reasons:
    """A ring of the last decisions, read off the views as they come."""

    def __init__(self, node: str) -> None:
        self._node = node
        self._journal = Journal(utc, KEPT)
        self._last: View | None = None
        self._moved = (float("-inf"), 0)
        """Time and number of the last move that was noted; views tell each more than once."""

    def take(self, view: View, order: OrderSeen | None) -> None:
        """Note what is new in a view."""
        before = {} if self._last is None else {gpu.status.uuid: gpu for gpu in self._last.gpus}
        if self._last is not None and self._last.state is not view.state:
            self._journal.note(
                about("PowerNode", None, self._node), f"{self._last.state} → {view.state}", view.reason
            )
        for move in view.moves:
            if (move.at_seconds, move.number) > self._moved:
                self._moved = (move.at_seconds, move.number)
                self._note(move.uuid, move.what, move.why, order)
        for gpu in view.gpus:
            if gpu.status.outcome in TROUBLE and _word(gpu) != _word(before.get(gpu.status.uuid)):
                self._note(gpu.status.uuid, str(gpu.status.outcome), gpu.status.reason, order)
        self._last = view

    def view(self, of: str | None) -> DecisionsView:
        """Return the ring, oldest first, of one object if asked for."""
        return self._journal.view(of)

    def _note(self, uuid: str, what: str, why: str, order: OrderSeen | None) -> None:
        self._journal.note(about("GPU", None, uuid), f"{self._node} {uuid}: {what}", why)
        replicas = () if order is None or order.spec is None else order.spec.replicas
        for replica in replicas:
            if uuid in replica.gpus:
                namespace, _, name = replica.pool.rpartition("/")
                self._journal.note(
                    about("InferencePool", namespace or None, name),
                    f"replica {replica.name}, {self._node} {uuid}: {what}",
                    why,
                )


def _word(gpu: GpuLine | None) -> tuple[str, str] | None:
    return None if gpu is None else (gpu.status.outcome, gpu.status.reason.partition(":")[0])
