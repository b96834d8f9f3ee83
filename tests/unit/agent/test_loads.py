"""What is known of a replica when gateways and engines speak, and when one falls silent."""

import pytest
from tests.unit.agent.rig import replica

from wattline.doors.engine import EngineSample
from wattline.model.wire import ReplicaLoad
from wattline_agent.loads import Heard

ORDER = replica(0)
GATEWAY, OTHER = "http://gw1", "http://gw2"


def says(**changes) -> ReplicaLoad:
    calm = {
        "pool": "coder",
        "name": "r0",
        "resident_tokens": 1000,
        "capacity_tokens": 400_000,
        "slowest_agent_tokens_per_second": 40.0,
        "running": 3,
        "waiting": 1,
    }
    return ReplicaLoad(**calm | changes)


def engine(**changes) -> EngineSample:
    calm = {
        "running": 2,
        "waiting": 0,
        "prompt_tokens": 50.0,
        "cached_tokens": 20.0,
        "generation_tokens": 9.0,
        "preemptions": 0.0,
        "capacity_tokens": 400_000,
    }
    return EngineSample(**calm | changes)


def heard(*, gateways=None, engine_at=10.0) -> Heard:
    here = Heard()
    gateways = ((GATEWAY, 10.0, says()),) if gateways is None else gateways
    for url, at, load in gateways:
        here.gateway(url, [load], at)
    if engine_at is not None:
        here.engine(ORDER.url, engine(), engine_at)
    return here


def seen(here, *, now=11.0, gateways=(GATEWAY,)):
    return here.loads([ORDER], gateways, now).replicas[0].seen


def test_gateway_and_engine_together_make_a_known_replica():
    load = seen(heard())

    assert (load.resident_tokens, load.capacity_tokens) == (1000, 400_000)
    assert (load.running, load.waiting) == (2, 1)
    assert (load.prompt_tokens_total, load.cached_tokens_total, load.generation_tokens_total) == (50, 20, 9)


def test_tokens_of_two_gateways_add_up_and_the_slowest_agent_is_the_least():
    two = (
        (GATEWAY, 10.0, says()),
        (OTHER, 10.0, says(resident_tokens=500, slowest_agent_tokens_per_second=25.0, waiting=2)),
    )
    load = seen(heard(gateways=two), gateways=(GATEWAY, OTHER))

    assert load.resident_tokens == 1500
    assert load.slowest_agent_tokens_per_second == 25.0
    assert load.waiting == 3


@pytest.mark.parametrize(
    ("here", "now", "gateways"),
    [
        pytest.param(heard(), 13.1, (GATEWAY,), id="the gateway is silent for three seconds"),
        pytest.param(heard(), 11.0, (GATEWAY, OTHER), id="a second gateway never spoke"),
        pytest.param(heard(), 11.0, (), id="no gateway is configured"),
        pytest.param(heard(engine_at=None), 11.0, (GATEWAY,), id="the engine does not answer"),
        pytest.param(
            heard(gateways=((GATEWAY, 10.0, says(name="x")),)), 11.0, (GATEWAY,), id="not in the answer"
        ),
    ],
)
def test_a_silence_makes_the_replica_unknown(here, now, gateways):
    load = seen(here, now=now, gateways=gateways)

    assert load.resident_tokens is None
    assert load.slowest_agent_tokens_per_second is None
