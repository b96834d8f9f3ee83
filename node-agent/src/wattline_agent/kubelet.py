"""Asks the kubelet every few seconds which pod has which GPU, and DRA drivers' slices where a name needs them."""

import logging
from collections.abc import Awaitable, Callable, Collection
from pathlib import Path

from wattline.doors.clock import Clock
from wattline.model.errors import BackendError, ClusterError
from wattline_agent.podresources import ask
from wattline_agent.pods import Claimed, Kinds, Known, Mapped, PodDevices, Slices, mapped
from wattline_agent.settings import DEFAULTS, Settings

log = logging.getLogger("wattline-node-agent")

ReadSlices = Callable[[], Awaitable[Slices]]
"""The UUIDs that DRA drivers publish for this node; raises ClusterError."""


class Kubelet:
    """Who has which GPU, as last heard; what the kubelet does not say now stays as it was."""

    def __init__(
        self,
        path: Path,
        kinds: Kinds,
        clock: Clock,
        known: Callable[[], Known],
        read_slices: ReadSlices | None = None,
        settings: Settings = DEFAULTS,
    ) -> None:
        self._settings = settings
        self._path = path
        self._kinds = kinds
        self._clock = clock
        self._known = known
        self._read_slices = read_slices
        self._slices: Slices = {}
        self._slices_at = float("-inf")
        self._said: tuple[str, ...] = ()
        self.seen: Mapped | None = None
        """None until the kubelet has answered once."""

    async def follow(self) -> None:
        """Ask until cancelled."""
        while True:
            now = self._clock.now()
            known = self._known()
            if known:  # without a view of the devices no name leads anywhere
                await self._look(known, now)
            await self._clock.sleep_until(now + self._settings.kubelet_seconds)

    async def _look(self, known: Known, now: float) -> None:
        try:
            pods = await ask(self._path, self._settings.kubelet_hang_wall_seconds)
        except BackendError as error:
            self._say((str(error),))
            return
        if self._lacks_slices(pods) and now - self._slices_at >= self._settings.slices_seconds:
            await self._learn_slices(now)
        seen = mapped(pods, known, self._kinds, self._slices)
        if seen != self.seen:  # the same object is told apart from another one at no cost
            self.seen = seen
        self._say(seen.unmapped)

    def _lacks_slices(self, pods: Collection[PodDevices]) -> bool:
        return any(
            isinstance(device, Claimed) and (device.driver, device.pool, device.name) not in self._slices
            for pod in pods
            for device in pod.devices
        )

    async def _learn_slices(self, now: float) -> None:
        if self._read_slices is None:
            return
        self._slices_at = now
        try:
            self._slices = await self._read_slices()
        except ClusterError as error:
            log.warning("the slices of DRA drivers cannot be read: %s", error)

    def _say(self, what: tuple[str, ...]) -> None:
        for each in what:
            if each not in self._said:
                log.warning("%s", each)
        self._said = what
