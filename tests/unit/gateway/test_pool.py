"""A pool at the gateway, in virtual time."""

import asyncio

import pytest

from wattline.api.base import Metadata
from wattline.api.inferencepool import Endpoint, InferencePool, InferencePoolSpec
from wattline.doors.clock import LoopClock
from wattline.doors.engine import EngineSample
from wattline.gateway.pool import Learnt, Pool
from wattline.gateway.served import ServedPool
from wattline.gateway.settings import Settings
from wattline.loops.turns import Ask
from wattline.model.context import Extent
from wattline.policy.admit import Growth

pytestmark = pytest.mark.looptime


def declared(*names, replicas=None):
    endpoints = [
        Endpoint(name=name, url=f"http://{name}", node="n1", gpus=(f"GPU-{name}",)) for name in names
    ]
    return InferencePool(
        kind="InferencePool",
        metadata=Metadata(name="coder", namespace="agents"),
        spec=InferencePoolSpec(model="m", endpoints=tuple(endpoints), replicas=replicas),
    )


def sample(prompt_tokens=0.0, capacity_tokens=10_000):
    return EngineSample(0, 0, prompt_tokens, 0, 0, 0, capacity_tokens)


def pool(*names):
    made = Pool(ServedPool.of_manifest(declared(*names or ("a",))), Settings(), LoopClock())
    made.desk.growth = Growth(turns=1000, ended=500, tokens=1000)
    for name in names or ("a",):
        made.answered(name, sample())
    return made


def ask(session, tokens, turn=1, **changes):
    return Ask((session, turn), session, (Extent(session, 0, tokens * 4),), tokens, **changes)


async def test_a_turn_that_finds_no_memory_is_given_up_after_its_time_and_not_before(looptime):
    made = pool()
    assert (await made.seat(ask("a", 7_000), 120.0)).replica == "a"

    assert await made.seat(ask("b", 7_000), 120.0) is None
    assert looptime == pytest.approx(120, abs=0.1)
    assert made.desk.held == 0


async def test_a_held_turn_starts_when_memory_is_given_back(looptime):
    made = pool()
    await made.seat(ask("a", 7_000), 120.0)

    async def end():
        await asyncio.sleep(30)
        made.desk.ended(("a", 1), 30.0)
        made.desk.finished("a")
        made.pump()

    ending = asyncio.create_task(end())
    assert (await made.seat(ask("b", 7_000), 120.0)).replica == "a"
    assert looptime == pytest.approx(30, abs=0.1)
    await ending


async def test_an_engine_is_away_after_three_silent_readings_and_keeps_its_sessions():
    made = pool("a", "b")
    await made.seat(ask("s", 1_000), 1.0)
    assert not made.silent("a", gone=False)
    assert not made.silent("a", gone=False)
    assert made.replicas["a"].usable
    assert made.silent("a", gone=False)
    assert not made.replicas["a"].usable
    assert made.desk.resident_tokens("a") == 1_000
    made.answered("a", sample(prompt_tokens=1_000))
    assert made.desk.resident_tokens("a") == 1_000


async def test_an_engine_that_is_gone_or_started_anew_holds_nothing():
    made = pool("a")
    await made.seat(ask("s", 1_000), 1.0)
    assert made.silent("a", gone=True)
    assert made.desk.resident_tokens("a") == 0

    made.answered("a", sample(prompt_tokens=5_000))
    await made.seat(ask("t", 1_000), 1.0)
    made.answered("a", sample(prompt_tokens=10))
    assert made.desk.resident_tokens("a") == 0


async def test_replicas_beyond_the_wanted_number_get_no_work_and_keep_their_turns():
    made = pool("a", "b")
    await made.seat(ask("s", 4_900), 1.0)
    assert (await made.seat(ask("t", 4_900), 1.0)).replica == "b"
    made.declare(ServedPool.of_manifest(declared("a", "b", replicas=1)))

    assert [name for name, replica in made.replicas.items() if replica.usable] == ["a"]
    assert {load.name: load.running for load in made.loads("n1")} == {"a": 1, "b": 1}
    made.desk.ended(("t", 1), 2.0)
    assert (await made.seat(ask("t", 4_000, turn=2), 1.0)).replica == "a"


async def test_loads_name_the_pool_with_its_namespace():
    assert [load.pool for load in pool("a").loads(None)] == ["agents/coder"]


def test_a_ratio_is_learnt_and_a_prior_forgotten():
    learnt = Learnt(1_000.0, 4_000.0)
    for _ in range(200):
        learnt.add(3_000, 9_000)
    learnt.add(0, 500)

    assert learnt.ratio == pytest.approx(1 / 3, rel=0.01)
