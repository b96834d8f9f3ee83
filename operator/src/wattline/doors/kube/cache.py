"""A copy of all objects of one kind, kept by list and watch; only what is asked for is kept of each."""

import random
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from typing import Any, Generic, TypeVar

from wattline.doors.clock import Clock
from wattline.doors.kube.client import Kube
from wattline.doors.kube.errors import Away, Gone, Invalid, NotFound, refused
from wattline.doors.kube.resources import Json, Resource, key_of
from wattline.model.errors import ClusterError

T = TypeVar("T")

FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.5, 15.0
"""Pauses between attempts to reach the server, doubling, each times a random number between a half and one."""

INITIAL_EVENTS_END = "k8s.io/initial-events-end"


class Cache(Generic[T]):
    """Objects of one kind as last heard; `run` keeps them until cancelled.

    ``project`` makes of an object what is kept of it, or None to leave it out. ``on_change`` is told the key, what
    was kept before and what is now, whenever the two differ; not for the first list.
    """

    def __init__(
        self,
        kube: Kube,
        resource: Resource,
        project: Callable[[Json], T | None],
        clock: Clock,
        *,
        namespace: str | None = None,
        labels: str = "",
        fields: str = "",
        on_change: Callable[[str, T | None, T | None], None] = lambda key, was, now: None,  # noqa: ARG005 - nobody listens
        on_synced: Callable[[], None] = lambda: None,
        rng: random.Random | None = None,
    ) -> None:
        self.resource = resource
        self.synced = False
        """Whether everything was there once."""
        self.absent = False
        """Whether the server does not know the kind."""
        self.problem = ""
        """Why the watch is broken now; empty while it runs."""
        self._kube = kube
        self._project = project
        self._clock = clock
        self._namespace = namespace
        self._select = {"labelSelector": labels, "fieldSelector": fields}
        self._on_change = on_change
        self._on_synced = on_synced
        self._rng = rng or random.Random()
        self._items: dict[str, T] = {}
        self._version = ""
        self._streams_lists = True
        self._broken_since: float | None = None

    @property
    def items(self) -> Mapping[str, T]:
        """What is kept, by namespace/name or name; read it only when `synced`."""
        return self._items

    def broken_seconds(self) -> float:
        """Return for how long the watch has been broken; 0 while it runs."""
        return 0.0 if self._broken_since is None else self._clock.now() - self._broken_since

    async def run(self) -> None:
        """List and watch until cancelled."""
        pause = FIRST_PAUSE_SECONDS
        while True:
            heard = False
            try:
                async with aclosing(self._events()) as events:
                    async for _ in events:
                        heard = True
            except Gone:
                self._version = ""
            except ClusterError as error:
                self.problem, self.absent = str(error), isinstance(error, NotFound)
                if not isinstance(error, Away):
                    self._version = ""
            else:
                if heard:
                    continue  # the server ends every watch after some minutes
            if self._broken_since is None:
                self._broken_since = self._clock.now()
            pause = FIRST_PAUSE_SECONDS if heard else pause
            await self._clock.sleep_until(self._clock.now() + pause * self._rng.uniform(0.5, 1.0))
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)

    async def _events(self) -> AsyncGenerator[None, None]:
        """Take in one list and watch, or go on from the last version; yield at everything heard."""
        query = {name: value for name, value in self._select.items() if value}
        query["allowWatchBookmarks"] = "true"
        fresh: dict[str, T] | None = None
        if self._version:
            query["resourceVersion"] = self._version
        elif self._streams_lists:
            query |= {"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan"}
            fresh = {}
        else:
            await self._list()
            yield
            query["resourceVersion"] = self._version
        try:
            async with aclosing(
                self._kube.watch(self.resource, self._namespace, query, self._opened)
            ) as events:
                async for event in events:
                    fresh = self._take(event, fresh)
                    yield
        except Invalid:
            if fresh is None:
                raise
            self._streams_lists = False  # an API server without WatchList
            await self._list()
            yield

    def _opened(self) -> None:
        self._broken_since, self.problem, self.absent = None, "", False

    async def _list(self) -> None:
        fresh: dict[str, T] = {}
        version = ""
        selected = self._kube.pages(
            self.resource,
            self._namespace,
            labels=self._select["labelSelector"],
            fields=self._select["fieldSelector"],
        )
        async for page in selected:
            version = page["metadata"]["resourceVersion"]
            for thing in page["items"]:
                kept = self._project(thing)
                if kept is not None:
                    fresh[key_of(thing)] = kept
        self._version = version
        self._swap(fresh)

    def _take(self, event: Json, fresh: dict[str, T] | None) -> dict[str, T] | None:
        """Take an event in; return the list being streamed, while it is."""
        thing = event["object"]
        match event["type"]:
            case "BOOKMARK":
                self._version = thing["metadata"]["resourceVersion"]
                marks: Mapping[str, Any] = thing["metadata"].get("annotations") or {}
                if fresh is not None and marks.get(INITIAL_EVENTS_END) == "true":
                    self._swap(fresh)
                    return None
            case "ERROR":
                raise refused(
                    int(thing.get("code", 500)),
                    f"watch {self.resource.plural}",
                    str(thing.get("message", "")),
                )
            case kind:
                kept = None if kind == "DELETED" else self._project(thing)
                if fresh is not None:
                    if kept is not None:
                        fresh[key_of(thing)] = kept
                    return fresh
                self._version = thing["metadata"]["resourceVersion"]
                self._keep(key_of(thing), kept)
        return fresh

    def _swap(self, fresh: dict[str, T]) -> None:
        """Put a new list in the place of the old one."""
        if not self.synced:
            self._items, self.synced = fresh, True
            self._on_synced()
            return
        for key in [key for key in self._items if key not in fresh]:
            self._keep(key, None)
        for key, kept in fresh.items():
            self._keep(key, kept)

    def _keep(self, key: str, now: T | None) -> None:
        was = self._items.get(key)
        if now is None:
            self._items.pop(key, None)
        else:
            self._items[key] = now
        if was != now:
            self._on_change(key, was, now)
