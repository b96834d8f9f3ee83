"""Replicas of a pool come and go in any order; turns are answered, and nothing of what left is counted."""

import asyncio
from itertools import count
from random import Random

import pytest

from wattline.api.base import Metadata
from wattline.api.inferencepool import EndpointStatus, InferencePool, InferencePoolSpec, InferencePoolStatus
from wattline.doors.clock import LoopClock
from wattline.doors.engine import EngineSample
from wattline.gateway.pool import KEPT_SECONDS, Pool
from wattline.gateway.served import ServedPool
from wattline.gateway.settings import Settings
from wattline.loops.turns import Ask
from wattline.model.context import Extent
from wattline.policy.admit import Growth

pytestmark = pytest.mark.looptime

NAMES = ("a", "b", "c", "d")


def found(replicas):
    """Return a pool whose status has these replicas: name, where it stands, whether it gets work."""
    endpoints = tuple(
        EndpointStatus(name=name, url=f"http://{name}{home}", node="n1", gpus=("GPU-1",), traffic=traffic)
        for name, home, traffic in replicas
    )
    pool = InferencePool(
        metadata=Metadata(name="coder", namespace="agents"),
        spec=InferencePoolSpec(model="m", template={"spec": {"containers": [{"name": "vllm"}]}}),
        status=InferencePoolStatus(endpoints=endpoints),
    )
    return ServedPool.of_object(pool, "2026-01-01T00:00:00Z")


class Churn:
    """One pool, and random things that happen to it."""

    def __init__(self, seed):
        self.rng = Random(seed)
        self.pool = Pool(found([]), Settings(), LoopClock())
        self.pool.desk.growth = Growth(turns=1000, ended=500, tokens=1000)
        self.running = {}
        self.asked = []
        self.numbers = count(1)
        self.prompted = count(1)

    def change(self):
        chosen = self.rng.sample(NAMES, self.rng.randrange(len(NAMES) + 1))
        self.pool.declare(found((n, self.rng.choice("12"), self.rng.random() < 0.7) for n in chosen))
        self.pool.pump()

    def hear(self):
        for name, url in self.pool.urls().items():
            if self.rng.random() < 0.8 and self.pool.at(name, url):
                total = next(self.prompted) if self.rng.random() < 0.95 else 0
                self.pool.answered(name, EngineSample(0, 0, total, 0, 0, 0, 10_000))
            elif self.rng.random() < 0.5:
                self.pool.silent(name, gone=self.rng.random() < 0.5)
        self.pool.pump()

    def ask(self):
        session, turn = self.rng.randrange(12), next(self.numbers)
        tokens = self.rng.randrange(100, 4000)
        ask = Ask(turn, session, (Extent(session, 0, tokens * 4),), tokens)
        self.asked.append(asyncio.create_task(self.seat(ask)))

    async def seat(self, ask):
        answer = await self.pool.seat(ask, 100.0)
        if answer is not None and answer.replica is not None:
            self.pool.replicas[answer.replica].sequences += 1
            self.running[ask.turn] = (ask, answer.replica)

    def end(self):
        if not self.running:
            return
        turn = self.rng.choice(sorted(self.running))
        ask, replica = self.running.pop(turn)
        known = self.pool.replicas[replica]
        assert known.sequences > 0
        known.sequences -= 1
        self.pool.desk.prefilled(turn, asyncio.get_running_loop().time(), 10, 5)
        kept = (ask.context, ask.tokens) if self.rng.random() < 0.8 else ()
        self.pool.desk.ended(turn, asyncio.get_running_loop().time(), *kept)
        self.pool.pump()

    def finish(self):
        idle = {ask.session for ask, _ in self.running.values()}
        session = self.rng.randrange(12)
        if session not in idle and not self.pool.desk.held:
            self.pool.desk.finished(session)

    async def step(self):
        self.rng.choice(
            (self.change, self.hear, self.hear, self.ask, self.ask, self.ask, self.end, self.finish)
        )()
        await asyncio.sleep(self.rng.choice((0, 0.1, 5.0, 30.0)))
        self.pool.tidy()
        self.pool.loads(None)
        self.pool.desk.expired(asyncio.get_running_loop().time(), 900.0)


@pytest.mark.parametrize("seed", range(25))
async def test_whatever_comes_and_goes(seed):
    churn = Churn(seed)
    for _ in range(150):
        await churn.step()
    churn.pool.declare(found([("a", "1", True)]))
    churn.pool.answered("a", EngineSample(0, 0, 10**6, 0, 0, 0, 10**6))
    churn.pool.pump()
    await asyncio.sleep(101.0)

    assert all(task.done() for task in churn.asked)
    for task in churn.asked:
        task.result()
    while churn.running:
        churn.end()
    await asyncio.sleep(KEPT_SECONDS)
    churn.pool.tidy()
    assert list(churn.pool.replicas) == ["a"]
    assert all(churn.pool.desk.resident_tokens(name) == 0 for name in "bcd")
    assert not churn.pool.desk.held
