"""A Kubernetes API server in this process, over a real socket, with state: for tests of everything that speaks to one.

``async with FakeApiServer() as server:`` and connect with `server.access()` (wattline.doors.kube) or by `server.url`.
It does what our clients depend on: list in pages, watch from a version with bookmarks and initial events, 410 after
`expire()`, merge and JSON patch, server-side apply with force, conflicts on resourceVersion and uid, the status and
scale subresources, delete with preconditions, discovery. It checks no schema and knows no RBAC. Faults on demand:
`refuse`, `hold`, `slow_seconds`, `drop_watches`, `expire`, and `stop` / `start` on the same port (a restart).
Objects are put in and read back with `put`, `get`, `all` and `remove`; `log` has every request.
"""

import asyncio
import contextlib
import json
import re
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from tests.fakes.objects import Objects, Refused, dumps, field_selects, selects

WATTLINE = "apis/wattline.dev/v1alpha1"
KINDS: dict[str, tuple[str, bool]] = {
    "api/v1/namespaces": ("Namespace", False),
    "api/v1/nodes": ("Node", False),
    "api/v1/pods": ("Pod", True),
    "api/v1/services": ("Service", True),
    "api/v1/configmaps": ("ConfigMap", True),
    "api/v1/secrets": ("Secret", True),
    "apis/apps/v1/deployments": ("Deployment", True),
    "apis/apps/v1/statefulsets": ("StatefulSet", True),
    "apis/batch/v1/jobs": ("Job", True),
    "apis/coordination.k8s.io/v1/leases": ("Lease", True),
    "apis/discovery.k8s.io/v1/endpointslices": ("EndpointSlice", True),
    "apis/events.k8s.io/v1/events": ("Event", True),
    f"{WATTLINE}/agentworkflows": ("AgentWorkflow", True),
    f"{WATTLINE}/inferencepools": ("InferencePool", True),
    f"{WATTLINE}/powerdomains": ("PowerDomain", False),
    f"{WATTLINE}/powernodes": ("PowerNode", False),
}
"""Resources that are served from the start: kind, and whether it is namespaced. `serve` adds more."""

PATH = re.compile(
    r"^(api/v1|apis/[^/]+/[^/]+)(?:/namespaces/([^/]+)(?=/))?/([^/]+)(?:/([^/]+))?(?:/([^/]+))?$"
)

PROXY = re.compile(r"^api/v1/namespaces/[^/]+/pods/([^/]+)/proxy/(.+)$")


@dataclass
class Request:
    """One request as it came in, and what was answered."""

    method: str
    path: str
    query: dict[str, str]
    body: Any
    agent: str = ""
    """What the client calls itself."""
    code: int = 0


@dataclass
class _Fault:
    method: str
    path: re.Pattern[str]
    times: int
    code: int = 0
    reason: str = ""
    message: str = ""
    wait: asyncio.Event | None = None
    after: bool = False
    reached: asyncio.Event = field(default_factory=asyncio.Event)


class FakeApiServer:
    """See the module."""

    def __init__(self, *, watch_list: bool = True) -> None:
        self.objects = Objects()
        self.kinds = dict(KINDS)
        self.watch_list = watch_list
        """Whether watches may begin with the initial events; an older server refuses that with 422."""
        self.slow_seconds = 0.0
        self.bookmark_seconds = 0.2
        self.log: list[Request] = []
        self.token: str | None = None
        """If set, requests need it as a bearer token."""
        self.port = 0
        self.answers: dict[tuple[str, str], Any] = {}
        """What pods answer through the proxy, by pod (NAME:PORT) and path; a function of request and body makes it anew."""
        self._faults: list[_Fault] = []
        self._runner: web.AppRunner | None = None
        self._drop = asyncio.Event()

    # for tests

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def put(self, thing: dict[str, Any]) -> dict[str, Any]:
        """Create an object, or replace it, status included."""
        resource, namespace, name = self._place(thing)
        if (resource, namespace, name) not in self.objects.by_key:
            return self.objects.create(resource, namespace, thing)
        body = {**thing, "metadata": {k: v for k, v in thing["metadata"].items() if k != "resourceVersion"}}
        self.objects.replace(resource, namespace, name, body)
        return (
            self.objects.replace(resource, namespace, name, body, "status")
            if "status" in thing
            else self.get(thing["kind"], name, namespace)
        )

    def get(self, kind: str, name: str, namespace: str = "") -> dict[str, Any]:
        return self.objects.get(self._resource(kind), namespace, name)

    def all(self, kind: str, namespace: str = "") -> list[dict[str, Any]]:
        return self.objects.all(self._resource(kind), namespace)

    def remove(self, kind: str, name: str, namespace: str = "") -> None:
        self.objects.delete(self._resource(kind), namespace, name, {})

    def patch(self, kind: str, name: str, patch: dict[str, Any], namespace: str = "", part: str = "") -> None:
        """Merge into an object, or its status."""
        self.objects.merge(self._resource(kind), namespace, name, patch, part)

    def serve(self, resource: str, kind: str, *, namespaced: bool = True) -> None:
        """Serve one more resource, e.g. apis/leaderworkerset.x-k8s.io/v1/leaderworkersets."""
        self.kinds[resource] = (kind, namespaced)

    def refuse(
        self,
        code: int,
        reason: str = "",
        message: str = "",
        *,
        method: str = "",
        path: str = "",
        times: int = 1,
    ) -> None:
        """Answer the next ``times`` requests that match with a refusal."""
        self._faults.append(
            _Fault(method, re.compile(path), times, code, reason or str(code), message or "told to")
        )

    def hold(self, *, method: str = "", path: str = "", after: bool = False) -> _Fault:
        """Hold the next request that matches, before it takes effect or ``after``; `.reached` tells that it is
        there, `.wait.set()` lets it go.
        """
        held = _Fault(method, re.compile(path), 1, wait=asyncio.Event(), after=after)
        self._faults.append(held)
        return held

    def drop_watches(self) -> None:
        """Close every watch."""
        self._drop.set()
        self._drop = asyncio.Event()

    def expire(self) -> None:
        """Forget the past and close every watch: what they come back with is too old (410)."""
        self.objects.version += 1
        self.objects.compact()
        self.drop_watches()

    def requests(self, method: str = "", path: str = "") -> list[Request]:
        """Return the requests that match."""
        return [r for r in self.log if method in ("", r.method) and re.search(path, r.path)]

    async def start(self) -> None:
        app = web.Application(client_max_size=16 * 2**20)
        app.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port, reuse_address=True)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Go away, with open connections; state stays."""
        self.drop_watches()
        if self._runner is not None:
            await self._runner.cleanup()
        self._runner = None

    async def __aenter__(self) -> "FakeApiServer":
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    # HTTP

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        text = await request.text()
        body = json.loads(text) if text else None
        seen = Request(
            request.method, request.path, dict(request.query), body, request.headers.get("User-Agent", "")
        )
        self.log.append(seen)
        if self.slow_seconds:
            await asyncio.sleep(self.slow_seconds)
        try:
            fault = self._checked(request)
            if fault is not None and not fault.after:
                await _held(fault)
            answer = await self._answer(request, body, seen)
            if fault is not None and fault.after:
                await _held(fault)
        except Refused as refused:
            seen.code = refused.code
            return _json(_status(refused), refused.code)
        return answer

    def _checked(self, request: web.Request) -> _Fault | None:
        """Return the fault that a request is to meet, or refuse it."""
        if self.token is not None and request.headers.get("Authorization") != f"Bearer {self.token}":
            raise Refused(401, "Unauthorized", "Unauthorized")
        fault = self._fault(request)
        if fault is not None and fault.code:
            raise Refused(fault.code, fault.reason, fault.message)
        return fault

    def _fault(self, request: web.Request) -> _Fault | None:
        for fault in self._faults:
            if fault.times and fault.method in ("", request.method) and fault.path.search(request.path):
                fault.times -= 1
                return fault
        return None

    async def _answer(self, request: web.Request, body: Any, seen: Request) -> web.StreamResponse:
        path = request.path.strip("/")
        if (known := self._discovery(path)) is not None:
            seen.code = 200
            return _json(known)
        if (proxied := PROXY.match(path)) is not None:
            if (proxied[1], proxied[2]) not in self.answers:
                raise Refused(503, "ServiceUnavailable", f"no endpoints available for {proxied[1]}")
            seen.code = 200
            answer = self.answers[proxied[1], proxied[2]]
            return _json(answer(request, body) if callable(answer) else answer)
        match = PATH.match(path)
        if match is None:
            raise Refused(404, "NotFound", "the server could not find the requested resource")
        group, namespace, plural, name, part = (each or "" for each in match.groups())
        resource = f"{group}/{plural}"
        if resource not in self.kinds:
            raise Refused(404, "NotFound", "the server could not find the requested resource")
        if request.method == "GET" and request.query.get("watch") in ("true", "1"):
            seen.code = 200
            return await self._watch(request, resource, namespace)
        code, answer = self._do(request, resource, namespace, name, part, body)
        seen.code = code
        return _json(answer, code)

    def _do(
        self, request: web.Request, resource: str, namespace: str, name: str, part: str, body: Any
    ) -> tuple[int, Any]:
        objects, kind = self.objects, request.headers.get("Content-Type", "")
        if part == "scale":
            return 200, self._scale(request.method, resource, namespace, name, body)
        match request.method:
            case "GET" if name:
                return 200, objects.get(resource, namespace, name)
            case "GET":
                return 200, self._list(request, resource, namespace)
            case "POST":
                return 201, objects.create(resource, namespace, body)
            case "PUT":
                return 200, objects.replace(resource, namespace, name, body, part)
            case "PATCH" if "apply" in kind:
                manager = request.query.get("fieldManager")
                if not manager:
                    raise Refused(422, "Invalid", "fieldManager is required for apply patch")
                made, new = objects.apply(resource, namespace, name, body, manager, part)
                return (201 if new else 200), made
            case "PATCH" if "json-patch" in kind:
                return 200, objects.jump(resource, namespace, name, body, part)
            case "PATCH":
                return 200, objects.merge(resource, namespace, name, body, part)
            case "DELETE":
                return 200, objects.delete(resource, namespace, name, (body or {}).get("preconditions", {}))
        raise Refused(405, "MethodNotAllowed", "the server does not allow this method")

    def _list(self, request: web.Request, resource: str, namespace: str) -> dict[str, Any]:
        query = request.query
        chosen = [t for t in self.objects.all(resource, namespace) if _wanted(query, t)]
        at, version = 0, str(self.objects.version)
        if token := query.get("continue"):
            version, _, start = token.partition(":")
            at = int(start)
            if int(version) < self.objects.compacted:
                raise Refused(410, "Expired", "The provided continue parameter is too old")
        limit = int(query.get("limit", 0))
        page = chosen[at : at + limit] if limit else chosen
        left = limit and at + limit < len(chosen)
        meta = {"resourceVersion": version} | ({"continue": f"{version}:{at + limit}"} if left else {})
        group = resource.rpartition("/")[0]
        items = [{k: v for k, v in each.items() if k not in ("apiVersion", "kind")} for each in page]
        return {
            "apiVersion": _group(group),
            "kind": f"{self.kinds[resource][0]}List",
            "metadata": meta,
            "items": items,
        }

    async def _watch(self, request: web.Request, resource: str, namespace: str) -> web.StreamResponse:
        query, objects = request.query, self.objects
        initial = query.get("sendInitialEvents") == "true"
        if initial and not self.watch_list:
            raise Refused(
                422,
                "Invalid",
                "sendInitialEvents: Forbidden: sendInitialEvents is forbidden for watch unless the WatchList feature gate is enabled",
            )
        since = int(query.get("resourceVersion") or objects.version)
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        drop = self._drop
        if not initial and since < objects.compacted:
            gone = Refused(410, "Expired", f"too old resource version: {since} ({objects.compacted})")
            await response.prepare(request)
            await response.write(dumps({"type": "ERROR", "object": _status(gone)}) + b"\n")
            return response
        await response.prepare(request)
        if initial:
            since, here = objects.version, [t for t in objects.all(resource, namespace) if _wanted(query, t)]
            for thing in here:
                await response.write(dumps({"type": "ADDED", "object": thing}) + b"\n")
            await response.write(self._bookmark(resource, since, {"k8s.io/initial-events-end": "true"}))
        else:
            here = [t for t in objects.all_at(since, resource, namespace) if _wanted(query, t)]
        known = {_name(thing) for thing in here}
        with contextlib.suppress(ConnectionError):
            while not drop.is_set():
                changed = objects.changed
                for version, of, space, what, thing in [e for e in objects.events if e[0] > since]:
                    since = version
                    if of == resource and namespace in ("", space):
                        event = _as_seen(known, what, thing, _wanted(query, thing))
                        if event is not None:
                            await response.write(dumps({"type": event, "object": thing}) + b"\n")
                await _first(changed, drop, self.bookmark_seconds)
                if not changed.is_set() and query.get("allowWatchBookmarks") == "true":
                    since = max(since, objects.version)
                    await response.write(self._bookmark(resource, since, {}))
        return response

    def _bookmark(self, resource: str, version: int, annotations: dict[str, str]) -> bytes:
        meta = {"resourceVersion": str(version), "annotations": annotations}
        thing = {
            "kind": self.kinds[resource][0],
            "apiVersion": _group(resource.rpartition("/")[0]),
            "metadata": meta,
        }
        return dumps({"type": "BOOKMARK", "object": thing}) + b"\n"

    def _scale(self, method: str, resource: str, namespace: str, name: str, body: Any) -> dict[str, Any]:
        if method != "GET":
            replicas = body["spec"]["replicas"]
            self.objects.merge(resource, namespace, name, {"spec": {"replicas": replicas}})
        thing = self.objects.get(resource, namespace, name)
        meta = {k: thing["metadata"].get(k) for k in ("name", "namespace", "uid", "resourceVersion")}
        status = thing.get("status", {})
        labels = thing["spec"].get("selector", {}).get("matchLabels", {})
        selector = (
            status.get("selector")
            or status.get("hpaPodSelector")
            or ",".join(f"{k}={v}" for k, v in labels.items())
        )
        return {
            "apiVersion": "autoscaling/v1",
            "kind": "Scale",
            "metadata": meta,
            "spec": {"replicas": thing["spec"].get("replicas", 1)},
            "status": {"replicas": status.get("replicas", 0), "selector": selector},
        }

    def _discovery(self, path: str) -> dict[str, Any] | None:
        groups = sorted({each.rpartition("/")[0] for each in self.kinds})
        if path == "version":
            return {"major": "1", "minor": "36", "gitVersion": "v1.36.3"}
        if path == "api":
            return {"kind": "APIVersions", "versions": ["v1"]}
        if path == "apis":
            named = [_group(g) for g in groups if g != "api/v1"]
            versions = [{"groupVersion": each, "version": each.partition("/")[2]} for each in named]
            return {
                "kind": "APIGroupList",
                "groups": [
                    {"name": v["groupVersion"].partition("/")[0], "versions": [v], "preferredVersion": v}
                    for v in versions
                ],
            }
        if path in groups:
            mine = [(r.rpartition("/")[2], *k) for r, k in self.kinds.items() if r.rpartition("/")[0] == path]
            verbs = ["create", "delete", "get", "list", "patch", "update", "watch"]
            return {
                "kind": "APIResourceList",
                "groupVersion": _group(path),
                "resources": [
                    {
                        "name": plural,
                        "singularName": kind.lower(),
                        "kind": kind,
                        "namespaced": namespaced,
                        "verbs": verbs,
                    }
                    for plural, kind, namespaced in mine
                ],
            }
        return None

    def _resource(self, kind: str) -> str:
        return next(resource for resource, (name, _) in self.kinds.items() if name == kind)

    def _place(self, thing: dict[str, Any]) -> tuple[str, str, str]:
        api = thing["apiVersion"]
        prefix = f"apis/{api}" if "/" in api else f"api/{api}"
        resource = next(
            r for r, (k, _) in self.kinds.items() if k == thing["kind"] and r.startswith(f"{prefix}/")
        )
        return resource, thing["metadata"].get("namespace", ""), thing["metadata"]["name"]


async def _held(fault: _Fault) -> None:
    assert fault.wait is not None
    fault.reached.set()
    await fault.wait.wait()


async def _first(one: asyncio.Event, other: asyncio.Event, seconds: float) -> None:
    tasks = [asyncio.ensure_future(one.wait()), asyncio.ensure_future(other.wait())]
    try:
        await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()


def _as_seen(known: set[tuple[str, str]], what: str, thing: dict[str, Any], wanted: bool) -> str | None:
    """Return the event a watcher with a selector sees, and remember what it knows."""
    key = _name(thing)
    if what == "DELETED" or not wanted:
        if key not in known:
            return None
        known.discard(key)
        return "DELETED"
    if key in known:
        return "MODIFIED"
    known.add(key)
    return "ADDED"


def _wanted(query: Any, thing: dict[str, Any]) -> bool:
    return selects(query.get("labelSelector", ""), thing) and field_selects(
        query.get("fieldSelector", ""), thing
    )


def _name(thing: dict[str, Any]) -> tuple[str, str]:
    return thing["metadata"].get("namespace", ""), thing["metadata"]["name"]


def _group(prefix: str) -> str:
    return prefix.partition("/")[2]


def _status(refused: Refused) -> dict[str, Any]:
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "message": refused.message,
        "reason": refused.reason,
        "code": refused.code,
    }


def _json(thing: Any, code: int = 200) -> web.Response:
    return web.Response(body=dumps(thing), status=code, content_type="application/json")
