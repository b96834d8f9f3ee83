"""Processes that speak to one API server and are run a step at a time, in any order a test likes, or not at all.

A step of a process ends at its next request, before it takes effect, or after it and before the answer is heard, or
where it sleeps. Time is one for all and goes on while a process stands still, as CLOCK_BOOTTIME does.
"""

import asyncio
from types import SimpleNamespace

from tests.fakes.apiserver import PATH, FakeApiServer
from tests.fakes.objects import Refused

from wattline.doors.kube.access import Access
from wattline.doors.kube.client import Kube
from wattline.doors.kube.errors import refused


class World:
    """The API server's objects and the time, shared by all processes."""

    def __init__(self):
        self.server = FakeApiServer()
        self.at_seconds = 1000.0
        self.processes = []

    def process(self):
        made = Process(self)
        self.processes.append(made)
        return made

    def stamp(self):
        return f"at {self.at_seconds:.6f}"

    async def end(self, tasks):
        """Cancel tasks, and let every process go on until they have ended."""
        for task in tasks:
            task.cancel()
        for _ in range(200):
            if all(task.done() for task in tasks):
                break
            for process in self.processes:
                await process.step()
                await asyncio.sleep(0)
        assert all(task.done() for task in tasks), "a cancelled process ends"


class Process:
    """One process: its clock, its connection, and where it stands."""

    def __init__(self, world):
        self.world = world
        self.waiting = []
        self.kube = SteppedKube(self)

    def now(self):
        return self.world.at_seconds

    async def sleep_until(self, at_seconds, *, or_set=None):
        await self.stop(at_seconds, or_set)

    async def stop(self, until_seconds=float("-inf"), or_set=None):
        """Stand still until the test steps on, no earlier than a time or an event."""
        future = asyncio.get_running_loop().create_future()
        entry = (until_seconds, or_set, future)
        self.waiting.append(entry)
        try:
            await future
        finally:
            if entry in self.waiting:
                self.waiting.remove(entry)

    async def step(self, which=0):
        """Let one of the things it stands at go on, up to where it stands next; return whether there was one."""
        ready = [w for w in self.waiting if w[0] <= self.now() or (w[1] is not None and w[1].is_set())]
        if not ready:
            return False
        entry = ready[which % len(ready)]
        self.waiting.remove(entry)
        if not entry[2].done():
            entry[2].set_result(None)
        for _ in range(8):
            await asyncio.sleep(0)
        return True


class SteppedKube(Kube):
    """The real client up to the wire; on it, the fake server's objects, with a stop on both sides of each request."""

    def __init__(self, process):
        super().__init__(None, Access("http://stepped"), manager="wattline-operator")
        self._process = process

    async def _send(self, verb, method, path, *, query=None, body=None, kind="application/json"):
        await self._process.stop()
        group, namespace, plural, name, part = (each or "" for each in PATH.match(path.strip("/")).groups())
        request = SimpleNamespace(method=method, headers={"Content-Type": kind}, query=query or {})
        try:
            _, answer = self._process.world.server._do(
                request, f"{group}/{plural}", namespace, name, part, body
            )
        except Refused as error:
            await self._process.stop()
            raise refused(error.code, f"{verb} {path}", error.message) from error
        await self._process.stop()
        return answer
