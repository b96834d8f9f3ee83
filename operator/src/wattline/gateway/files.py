"""Source of a box without a cluster: a folder of manifests, and the state folder for the agents' addresses."""

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from wattline.doors import state
from wattline.doors.clock import Clock
from wattline.doors.manifests import load, manifest_files
from wattline.gateway.served import Served
from wattline.model.errors import ClusterError, ManifestError
from wattline.model.state import NodeAnswer

log = logging.getLogger(__name__)


class FilesSource:
    """Manifests, looked at once a period."""

    engines_first = True
    known = True

    def __init__(
        self, manifests: Sequence[Path], state_folder: Path, clock: Clock, *, period_seconds: float
    ) -> None:
        self._manifests = manifests
        self._clock = clock
        self._period_seconds = period_seconds
        self._addresses = Addresses(state_folder)
        self._seen = state.marks(_files(manifests))

    def first(self) -> Served:
        """Return what the manifests declare, or raise `ManifestError`."""
        self._seen = state.marks(_files(self._manifests))
        return Served.of_fleet(load(self._manifests))

    async def changes(self, take: Callable[[Served], None]) -> None:
        """Take changes of the manifests, until cancelled; wrong ones are reported and change nothing."""
        while True:
            await self._clock.sleep_until(self._clock.now() + self._period_seconds)
            now = state.marks(_files(self._manifests))
            if now == self._seen:
                continue
            self._seen = now
            try:
                served = Served.of_fleet(load(self._manifests))
            except ManifestError as error:
                log.error("the manifests have problems, the last good ones stay in force:\n%s", error)  # noqa: TRY400 - the message is whole
            else:
                take(served)
                names = ", ".join(pool.name for pool in served.pools)
                log.info("manifests taken: %s", names or "no pools")

    def agents(self) -> Mapping[str, str]:
        """Return the address of every node's agent, by node."""
        return self._addresses.read()


class Addresses:
    """Where the agents of the nodes serve, as they say in the state folder."""

    def __init__(self, state_folder: Path) -> None:
        self._folder = state_folder / "powernodes"
        self._known: dict[Path, tuple[state.Mark, str, str]] = {}

    def read(self) -> dict[str, str]:
        """Return node and address of every agent; files are parsed only where they changed."""
        found: dict[Path, tuple[state.Mark, str, str]] = {}
        for path in sorted(self._folder.glob("*.status.yaml")):
            mark = state.mark(path)
            if mark is None:
                continue
            if path in self._known and self._known[path][0] == mark:
                found[path] = self._known[path]
                continue
            found[path] = (mark, "", "")
            try:
                answer = state.read(path, NodeAnswer)
            except ClusterError as error:
                log.warning("the readings of a node are left out: %s", error)
                continue
            if answer is not None:
                found[path] = (mark, answer.metadata.name, answer.status.address)
        self._known = found
        return {node: address for _, node, address in found.values() if address}


def _files(folders: Sequence[Path]) -> list[Path]:
    try:
        return list(manifest_files(folders))
    except OSError:
        return []
