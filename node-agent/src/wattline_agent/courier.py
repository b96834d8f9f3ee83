"""Brings the order and its lease to the device process: at once when they change, and once a second all the same."""

from wattline.doors.clock import Clock
from wattline_agent.channel import Channel
from wattline_agent.orders import Orders
from wattline_agent.settings import DEFAULTS, Settings


async def bring(orders: Orders, channel: Channel, clock: Clock, settings: Settings = DEFAULTS) -> None:
    """Tell until cancelled; a device process that was started again hears all of it within a second."""
    told: object = None
    told_at = float("-inf")
    while True:
        now = clock.now()
        seen = (orders.order, orders.lease)
        if orders.order is not None and (seen != told or now - told_at >= settings.tell_seconds):
            for each in seen:
                if each is not None:
                    channel.send(each.model_dump_json(by_alias=True))
            told, told_at = seen, now
        await clock.sleep_until(now + settings.look_seconds, or_set=orders.changed)
        orders.changed.clear()
