"""Joules from the counters of GPUs to the runs that used them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from wattline.gateway.runs import Runs
from wattline.gateway.served import EnginePlace
from wattline.model.wire import GpusView
from wattline.policy.account import Book, Window, Work

Replica = tuple[str, str]
"""Pool and name."""


@dataclass(slots=True)
class _Group:
    """The GPUs of one replica."""

    node: str
    gpus: tuple[str, ...]
    book: Book = field(default_factory=Book)
    boot_id: str = ""
    read_seconds: float | None = None
    counters: dict[str, float] = field(default_factory=dict)
    excess: tuple[float, float] = (0.0, 0.0)
    """Share of the engine's sequences beyond ours, at the last two looks."""


class Energy:
    """The books of all replicas."""

    def __init__(self, runs: Runs) -> None:
        self._runs = runs
        self._groups: dict[Replica, _Group] = {}
        self._ahead: dict[str, float] = {}
        """Node: how far our clock is ahead of its agent's; on one box the time an answer takes."""

    def endpoints(self, pool: str, endpoints: Iterable[EnginePlace]) -> None:
        """Take note of a pool's engines and their GPUs; books of engines that are gone stay open for totals."""
        for endpoint in endpoints:
            group = self._groups.get((pool, endpoint.name))
            if group is None:
                self._groups[pool, endpoint.name] = _Group(endpoint.node, endpoint.gpus)
            elif (group.node, group.gpus) != (endpoint.node, endpoint.gpus):
                group.node, group.gpus = endpoint.node, endpoint.gpus
                group.read_seconds = None

    def forget(self, replica: Replica) -> bool:
        """Close the book of a replica that left for good, if all its joules are divided; return whether it is closed."""
        group = self._groups.get(replica)
        if group is not None and group.book.unsettled_joules:
            return False
        self._groups.pop(replica, None)
        return True

    def started(self, replica: Replica, turn: int, at_seconds: float) -> None:
        """Note that a turn went to an engine."""
        self._groups[replica].book.started(turn, at_seconds)

    def ended(self, replica: Replica, turn: int, work: Work | None) -> None:
        """Note what a turn did there."""
        self._groups[replica].book.ended(turn, work)

    def engine_sequences(self, replica: Replica, at_engine: int, ours: int) -> None:
        """Note how many sequences an engine has and how many of these are ours."""
        group = self._groups[replica]
        excess = max(0, at_engine - ours) / at_engine if at_engine > 0 else 0.0
        group.excess = (group.excess[1], excess)

    def read(self, view: GpusView, now: float) -> None:
        """Take a node's counters; windows reach from one reading to the next, however far apart."""
        ahead = min(self._ahead.get(view.node, now - view.at_seconds), now - view.at_seconds)
        self._ahead[view.node] = ahead
        counters = {gpu.uuid: gpu.energy_joules for gpu in view.gpus}
        for group in self._groups.values():
            if group.node == view.node and all(uuid in counters for uuid in group.gpus):
                _take(group, view.boot_id, view.at_seconds + ahead, counters)

    def settle(self) -> None:
        """Give the joules of all windows whose turns have ended to their runs."""
        for group in self._groups.values():
            for settled in group.book.settle():
                for run, joules in settled.runs.items():
                    self._runs.add_joules(str(run), joules)

    def settled_until(self) -> dict[Replica, float]:
        """Return until when each replica's joules are divided."""
        return {replica: group.book.settled_until_seconds for replica, group in self._groups.items()}

    def totals(self) -> dict[Replica, dict[str, float]]:
        """Return each replica's joules by where they went; together they are the counters' advance."""
        return {
            replica: {
                "attributed": group.book.attributed_joules,
                "idle": group.book.idle_joules,
                "foreign": group.book.foreign_joules,
                "unsettled": group.book.unsettled_joules,
            }
            for replica, group in self._groups.items()
        }


def _take(group: _Group, boot_id: str, at_seconds: float, counters: Mapping[str, float]) -> None:
    now = {uuid: counters[uuid] for uuid in group.gpus}
    before, since = group.counters, group.read_seconds
    if since is not None and at_seconds <= since and boot_id == group.boot_id:
        return
    if since is not None and at_seconds > since and boot_id == group.boot_id:
        # A counter that went back started again from zero when its driver was loaded.
        joules = sum(value - before[uuid] if value >= before[uuid] else value for uuid, value in now.items())
        group.book.read(Window(since, at_seconds, joules, min(group.excess)))
    group.counters, group.read_seconds, group.boot_id = now, at_seconds, boot_id
