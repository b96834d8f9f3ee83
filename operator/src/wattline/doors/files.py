"""The files door: a folder of manifests, and a state folder with what the loop and the agents say.

``STATE/powernodes/N.yaml`` is written here, ``N.status.yaml`` by node N's agent; statuses of the user's objects
stand in ``STATE/<plural>/``, never beside the manifests; ``STATE/leases/<root domain>.yaml`` counts renewals.
"""

import asyncio
import os
import uuid
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from wattline.api.agentworkflow import AgentWorkflow, AgentWorkflowStatus
from wattline.api.base import Metadata
from wattline.api.inferencepool import InferencePool, InferencePoolStatus
from wattline.api.powerdomain import PowerDomain, PowerDomainStatus
from wattline.api.powernode import PowerNode, PowerNodeSpec
from wattline.doors import state as folder
from wattline.doors.clock import Clock
from wattline.doors.manifests import load, manifest_files
from wattline.doors.overview import node_files, node_names
from wattline.model.actions import Action
from wattline.model.cluster import ClusterView, NodeView
from wattline.model.errors import ClusterError, ManifestError
from wattline.model.fleet import Fleet, full_name
from wattline.model.state import Lease

WATCH_SECONDS = 0.2
"""How often files are looked at, in world seconds."""

Declared = TypeVar("Declared", PowerDomain, InferencePool, AgentWorkflow)


def _new_uid() -> str:
    return str(uuid.uuid4())


class FilesCluster:
    """Objects in a folder of manifests and a state folder, for the one process that holds the folder's lock."""

    def __init__(
        self, manifests: Sequence[Path], state: Path, *, epoch: int, new_uid: Callable[[], str] = _new_uid
    ) -> None:
        self._manifests = manifests
        self._state = state
        self._epoch = epoch
        self._new_uid = new_uid
        self._fleet = Fleet()
        self._declared: tuple[frozenset[tuple[Path, folder.Mark]], Fleet] | None = None

    async def snapshot(self) -> ClusterView:
        """Return everything there is, without the agents' readings, or raise `ClusterError`."""
        declared = self._load()
        domains = {
            d.metadata.name: folder.read(status_path(self._state, d), PowerDomain) for d in declared.domains
        }
        pools = {
            full_name(p): folder.read(status_path(self._state, p), InferencePool) for p in declared.pools
        }
        workflows = {
            full_name(w): folder.read(status_path(self._state, w), AgentWorkflow) for w in declared.workflows
        }
        self._fleet = Fleet(
            tuple(_counted(domain, domains[domain.metadata.name]) for domain in declared.domains),
            tuple(_counted(pool, pools[full_name(pool)]) for pool in declared.pools),
            tuple(_told(workflow, workflows[full_name(workflow)]) for workflow in declared.workflows),
        )
        return ClusterView(
            fleet=self._fleet,
            epoch=self._epoch,
            nodes={name: self._node(name) for name in sorted({*declared.nodes(), *node_names(self._state)})},
            domains={name: was.status for name, was in domains.items() if was is not None and was.status},
            pools={name: was.status for name, was in pools.items() if was is not None and was.status},
        )

    async def report(
        self,
        domains: Mapping[str, PowerDomainStatus],
        pools: Mapping[str, InferencePoolStatus],
        workflows: Mapping[str, AgentWorkflowStatus],
    ) -> None:
        """Write the statuses of the declared objects, and take away those of objects that are gone."""
        written: set[Path] = set()
        for domain in self._fleet.domains:
            written.add(status_path(self._state, domain))
            folder.write(
                status_path(self._state, domain),
                domain.model_copy(update={"status": domains[domain.metadata.name]}),
            )
        for pool in self._fleet.pools:
            written.add(status_path(self._state, pool))
            folder.write(
                status_path(self._state, pool), pool.model_copy(update={"status": pools[full_name(pool)]})
            )
        for workflow in self._fleet.workflows:
            written.add(status_path(self._state, workflow))
            now = workflow.model_copy(update={"status": workflows[full_name(workflow)]})
            folder.write(status_path(self._state, workflow), now)
        for plural in (PowerDomain.plural, InferencePool.plural, AgentWorkflow.plural):
            for path in (self._state / plural).rglob("*.status.yaml"):
                if path not in written:
                    path.unlink(missing_ok=True)

    async def order(self, node: str, spec: PowerNodeSpec) -> bool:
        """Write a node's order if it differs from the last; return whether it did."""
        path = self._state / PowerNode.plural / f"{node}.yaml"
        was = folder.read(path, PowerNode)
        if was is not None and was.spec == spec:
            return False
        meta = (
            Metadata(name=node, generation=1, uid=self._new_uid())
            if was is None
            else was.metadata.model_copy(update={"generation": was.metadata.generation + 1})
        )
        folder.write(path, PowerNode(metadata=meta, spec=spec), durable=True)
        return True

    async def perform(self, actions: Sequence[Action]) -> None:
        """Do nothing: a box has no pods, labels or taints, and what people should see stands in the journal."""

    async def renew(self, lease: str) -> None:
        """Count one more renewal of a root domain's lease."""
        path = self._state / "leases" / f"{lease}.yaml"
        was = folder.read(path, Lease) or Lease()
        folder.write(
            path, Lease(renewals=was.renewals + 1, holder=f"wattline-{os.getpid()}", epoch=self._epoch)
        )

    def _load(self) -> Fleet:
        """Return what is declared; files that did not change since are not read again."""
        marks = folder.marks(manifest_files(self._manifests))
        if self._declared is not None and self._declared[0] == marks:
            return self._declared[1]
        try:
            fleet = load(self._manifests)
        except ManifestError as error:
            raise ClusterError(f"the manifests have problems:\n{error}") from error
        self._declared = marks, fleet
        return fleet

    def _node(self, name: str) -> NodeView:
        files = node_files(self._state, name)
        if files.order is None:
            return NodeView(name, status=files.answer)
        return NodeView(name, files.order.spec, files.order.metadata.generation, files.answer)


def status_path(state: Path, thing: PowerDomain | InferencePool | AgentWorkflow) -> Path:
    """Return where the status of a declared object stands."""
    place = state / thing.plural
    if thing.metadata.namespace is not None:
        place /= thing.metadata.namespace
    return place / f"{thing.metadata.name}.status.yaml"


async def watch(
    manifests: Sequence[Path],
    state: Path,
    clock: Clock,
    nudge: asyncio.Event,
    *,
    every_seconds: float = WATCH_SECONDS,
) -> None:
    """Set ``nudge`` whenever a manifest or an agent's answer changes, until cancelled.

    Polls times of change: five looks a second at a handful of files cost nothing, and work on every file system.
    """
    seen = _marks(manifests, state)
    while True:
        await clock.sleep_until(clock.now() + every_seconds)
        now = _marks(manifests, state)
        if now != seen:
            nudge.set()
        seen = now


def _marks(manifests: Sequence[Path], state: Path) -> frozenset[tuple[Path, folder.Mark]]:
    return folder.marks([*manifest_files(manifests), *(state / PowerNode.plural).glob("*.status.yaml")])


def _counted(thing: Declared, was: Declared | None) -> Declared:
    """Return the object with its generation: one more than last time if its spec changed."""
    generation = 1 if was is None else was.metadata.generation + (was.spec != thing.spec)
    return thing.model_copy(update={"metadata": thing.metadata.model_copy(update={"generation": generation})})


def _told(workflow: AgentWorkflow, was: AgentWorkflow | None) -> AgentWorkflow:
    """Return the workflow with its generation and what was last said of it."""
    return _counted(workflow, was).model_copy(update={"status": None if was is None else was.status})
