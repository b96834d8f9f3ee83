"""World time runs at the speed it was given, and a sleep ends early when its event is set."""

import asyncio
import time

import pytest

from wattline.doors.clock import BootClock, LoopClock


def test_world_time_is_boot_time_times_the_speed():
    before = time.clock_gettime(time.CLOCK_BOOTTIME)
    world = BootClock(10).now()
    after = time.clock_gettime(time.CLOCK_BOOTTIME)

    assert before * 10 <= world <= after * 10


@pytest.mark.parametrize("speed", [0, -1, float("nan")])
def test_a_speed_that_is_no_speed_is_refused(speed):
    with pytest.raises(ValueError, match="speed must be above zero"):
        BootClock(speed)


async def test_a_fast_clock_sleeps_for_less():
    clock = BootClock(1000)
    started = clock.now()
    await clock.sleep_until(started + 10)

    assert 10 <= clock.now() - started < 1000


@pytest.mark.looptime
async def test_an_event_ends_a_sleep_early():
    clock, nudge = LoopClock(), asyncio.Event()
    asyncio.get_running_loop().call_later(3, nudge.set)
    await clock.sleep_until(clock.now() + 60, or_set=nudge)

    assert clock.now() == pytest.approx(3)


@pytest.mark.looptime
async def test_without_the_event_the_sleep_lasts():
    clock = LoopClock()
    await clock.sleep_until(60, or_set=asyncio.Event())

    assert clock.now() == pytest.approx(60)
