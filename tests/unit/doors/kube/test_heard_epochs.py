"""An agent that remembers a newer epoch than ours would hear nothing: the next term begins above it."""

import asyncio

from tests.fakes.apiserver import FakeApiServer

from wattline.controller.lead import lead
from wattline.doors.clock import BootClock, utc_micros
from wattline.doors.kube.access import Access
from wattline.doors.kube.client import Kube, session
from wattline.doors.kube.cluster import KubeCluster
from wattline.doors.kube.events import Events
from wattline.doors.kube.lease import DomainLeases, Election
from wattline.doors.kube.watched import Watched

SPEED = 50


def order() -> dict:
    spec = {"epoch": 0, "lease": {"name": ""}, "budgetWatts": 0, "highestSentWatts": 0, "failsafeWatts": 0}
    return {
        "apiVersion": "wattline.dev/v1alpha1",
        "kind": "PowerNode",
        "metadata": {"name": "gpu-1"},
        "spec": spec,
    }


async def test_a_leader_that_an_agent_does_not_hear_leads_anew_above_what_the_agent_has_heard():
    clock, terms = BootClock(SPEED), []
    async with FakeApiServer() as server:
        access = Access(server.url)
        async with session(access, "test") as http:
            kube = Kube(http, access, manager="test")
            watched = Watched(kube, clock, lambda: None)
            names = {"namespace": "ours", "identity": "a", "stamp": utc_micros}
            election = Election(kube, clock, name="wattline-operator", **names)

            async def act(fence):
                events = Events(kube, clock, controller="c", instance="a", stamp=utc_micros)
                leases = DomainLeases(kube, fence=fence, **names)
                cluster = KubeCluster(kube, watched, fence, leases, events, clock, lease_seconds=60)
                await cluster.take_over()
                terms.append(fence.epoch)
                while True:
                    await cluster.snapshot()
                    await clock.sleep_until(clock.now() + 1.0)

            server.put(order())
            parts = [
                asyncio.create_task(watched.run()),
                asyncio.create_task(lead(election, watched, clock, act)),
            ]
            try:
                async with asyncio.timeout(20):
                    while not terms:
                        await asyncio.sleep(0.01)
                    server.patch("PowerNode", "gpu-1", {"status": {"epoch": 11}}, part="status")
                    while len(terms) < 2:
                        await asyncio.sleep(0.01)
                await asyncio.sleep(0.3)
            finally:
                for part in parts:
                    part.cancel()
                await asyncio.gather(*parts, return_exceptions=True)

        assert terms == [1, 12]
        assert server.get("PowerNode", "gpu-1")["spec"]["epoch"] == 12
