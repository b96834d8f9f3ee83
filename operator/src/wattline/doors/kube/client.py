"""Requests to the API server, over aiohttp: JSON in, JSON out, errors by kind."""

import asyncio
import json
from collections.abc import AsyncGenerator, Callable, Mapping
from typing import Any

import aiohttp

from wattline.doors.kube.access import Access
from wattline.doors.kube.errors import Away, NotFound, refused
from wattline.doors.kube.resources import KNOWN, Json, Resource

ANSWER_SECONDS = 10.0
"""A request that takes longer has failed, in wall seconds."""

QUIET_SECONDS = 75.0
"""A watch that says nothing for this long is dead: the server sends a bookmark about every minute."""

PAGE = 500
"""Objects to a page of a list."""

Count = Callable[[str, int], None]
"""Told the verb and the code of every answer; 0 where there was none."""


class Kube:
    """One API server. Every call returns what the server says, or raises a kind of `ClusterError`."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        access: Access,
        *,
        manager: str,
        count: Count = lambda verb, code: None,  # noqa: ARG005 - a listener that listens to nothing
    ) -> None:
        self.access = access
        self._session = session
        self._manager = manager
        self._count = count
        self._found: dict[tuple[str, str], Resource] = dict(KNOWN)

    async def get(
        self, resource: Resource, name: str, namespace: str | None = None, part: str | None = None
    ) -> Json:
        """Return one object, or a part of it such as its scale."""
        return await self._send("get", "GET", resource.path(namespace, name, part))

    async def all(
        self, resource: Resource, namespace: str | None = None, *, labels: str = "", fields: str = ""
    ) -> tuple[list[Json], str]:
        """Return all objects as of one moment, and that moment's resourceVersion."""
        pages = self.pages(resource, namespace, labels=labels, fields=fields)
        items: list[Json] = []
        version = ""
        async for page in pages:
            items += page["items"]
            version = page["metadata"]["resourceVersion"]
        return items, version

    async def pages(
        self, resource: Resource, namespace: str | None = None, *, labels: str = "", fields: str = ""
    ) -> AsyncGenerator[Json, None]:
        """Yield all objects as of one moment, page by page."""
        query = _query(limit=str(PAGE), labelSelector=labels, fieldSelector=fields)
        while True:
            page = await self._send("list", "GET", resource.path(namespace), query=query)
            yield page
            more = page["metadata"].get("continue")
            if not more:
                return
            query["continue"] = more

    async def create(self, resource: Resource, thing: Json, namespace: str | None = None) -> Json:
        """Make an object that is not there; `Conflict` if it is."""
        query = _query(fieldManager=self._manager, fieldValidation="Strict")
        return await self._send("create", "POST", resource.path(namespace), query=query, body=thing)

    async def replace(self, resource: Resource, thing: Json, part: str | None = None) -> Json:
        """Write a whole object over the version it says it was read at."""
        meta = thing["metadata"]
        path = resource.path(meta.get("namespace"), meta["name"], part)
        return await self._send("update", "PUT", path, query=_query(fieldManager=self._manager), body=thing)

    async def apply(self, resource: Resource, thing: Json, part: str | None = None) -> Json:
        """Server-side apply as our field manager, taking fields from others."""
        meta = thing["metadata"]
        return await self._send(
            "apply",
            "PATCH",
            resource.path(meta.get("namespace"), meta["name"], part),
            query=_query(fieldManager=self._manager, force="true", fieldValidation="Strict"),
            body=thing,
            kind="application/apply-patch+yaml",  # JSON is YAML
        )

    async def merge(
        self,
        resource: Resource,
        name: str,
        patch: Json,
        namespace: str | None = None,
        part: str | None = None,
    ) -> Json:
        """Do a JSON merge patch."""
        return await self._patch(resource.path(namespace, name, part), patch, "application/merge-patch+json")

    async def edit(
        self,
        resource: Resource,
        name: str,
        steps: list[Json],
        namespace: str | None = None,
        part: str | None = None,
    ) -> Json:
        """Do a JSON patch."""
        return await self._patch(resource.path(namespace, name, part), steps, "application/json-patch+json")

    async def delete(
        self, resource: Resource, name: str, namespace: str | None = None, **preconditions: str
    ) -> None:
        """Delete an object, what it owns after it; ``preconditions`` are uid and resourceVersion."""
        body: Json = {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Background"}
        if preconditions:
            body["preconditions"] = preconditions
        await self._send("delete", "DELETE", resource.path(namespace, name), body=body)

    async def watch(
        self, resource: Resource, namespace: str | None, query: Mapping[str, str], opened: Callable[[], None]
    ) -> AsyncGenerator[Json, None]:
        """Yield the events of a watch until the server ends it; ``opened`` is told once it has begun."""
        path = resource.path(namespace)
        limit = aiohttp.ClientTimeout(total=None, sock_connect=ANSWER_SECONDS, sock_read=QUIET_SECONDS)
        rest = b""
        try:
            async with self._session.get(
                self.access.server + path,
                params={**query, "watch": "true"},
                timeout=limit,
            ) as response:
                self._count("watch", response.status)
                if response.status >= 400:
                    raise await _refusal(f"watch {path}", response)
                opened()
                async for chunk in response.content.iter_any():
                    *lines, rest = (rest + chunk).split(b"\n")
                    for line in lines:
                        if line:
                            yield json.loads(line)
        except (aiohttp.ClientError, TimeoutError, OSError, json.JSONDecodeError) as error:
            raise Away(f"watch {path}: {_cause(error)}") from error

    async def proxied(self, namespace: str, pod: str, port: int, path: str, query: Mapping[str, str]) -> Json:
        """Return the JSON that a pod answers to a GET, by way of the API server; needs `get` on pods/proxy."""
        where = f"/api/v1/namespaces/{namespace}/pods/{pod}:{port}/proxy/{path}"
        return await self._send("proxy", "GET", where, query=query)

    async def proxied_post(
        self, namespace: str, pod: str, port: int, path: str, body: Any, headers: Mapping[str, str]
    ) -> Json:
        """Return the JSON that a pod answers to a POST, by way of the API server; needs `create` on pods/proxy."""
        where = f"/api/v1/namespaces/{namespace}/pods/{pod}:{port}/proxy/{path}"
        return await self._send("proxy", "POST", where, body=body, headers=headers)

    async def resource(self, api_version: str, kind: str) -> Resource:
        """Return where a kind stands; `NotFound` if it is not installed."""
        known = self._found.get((api_version, kind))
        if known is not None:
            return known
        path = f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"
        found = await self._send("get", "GET", path)
        for each in found["resources"]:
            if "/" not in each["name"]:
                self._found[api_version, each["kind"]] = Resource(
                    api_version, each["kind"], each["name"], each["namespaced"]
                )
        if (api_version, kind) not in self._found:
            raise NotFound(f"{api_version} has no kind {kind}")
        return self._found[api_version, kind]

    async def _patch(self, path: str, patch: Json | list[Json], kind: str) -> Json:
        query = _query(fieldManager=self._manager)
        return await self._send("patch", "PATCH", path, query=query, body=patch, kind=kind)

    async def _send(
        self,
        verb: str,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        kind: str = "application/json",
        headers: Mapping[str, str] | None = None,
    ) -> Json:
        what = f"{verb} {path}"
        try:
            async with self._session.request(
                method,
                self.access.server + path,
                params=query,
                data=None if body is None else json.dumps(body, separators=(",", ":")),
                headers={**({} if body is None else {"Content-Type": kind}), **(headers or {})},
                timeout=aiohttp.ClientTimeout(total=ANSWER_SECONDS),
            ) as response:
                self._count(verb, response.status)
                if response.status >= 400:
                    raise await _refusal(what, response)
                answer: Json = json.loads(await response.read())
                return answer
        except (aiohttp.ClientError, TimeoutError, OSError, json.JSONDecodeError) as error:
            self._count(verb, 0)
            raise Away(f"{what}: {_cause(error)}") from error


def session(access: Access, agent: str, *, acting_as: str = "") -> aiohttp.ClientSession:
    """Return a session that says who we are in every request; it keeps connections, and lets watches be as long
    as they like. ``acting_as`` is another account, for those who may impersonate it.
    """

    async def signed(
        request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        token = access.token()
        if token:
            request.headers["Authorization"] = f"Bearer {token}"
        return await handler(request)

    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=30, ssl=access.trust or True),
        headers={"Accept": "application/json", "User-Agent": agent}
        | ({"Impersonate-User": acting_as} if acting_as else {}),
        middlewares=(signed,),
    )


async def _refusal(what: str, response: aiohttp.ClientResponse) -> Exception:
    text = await response.text()
    try:
        message = str(json.loads(text)["message"])
    except (ValueError, KeyError, TypeError):
        message = text.strip()[:200] or str(response.reason)
    return refused(response.status, what, message)


def _query(**given: str) -> dict[str, str]:
    return {name: value for name, value in given.items() if value}


def _cause(error: BaseException) -> str:
    if isinstance(error, asyncio.TimeoutError):
        return "no answer in time"
    return str(error) or type(error).__name__
