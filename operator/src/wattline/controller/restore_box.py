"""The orders of a box, all of them released."""

from dataclasses import dataclass
from pathlib import Path

from wattline.controller.restore import is_back, released, unpromised
from wattline.doors import state as folder
from wattline.doors.files import FilesCluster, status_path
from wattline.doors.overview import node_files, overview


@dataclass(frozen=True, slots=True)
class BoxOrders:
    """Orders in a state folder. Its user holds the folder, so that no loop takes a node back meanwhile."""

    state: Path
    at: str
    """The time conditions carry."""

    async def release(self) -> tuple[str, ...]:
        """Call no domain enforced, order every node to put its GPUs back; return the nodes."""
        seen = overview(self.state)
        epoch = folder.next_epoch(self.state, above=seen.highest_epoch)
        cluster = FilesCluster([], self.state, epoch=epoch)
        for domain in seen.domains:
            folder.write(status_path(self.state, domain), unpromised(domain, self.at))
        ordered = [(node.name, node.order.spec) for node in seen.nodes if node.order is not None]
        for name, spec in ordered:
            await cluster.order(name, released(spec, epoch))
        return tuple(name for name, _ in ordered)

    async def restored(self, node: str) -> bool:
        """Whether a node has answered that its GPUs are back."""
        now = node_files(self.state, node)
        return is_back(now.order, now.answer)
