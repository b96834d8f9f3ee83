"""The loop on virtual time: when it passes, what it says, and what an abandoned pass leaves alone."""

import asyncio
import dataclasses
import logging

import pytest
from tests.unit.controller.small_fleet import AT, Loop, domain

from wattline.controller.balance import PERIOD_SECONDS, balance
from wattline.controller.facts import acknowledged
from wattline.doors.clock import LoopClock
from wattline.model.errors import ClusterError
from wattline.model.journal import Journal

pytestmark = pytest.mark.looptime


class Objects:
    """The loop's objects in memory, and a record of what was done to them and when."""

    def __init__(self, loop):
        self.loop = loop
        self.done = []
        self.broken = ""
        self.full = False

    async def snapshot(self):
        self._note("snapshot")
        if self.broken:
            raise ClusterError(self.broken)
        view = self.loop.view()
        bare = {name: dataclasses.replace(node, readings=None) for name, node in view.nodes.items()}
        return dataclasses.replace(view, nodes=bare)

    async def report(self, domains, pools, workflows):
        self._note("report")
        self.loop.statuses = dict(domains)

    async def order(self, node, spec):
        if self.full:
            raise ClusterError("n1.yaml: cannot be written: No space left on device")
        was, generation = self.loop.store.get(node, (None, 0))
        if was == spec:
            return False
        self._note(f"order {node}")
        self.loop.store[node] = (spec, generation + 1)
        return True

    async def perform(self, actions):
        self.done += [(self._now(), f"perform {action}") for action in actions]

    async def renew(self, lease):
        self._note(f"renew {lease}")

    async def read(self, addresses):
        return {node: self.loop.nodes[node].view({}).readings for node in addresses}

    def _note(self, what):
        self.done.append((self._now(), what))

    def _now(self):
        return round(asyncio.get_running_loop().time())

    def times(self, what):
        return [at for at, each in self.done if each == what]


@pytest.fixture
def start():
    """Starts the loop; returns its objects, its nudge and its passes. Virtual time begins with the test."""

    def started():
        objects, nudge, passes = Objects(Loop(domain(watts=1500, nodes=("n1", "n2")))), asyncio.Event(), []
        loop = balance(
            objects,
            objects,
            LoopClock(),
            nudge,
            stamp=lambda: AT,
            journal=Journal(lambda: AT),
            done=passes.append,
        )
        tasks.append(asyncio.get_running_loop().create_task(loop))
        return objects, nudge, passes

    tasks = []
    yield started
    for task in tasks:
        task.cancel()


async def test_a_pass_reports_then_orders_then_renews(start):
    objects, _, _ = start()
    await asyncio.sleep(0.1)

    assert [what for _, what in objects.done] == ["snapshot", "report", "order n1", "order n2", "renew row"]


async def test_it_passes_every_period_and_sooner_when_nudged(start):
    objects, nudge, _ = start()
    await asyncio.sleep(PERIOD_SECONDS + 5)
    assert objects.times("snapshot") == [0, 15]

    nudge.set()
    await asyncio.sleep(0.1)
    assert objects.times("snapshot") == [0, 15, 20]


async def test_many_nudges_are_one_pass_a_second(start):
    objects, nudge, _ = start()
    for _ in range(45):
        nudge.set()
        await asyncio.sleep(0.1)

    assert objects.times("snapshot") == [0, 1, 2, 3, 4]


async def test_a_pass_that_cannot_see_everything_changes_nothing_and_is_said_once(start, caplog):
    objects, _, _ = start()
    await asyncio.sleep(1)
    before = dict(objects.loop.store), dict(objects.loop.statuses)
    objects.broken = "fleet.yaml:3: no YAML"

    with caplog.at_level(logging.INFO, "wattline.balance"):
        await asyncio.sleep(4 * PERIOD_SECONDS)
        assert (objects.loop.store, objects.loop.statuses) == before
        assert objects.times("renew row") == [0], "an abandoned pass renews no lease"
        objects.broken = ""
        await asyncio.sleep(PERIOD_SECONDS)

    said = [record.getMessage() for record in caplog.records]
    assert [text for text in said if "abandoned" in text] == [
        "pass abandoned, the last orders stand until their leases end: fleet.yaml:3: no YAML"
    ]
    assert "passes go on" in said


async def test_a_full_disk_renews_no_lease(start):
    objects, _, passes = start()
    await asyncio.sleep(1)
    objects.full = True
    objects.loop.change("row", watts=1200)
    await asyncio.sleep(PERIOD_SECONDS)

    assert objects.times("renew row") == [0]
    assert len(passes) == 1


async def test_changes_of_conditions_are_said_with_their_reason(start, caplog):
    objects, _, _ = start()
    with caplog.at_level(logging.INFO, "wattline.balance"):
        await asyncio.sleep(1)
        for node in objects.loop.nodes.values():
            node.follow(objects.loop.store)
        await asyncio.sleep(2 * PERIOD_SECONDS)

    said = [record.getMessage() for record in caplog.records if "Enforced" in record.getMessage()]
    assert said == [
        "PowerDomain/row: Enforced is False, EnforceStarting: 1356 W above the budget of 1500 W: n1, n2; nothing is raised meanwhile",
        "PowerDomain/row: Enforced is True, WithinBudget: at most 1500 W of 1500 W",
    ]


async def test_what_was_seen_is_handed_on(start):
    objects, _, passes = start()
    await asyncio.sleep(1)
    for node in objects.loop.nodes.values():
        node.follow(objects.loop.store)
    await asyncio.sleep(PERIOD_SECONDS)

    last = passes[-1]
    assert last.at_seconds == pytest.approx(PERIOD_SECONDS)
    assert all(acknowledged(node) for node in last.view.nodes.values())
    assert last.decisions.may_draw_watts == pytest.approx({"n1": 750, "n2": 750})
