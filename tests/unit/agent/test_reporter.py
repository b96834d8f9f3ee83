"""A status is written when it is due, again when it failed, and anew for another object of the same name."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field

import pytest

from wattline.api.powernode import NodeState, PodGpus, PowerNodeStatus
from wattline.doors.clock import LoopClock
from wattline.model.errors import ClusterError
from wattline_agent.messages import LeaseSeen, OrderSeen
from wattline_agent.reporter import Reporter
from wattline_agent.settings import DEFAULTS


@dataclass
class Board:
    """A place for statuses that may be away."""

    order: OrderSeen | None = None
    lease: LeaseSeen | None = None
    looked: bool = True
    pods: tuple[PodGpus, ...] = ()
    away: bool = False
    written: list[tuple[float, PowerNodeStatus]] = field(default_factory=list)
    asked: list[float] = field(default_factory=list)

    async def follow(self) -> None:
        """Nothing changes."""

    async def report(self, status: PowerNodeStatus) -> None:
        now = asyncio.get_running_loop().time()
        self.asked.append(now)
        if self.away:
            raise ClusterError("the server is away")
        self.written.append((now, status))


@dataclass
class Node:
    status: PowerNodeStatus | None = None


async def reporting(board: Board, node: Node, seconds: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await Reporter(board, LoopClock(), lambda: node.status).run()


@pytest.mark.looptime
async def test_nothing_is_written_before_there_is_something_to_say():
    board = Board()
    await reporting(board, Node(), 10)

    assert board.asked == []


@pytest.mark.looptime
async def test_a_calm_status_is_written_once_a_minute():
    board = Board()
    await reporting(board, Node(PowerNodeStatus(boot_id="b")), 150)

    assert [round(at) for at, _ in board.written] == [0, 60, 120]


@pytest.mark.looptime
@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"state": NodeState.FAILSAFE}, id="another state"),
        pytest.param({"pods": (PodGpus(namespace="a", name="p", gpus=("G0",)),)}, id="a pod has got a GPU"),
    ],
)
async def test_what_changed_is_written_at_once(change):
    board, node = Board(), Node(PowerNodeStatus(boot_id="b"))
    task = asyncio.create_task(reporting(board, node, 20))
    await asyncio.sleep(10)
    node.status = node.status.model_copy(update=change)
    await task

    assert [status for _, status in board.written][1:] == [node.status]
    assert board.written[1][0] <= 10.2


@pytest.mark.looptime
async def test_a_status_that_could_not_be_written_is_written_when_the_server_is_back(caplog):
    board, node = Board(away=True), Node(PowerNodeStatus(boot_id="b"))
    task = asyncio.create_task(reporting(board, node, 200))
    await asyncio.sleep(100)
    tries = len(board.asked)
    board.away, node.status = False, node.status.model_copy(update={"state": NodeState.ENFORCING})
    await task

    assert tries <= 100 / DEFAULTS.report_longest_seconds + 6, "less and less often"
    assert board.written[0][0] <= 100 + DEFAULTS.report_longest_seconds
    assert board.written[0][1].state is NodeState.ENFORCING
    assert caplog.text.count("the server is away") == 1


@pytest.mark.looptime
async def test_another_object_of_the_same_name_gets_its_status_at_once():
    board, node = Board(order=OrderSeen(uid="one")), Node(PowerNodeStatus(boot_id="b"))
    task = asyncio.create_task(reporting(board, node, 20))
    await asyncio.sleep(10)
    board.order = OrderSeen(uid="two")
    await task

    assert [round(at) for at, _ in board.written] == [0, 10]


@pytest.mark.looptime
async def test_nothing_is_written_over_what_is_not_known_yet():
    """A predecessor's status says which pods have the GPUs; an empty one would take their traffic away."""
    board, node = Board(looked=False), Node(PowerNodeStatus(boot_id="b"))
    task = asyncio.create_task(reporting(board, node, 20))
    await asyncio.sleep(10)
    assert board.asked == []

    board.looked = True
    await task
    assert [round(at) for at, _ in board.written] == [10]


@pytest.mark.looptime
async def test_the_last_word_is_written_whether_it_is_due_or_not():
    board, node = Board(), Node(PowerNodeStatus(boot_id="b"))
    reporter = Reporter(board, LoopClock(), lambda: node.status)

    assert await reporter.write()
    assert await reporter.write()
    assert len(board.written) == 2
