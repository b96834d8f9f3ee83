"""Statuses of users' objects, by server-side apply, and only when they say something new."""

from collections.abc import Callable
from typing import Any

from wattline.api.agentworkflow import AgentWorkflowStatus
from wattline.api.inferencepool import InferencePoolStatus
from wattline.api.powerdomain import PowerDomainStatus
from wattline.doors.clock import Clock
from wattline.doors.kube.client import Kube
from wattline.doors.kube.resources import Json, Resource

AGAIN_SECONDS = 60.0
MOVED_RATIO = 0.01
"""A status that differs in measured watts alone is written no more often than this, and only if one of them
moved by as much; ours, so that noise writes nothing."""

MEASURED = ("draw_watts",)
"""Fields of a status that never stand still."""

Status = PowerDomainStatus | InferencePoolStatus | AgentWorkflowStatus


class Statuses:
    """Writes the statuses of one leader; each write carries the version of the object it was decided on."""

    def __init__(self, kube: Kube, clock: Clock, check: Callable[[], None]) -> None:
        self._kube = kube
        self._clock = clock
        self._check = check
        self._written: dict[str, tuple[Status, float]] = {}
        """By uid: what we wrote last, and when."""

    async def write(self, resource: Resource, raw: Json, was: Status | None, now: Status) -> bool:
        """Write a status over ``was``, the one the object ``raw`` was read with; return whether it was worth it."""
        meta = raw["metadata"]
        _, at = self._written.get(meta["uid"], (None, float("-inf")))
        if was is not None and not _news(was, now, self._clock.now() - at):
            return False
        self._check()
        kept = ("name", "namespace", "uid", "resourceVersion")
        await self._kube.apply(
            resource,
            {
                "apiVersion": resource.api_version,
                "kind": resource.kind,
                "metadata": {key: meta[key] for key in kept if key in meta},
                "status": now.model_dump(mode="json", by_alias=True, exclude_none=True),
            },
            "status",
        )
        self._written[meta["uid"]] = (now, self._clock.now())
        return True

    def keep(self, uids: set[str]) -> None:
        """Forget objects that are gone."""
        self._written = {uid: last for uid, last in self._written.items() if uid in uids}


def _news(was: Status, now: Status, age_seconds: float) -> bool:
    """Whether a status is worth a write over the one that is there."""
    if was == now:
        return False
    if _still(was) != _still(now):
        return True
    return age_seconds >= AGAIN_SECONDS and any(
        _moved(getattr(was, name, None), getattr(now, name, None)) for name in MEASURED
    )


def _still(status: Status) -> Any:
    return status.model_copy(update=dict.fromkeys(MEASURED))


def _moved(was: float | None, now: float | None) -> bool:
    if was is None or now is None:
        return was is not now
    return abs(now - was) > MOVED_RATIO * max(abs(was), 1.0)
