"""Events of events.k8s.io: what people should see beside an object, said once and counted after that."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

from wattline.doors.clock import Clock
from wattline.doors.kube.client import Kube
from wattline.doors.kube.errors import Conflict, NotFound
from wattline.doors.kube.resources import EVENTS, Json

SERIES_SECONDS = 300.0
"""The same said again is counted on the server no more often than this."""

FORGET_SECONDS = 3600.0
"""The server forgets an Event after an hour; what was not said for that long is news."""

MOST_NOTE_BYTES = 1024
"""What the API takes of a note."""


@dataclass(slots=True)
class _Said:
    event: Json
    count: int
    written_seconds: float
    again_seconds: float


class Events:
    """Writes Events; the same thing said again about the same object becomes a series."""

    def __init__(
        self, kube: Kube, clock: Clock, *, controller: str, instance: str, stamp: Callable[[], str]
    ) -> None:
        self._kube = kube
        self._clock = clock
        self._controller = controller
        self._instance = instance
        self._stamp = stamp
        self._said: dict[str, _Said] = {}

    async def say(self, regarding: Json, reason: str, message: str, *, warning: bool, action: str) -> None:
        """Say something about an object, ``regarding`` being its apiVersion, kind, name, namespace and uid."""
        now = self._clock.now()
        self._said = {k: s for k, s in self._said.items() if now - s.again_seconds < FORGET_SECONDS}
        name = self._name(regarding, reason, message)
        said = self._said.get(name)
        if said is None:
            event = self._event(name, regarding, reason, message, warning=warning, action=action)
            self._said[name] = await self._first(event, now)
            return
        said.count += 1
        said.again_seconds = now
        if now - said.written_seconds >= SERIES_SECONDS:
            await self._count(name, said, now)

    async def _first(self, event: Json, now: float) -> _Said:
        """Write an Event; one that a predecessor wrote is taken up."""
        namespace = event["metadata"]["namespace"]
        try:
            made = await self._kube.create(EVENTS, event, namespace)
        except Conflict:
            made = await self._kube.get(EVENTS, event["metadata"]["name"], namespace)
        count = int((made.get("series") or {}).get("count", 1))
        return _Said(made, count, now, now)

    async def _count(self, name: str, said: _Said, now: float) -> None:
        meta = said.event["metadata"]
        series = {"count": max(2, said.count), "lastObservedTime": self._stamp()}
        said.written_seconds = now
        try:
            await self._kube.merge(EVENTS, meta["name"], {"series": series}, meta["namespace"])
        except NotFound:
            del self._said[name]  # the server has forgotten it: the next time is the first

    def _name(self, regarding: Json, reason: str, message: str) -> str:
        told = "\n".join((str(regarding.get("uid")), regarding["kind"], reason, message, self._controller))
        return f"{regarding['name'][:200]}.{hashlib.sha256(told.encode()).hexdigest()[:16]}"

    def _event(
        self, name: str, regarding: Json, reason: str, message: str, *, warning: bool, action: str
    ) -> Json:
        return {
            "apiVersion": EVENTS.api_version,
            "kind": EVENTS.kind,
            "metadata": {"name": name, "namespace": regarding.get("namespace") or "default"},
            "eventTime": self._stamp(),
            "reportingController": self._controller,
            "reportingInstance": self._instance[:128],
            "action": action,
            "reason": reason,
            "type": "Warning" if warning else "Normal",
            "note": _note(message),
            "regarding": regarding,
        }


def _note(message: str) -> str:
    """Return a message, cut where it is longer than a note may be."""
    text = message.encode()
    if len(text) <= MOST_NOTE_BYTES:
        return message
    return text[: MOST_NOTE_BYTES - 3].decode(errors="ignore") + "…"
