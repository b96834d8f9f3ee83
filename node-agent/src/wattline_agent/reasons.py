"""``/v1/decisions``: what this node's agent changed, was refused or went through, old and new, and why."""

from collections.abc import Iterable

from wattline.api.powernode import Outcome, PodGpus
from wattline.doors.clock import utc
from wattline.model.journal import Journal, about
from wattline.model.wire import DecisionsView
from wattline_agent.messages import GpuLine, OrderSeen, View

TROUBLE = {Outcome.BLOCKED, Outcome.ERROR}


class Reasons:
    """A ring of the last decisions, read off the views as they come."""

    def __init__(self, node: str) -> None:
        self._node = node
        self._journal = Journal(utc)
        self._last: View | None = None
        self._moved = (float("-inf"), 0)
        """Time and number of the last move that was noted; views tell each more than once."""
        self._touched: dict[str, tuple[str, ...]] = {}

    def take(self, view: View, order: OrderSeen | None, pods: Iterable[PodGpus] = ()) -> None:
        """Note what is new in a view; who asks after a replica's pool or pod is told what became of its GPUs."""
        self._touched = _touched(order, pods)
        before = {} if self._last is None else {gpu.status.uuid: gpu for gpu in self._last.gpus}
        if self._last is not None and self._last.state is not view.state:
            self._journal.note(
                about("PowerNode", None, self._node), f"{self._last.state} → {view.state}", view.reason
            )
        if self._last is not None and _source(self._last) != _source(view):
            self._journal.note(
                about("PowerNode", None, self._node),
                f"budget {_source(self._last)} → {_source(view)}",
                "the tightest source counts",
            )
        for move in view.moves:
            if (move.at_seconds, move.number) > self._moved:
                self._moved = (move.at_seconds, move.number)
                self._note(move.uuid, move.what, move.why)
        for gpu in view.gpus:
            was = before.get(gpu.status.uuid)
            if gpu.status.outcome in TROUBLE and _word(gpu) != _word(was):
                self._note(gpu.status.uuid, str(gpu.status.outcome), gpu.status.reason)
            event = gpu.status.hardware_event
            if event and (was is None or was.status.hardware_event != event):
                self._note(gpu.status.uuid, event, "the hardware slows it down by itself")
        self._last = view

    def view(self, of: str | None) -> DecisionsView:
        """Return the ring, oldest first, of one object if asked for."""
        return self._journal.view(of)

    def _note(self, uuid: str, what: str, why: str) -> None:
        also = self._touched.get(uuid, ())
        self._journal.note(about("GPU", None, uuid), f"{self._node} {uuid}: {what}", why, also=also)


def _source(view: View) -> str:
    """Return what sets the budget, without its watts: orders move these all the time."""
    source = view.budget_source
    if source is None:
        return "of nobody"
    return f"by {source.kind}" + (f" {source.name}" if source.name else "")


def _touched(order: OrderSeen | None, pods: Iterable[PodGpus]) -> dict[str, tuple[str, ...]]:
    """Return the pool and the pods of every GPU, as decisions name them."""
    names: dict[str, tuple[str, ...]] = {}
    for replica in () if order is None or order.spec is None else order.spec.replicas:
        namespace, _, name = replica.pool.rpartition("/")
        for uuid in replica.gpus:
            names[uuid] = (*names.get(uuid, ()), about("InferencePool", namespace or None, name))
    for pod in pods:
        for uuid in pod.gpus:
            names[uuid] = (*names.get(uuid, ()), about("Pod", pod.namespace, pod.name))
    return names


def _word(gpu: GpuLine | None) -> tuple[str, str] | None:
    return None if gpu is None else (gpu.status.outcome, gpu.status.reason.partition(":")[0])
