"""Between two passes the device process sleeps, and is woken by what must not wait for the next."""

import asyncio

import pytest
from tests.unit.agent.rig import rig, spec

from wattline.doors.clock import BootClock
from wattline_agent.channel import Channel, pair
from wattline_agent.device_process import Stop, rest
from wattline_agent.messages import LoadsSeen, OrderSeen

AGES_SECONDS = 50.0


@pytest.fixture
async def sleeping(tmp_path):
    """A device process that sleeps for ages; returns its governor, the other end of its channel, its stop, its sleep."""
    ours, theirs = pair()
    clock, stop, here = BootClock(), Stop(), rig(tmp_path)
    here.governor.tick(clock.now())
    asyncio.get_running_loop().add_reader(theirs, stop.stirred.set)
    sleep = asyncio.create_task(rest(here.governor, Channel(theirs), clock, stop, clock.now() + AGES_SECONDS))
    yield here.governor, Channel(ours), stop, sleep
    sleep.cancel()
    asyncio.get_running_loop().remove_reader(theirs)
    ours.close()
    theirs.close()


def packet(message) -> str:
    return message.model_dump_json(by_alias=True)


async def test_a_new_order_wakes_it(sleeping):
    governor, channel, _, sleep = sleeping
    channel.send(packet(OrderSeen(uid="u", generation=1, spec=spec())))

    await asyncio.wait_for(sleep, AGES_SECONDS / 2)
    assert governor.order is not None


async def test_what_is_told_every_second_is_heard_and_does_not_wake_it(sleeping):
    governor, channel, _, sleep = sleeping
    channel.send(packet(LoadsSeen()))
    while governor.loads_at == float("-inf"):
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.01)

    assert not sleep.done()


async def test_being_asked_to_finish_wakes_it(sleeping):
    _, _, stop, sleep = sleeping
    stop.finish()

    await asyncio.wait_for(sleep, AGES_SECONDS / 2)
