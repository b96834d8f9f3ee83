"""What the agent's bench measures, one coroutine a part; each returns plain numbers."""

import asyncio
import os
import random
import sys
from bisect import bisect_left
from pathlib import Path

from agent_node import LEASE_SECONDS, PRODUCT, Node, boot, until
from agent_weight import KINDS, cpu_seconds, memory_megabytes, once_megabytes
from wattline.fake.nvml import Call

SETTLE_SECONDS = 6.0
PERIOD_SECONDS = 0.2
EMERGENCY_MARGIN_CELSIUS = 1.0
CALM_MARGIN_CELSIUS = 35.0
BUSY = "import os; os.sched_setaffinity(0, {{{core}}})\nwhile True: pass"


def percentile(values, share):
    """Return the value that ``share`` of all do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, round(share * len(ordered) + 0.5) - 1))]


async def settled(node):
    """Start an agent on a node, and wait until its order is in force and its clocks have found their place."""
    since = node.start()
    await until(lambda: node.in_force(since))
    node.lease_seconds = LEASE_SECONDS
    await asyncio.sleep(SETTLE_SECONDS)


async def weight(folder, library, gpus, seconds, *, slow=False):
    """Return CPU percent of one core and megabytes by process, and how long a pass takes."""
    async with Node(folder, library, gpus, slow=slow) as node:
        await settled(node)
        pids = node.pids()
        before, since = {part: cpu_seconds(pid) for part, pid in pids.items()}, boot()
        passes = []
        for _ in range(max(1, round(seconds / 5))):
            await asyncio.sleep(5.0)
            passes += [end - begin for begin, end in node.passes(boot() - 5.0)]
        passed = boot() - since
        fake = str(node.bank.mapping.path)
        return {
            "cpu": {part: 100 * (cpu_seconds(pid) - before[part]) / passed for part, pid in pids.items()},
            "memory": {part: memory_megabytes(pid, fake) for part, pid in pids.items()},
            "once": once_megabytes(pids.values(), fake),
            "pass": percentile(passes, 0.5),
        }


def total(weighed, kind):
    """Return the sum over the processes: ``cpu`` or a kind of memory."""
    if kind == "cpu":
        return sum(weighed["cpu"].values())
    assert kind in KINDS
    return sum(each[kind] for each in weighed["memory"].values())


async def crossings(folder, library, count, *, slow, seed):
    """Return the seconds from a margin's crossing into the emergency band to the least limit, read back."""
    chance = random.Random(seed)
    took = []
    async with Node(folder, library, slow=slow) as node:
        await settled(node)
        while len(took) < count:
            ready = [index for index in range(len(node.uuids)) if node.limit(index) > PRODUCT.min_watts + 50]
            if not ready:
                await asyncio.sleep(0.2)
                continue
            took.append(await _cross(node, chance.choice(ready)))
            await asyncio.sleep(chance.uniform(0.4, 1.4))
    return took


async def _cross(node, index):
    seen = node.bank.mapping.node.setter_head
    crossed = boot()
    node.gpus[index].pinned_margin = EMERGENCY_MARGIN_CELSIUS
    node.bank.publish()

    def lowered():
        for record in node.bank.mapping.journal(seen):
            mine = record.gpu == index and record.call is Call.SET_POWER_LIMIT and record.code == 0
            if mine and record.new <= PRODUCT.min_watts * 1000 and record.boot_seconds > crossed:
                return record.boot_seconds
        return None

    await until(lowered, 10.0)
    at = lowered()
    await until(lambda: node.read_back(index, at), 10.0)
    node.gpus[index].pinned_margin = CALM_MARGIN_CELSIUS
    return node.read_back(index, at) - crossed


async def lateness(folder, library, seconds, *, slow):
    """Return how late each safety pass began, in seconds, beside a process that computes on every core."""
    neighbours = [
        await asyncio.create_subprocess_exec(sys.executable, "-c", BUSY.format(core=core))
        for core in sorted(os.sched_getaffinity(0))
    ]
    try:
        async with Node(folder, library, slow=slow) as node:
            await settled(node)
            begun, last = [], boot()
            while len(begun) < seconds / PERIOD_SECONDS:
                await asyncio.sleep(5.0)
                fresh = [
                    begin for begin, _ in node.passes(last - 1.0) if not begun or begin > begun[-1][0] + 0.05
                ]
                touches = node.touches()
                begun += [(begin, touches[max(0, bisect_left(touches, begin) - 1)]) for begin in fresh]
                last = boot()
    finally:
        for each in neighbours:
            each.kill()
            await each.wait()
    return _late(begun)


def _late(begun):
    """Return by how much passes missed the grid of their period.

    One that the driver held up beyond its time begins a new grid, as in the loop itself, and says nothing.
    """
    due, late = begun[0][0], []
    for begin, busy_until in begun[1:]:
        due += PERIOD_SECONDS
        if busy_until > due:
            due = begin
            continue
        late.append(max(0.0, begin - due))
        due = min(due, begin)
    return late


async def starts(folder, library, count, *, slow):
    """Return the seconds from exec to the first safe state: after a predecessor, and on a machine just switched on.

    After a predecessor the devices keep its settings, and safe is when every GPU was read back under the order. On a
    fresh machine every GPU has to be lowered first.
    """
    after, fresh = [], []
    async with Node(folder, library, slow=slow) as node:
        for _ in range(count):
            node.power_on()
            (Path(folder) / "state" / "agents" / "n1" / "device.json").unlink(missing_ok=True)
            fresh.append(await _safe(node))
            await asyncio.sleep(0.5)
            await node.stop()
            after.append(await _safe(node))
            await asyncio.sleep(0.2)
            await node.stop()
    return fresh, after


async def _safe(node):
    """Start; return how long until the sum of limits fits and every GPU was read back after the last write."""
    began = node.start()

    def safe():
        if sum(node.limit(index) for index in range(len(node.uuids))) > node.watts:
            return None
        writes = [
            record.boot_seconds
            for record in node.bank.mapping.journal()
            if record.call is Call.SET_POWER_LIMIT and record.boot_seconds > began
        ]
        reads = [node.read_back(index, max(writes, default=began)) for index in range(len(node.uuids))]
        return None if None in reads else max(reads)

    await until(safe)
    at = safe()
    await until(lambda: node.in_force(began))
    return at - began
