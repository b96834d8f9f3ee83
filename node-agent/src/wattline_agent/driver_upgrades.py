"""Whether the GPU operator wants the driver for itself, as the labels of the node say it.

Before NVIDIA's k8s-driver-manager unloads the driver it sets every label ``nvidia.com/gpu.deploy.*`` of the node from
``true`` to ``paused-for-driver-upgrade``, waits for the operator's own pods to end, and sets them back when the driver
is unloaded or the attempt has failed (k8s-driver-manager, ``maybeSetPaused`` and ``maybeSetTrue``). MIG manager and vGPU
device manager do the same with ``paused-for-mig-change`` and ``paused-for-vgpu-change``. So a value that contains
``paused-for-`` is the request to let go, and its end the permission to come back.

``nvidia.com/gpu-driver-upgrade-state`` is the upgrade controller's step. It begins before and ends after the pause,
while workloads may still compute, so it takes nobody's hands off the driver: it only makes new work wait.
"""

import asyncio
import logging
from collections.abc import Mapping
from typing import Any

from wattline.doors.clock import Clock
from wattline.doors.kube.cache import Cache
from wattline.doors.kube.client import Kube
from wattline.doors.kube.resources import NODES
from wattline_agent.pauses import GPU_OPERATOR, Pauses
from wattline_agent.settings import DEFAULTS, Settings

log = logging.getLogger("wattline-node-agent")

DEPLOY = "nvidia.com/gpu.deploy."
STATE = "nvidia.com/gpu-driver-upgrade-state"
PAUSED = "paused-for-"
AT_REST = frozenset({"", "upgrade-required", "upgrade-done", "upgrade-failed"})
"""Steps in which the upgrade controller does nothing to the node (k8s-operator-libs, ``pkg/upgrade/consts.go``)."""


def kept(node: Mapping[str, Any]) -> dict[str, str]:
    """Return the labels of a Node that say something of its driver."""
    labels: Mapping[str, str] = node["metadata"].get("labels") or {}
    return {name: value for name, value in sorted(labels.items()) if name == STATE or name.startswith(DEPLOY)}


def pausing(labels: Mapping[str, str]) -> str:
    """Return why the driver is to be let go, one CamelCase word first; empty if it is not."""
    for name, value in sorted(labels.items()):
        if name.startswith(DEPLOY) and PAUSED in value:
            return f"DriverUpgrade: {name} is {value}"
    return ""


def upgrading(labels: Mapping[str, str]) -> str:
    """Return why new work must wait for the driver; empty if it need not."""
    state = labels.get(STATE, "")
    return "" if state in AT_REST else f"DriverUpgrade: {STATE} is {state}"


class DriverUpgrades:
    """Follows the labels of the node and keeps the operator's pause as they say.

    While the API server is away the last labels count: a driver that is being unloaded is not opened on a guess.
    """

    def __init__(
        self, kube: Kube, node: str, pauses: Pauses, clock: Clock, settings: Settings = DEFAULTS
    ) -> None:
        self._node = node
        self._pauses = pauses
        self._clock = clock
        self._settings = settings
        self._stirred = asyncio.Event()
        """Set when the labels are known or others."""
        self._labels = Cache(
            kube,
            NODES,
            kept,
            clock,
            fields=f"metadata.name={node}",
            on_change=lambda *_: self._stirred.set(),
            on_synced=self._stirred.set,
        )
        self._complaint = ""

    def upgrading(self) -> str:
        """Return why new work must wait for the driver; empty if it need not."""
        return upgrading(self._labels.items.get(self._node, {}))

    async def follow(self) -> None:
        """Watch until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._labels.run())
            while True:
                self._complain(
                    f"the labels of node {self._node} are not known: {self._labels.problem}"
                    if self._labels.problem
                    else self._kept_up()
                )
                self._stirred.clear()
                await self._clock.sleep_until(
                    self._clock.now() + self._settings.tell_seconds, or_set=self._stirred
                )

    def _kept_up(self) -> str:
        """Have the pause as the labels say; return what is wrong."""
        if not self._labels.synced:
            return ""
        reason = pausing(self._labels.items.get(self._node, {}))
        try:
            if reason:
                self._pauses.ask(GPU_OPERATOR, reason)
            else:
                self._pauses.end(GPU_OPERATOR)
        except OSError as error:
            return f"the pause for a driver upgrade cannot be noted: {error}"
        return ""

    def _complain(self, what: str) -> None:
        if what and what != self._complaint:
            log.warning("%s", what)
        self._complaint = what
