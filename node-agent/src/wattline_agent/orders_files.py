"""Orders as files of a box's state folder: written by balance, replaced whole, looked at five times a second."""

import asyncio
import logging
from pathlib import Path

from wattline.api.base import Metadata
from wattline.api.powernode import PodGpus, PowerNode, PowerNodeStatus
from wattline.doors import state as files
from wattline.doors.clock import Clock
from wattline.model.errors import ClusterError
from wattline.model.state import Lease
from wattline_agent.messages import LeaseSeen, OrderSeen
from wattline_agent.settings import DEFAULTS, Settings
from wattline_agent.status import StatusFile

log = logging.getLogger("wattline-node-agent")


class FileOrders:
    """``STATE/powernodes/N.yaml``, ``STATE/leases/L.yaml``, and ``STATE/powernodes/N.status.yaml`` in answer."""

    def __init__(self, folder: Path, node: str, clock: Clock, settings: Settings = DEFAULTS) -> None:
        self._folder = folder
        self._settings = settings
        self._node = node
        self._clock = clock
        self._marks: dict[Path, files.Mark | None] = {}
        self._complaint = ""
        self.looked = True
        self.pods: tuple[PodGpus, ...] = ()
        self.told = self._found()
        self.changed = asyncio.Event()
        self.order: OrderSeen | None = None
        self.lease: LeaseSeen | None = None

    async def follow(self) -> None:
        """Look at both files again and again, until cancelled."""
        while True:
            now = self._clock.now()
            self.look()
            await self._clock.sleep_until(now + self._settings.look_seconds)

    def look(self) -> None:
        """Read what changed since the last look."""
        path = self._folder / "powernodes" / f"{self._node}.yaml"
        if self._changed(path):
            self._read_order(path)
        if self.order is not None and self.order.spec is not None:
            name = self.order.spec.lease.name
            path = self._folder / "leases" / f"{name}.yaml"
            if self._changed(path) or (self.lease is not None and self.lease.name != name):
                self._read_lease(path, name)

    async def report(self, status: PowerNodeStatus) -> None:
        """Replace the status file."""
        path = self._folder / "powernodes" / f"{self._node}.status.yaml"
        files.write(path, StatusFile(metadata=Metadata(name=self._node), status=status))

    def _found(self) -> PowerNodeStatus | None:
        try:
            found = files.read(self._folder / "powernodes" / f"{self._node}.status.yaml", StatusFile)
        except ClusterError:  # it is replaced by the first of ours
            return None
        return None if found is None else found.status

    def _read_order(self, path: Path) -> None:
        try:
            found = files.read(path, PowerNode)
        except ClusterError as error:
            self._complain(str(error))
            return
        if found is None:
            self.order = OrderSeen()
        else:
            meta = found.metadata
            self.order = OrderSeen(uid=meta.uid, generation=meta.generation, spec=found.spec)

    def _read_lease(self, path: Path, name: str) -> None:
        try:
            lease = files.read(path, Lease)
        except ClusterError as error:
            self._complain(str(error))
            return
        self.lease = (
            None if lease is None else LeaseSeen(name=name, renewals=lease.renewals, epoch=lease.epoch)
        )

    def _changed(self, path: Path) -> bool:
        seen = files.mark(path)
        if path in self._marks and self._marks[path] == seen:
            return False
        self._marks[path] = seen
        self.changed.set()
        return True

    def _complain(self, what: str) -> None:
        if what != self._complaint:
            self._complaint = what
            log.warning("%s; the last order stays", what)
