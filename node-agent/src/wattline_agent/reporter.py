"""Writes the node's status where its orders come from: at once when an outcome changed, again when it failed."""

import logging
from collections.abc import Callable

from wattline.api.powernode import PowerNodeStatus
from wattline.doors.clock import Clock
from wattline.model.errors import ClusterError
from wattline_agent.orders import Orders
from wattline_agent.settings import DEFAULTS, Settings
from wattline_agent.status import Due

log = logging.getLogger("wattline-node-agent")


class Reporter:
    """Keeps the written status true; ``fresh`` makes it from what is known now, or none while nothing is."""

    def __init__(
        self,
        orders: Orders,
        clock: Clock,
        fresh: Callable[[], PowerNodeStatus | None],
        settings: Settings = DEFAULTS,
    ) -> None:
        self._settings = settings
        self._orders = orders
        self._clock = clock
        self._fresh = fresh
        self._due = Due(settings)
        self._object = ""
        self._complaint = ""

    async def run(self) -> None:
        """Write until cancelled."""
        wait_seconds = self._settings.report_again_seconds
        while True:
            now = self._clock.now()
            pause_seconds = self._settings.look_seconds
            if self._is_due(now):
                if await self.write():
                    wait_seconds = self._settings.report_again_seconds
                else:
                    pause_seconds, wait_seconds = (
                        wait_seconds,
                        min(2 * wait_seconds, self._settings.report_longest_seconds),
                    )
            await self._clock.sleep_until(self._clock.now() + pause_seconds)

    async def write(self) -> bool:
        """Write the status as it is; say False, and why once, if that is not possible."""
        fresh = self._fresh()
        if fresh is None:
            return False
        try:
            await self._orders.report(fresh)
        except ClusterError as error:
            if str(error) != self._complaint:
                self._complaint = str(error)
                log.warning("the status is not written: %s", error)
            return False
        self._complaint = ""
        self._due.wrote(fresh, self._clock.now())
        return True

    def _is_due(self, now: float) -> bool:
        order = self._orders.order
        if order is not None and order.uid != self._object:  # another object of our name has no status yet
            self._object, self._due = order.uid, Due(self._settings)
        fresh = self._fresh()
        return self._orders.looked and fresh is not None and self._due.now(fresh, now)
