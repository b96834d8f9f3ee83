"""The objects of the fake API server: versions, generations, apply, and what watchers are told."""

import asyncio
import copy
import json
import uuid
from dataclasses import dataclass, field

LIST_KEYS = ("type", "uuid", "name")
"""Lists whose items all have one of these are maps by it for server-side apply, as our CRDs have it."""


class Refused(Exception):  # noqa: N818 - an answer, not a bug
    """An answer other than success."""

    def __init__(self, code: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.code, self.reason, self.message = code, reason, message


@dataclass
class Objects:
    """Every object by (group/version/plural, namespace, name); one resourceVersion for all."""

    version: int = 100
    by_key: dict[tuple[str, str, str], dict] = field(default_factory=dict)
    applied: dict[tuple[tuple[str, str, str], str, str], dict] = field(default_factory=dict)
    """What each manager applied last, per object and part (the object itself, or its status)."""
    events: list[tuple[int, str, str, str, dict]] = field(default_factory=list)
    """Version, resource, namespace, type and object of every change since the last compaction."""
    before: dict[int, dict] = field(default_factory=dict)
    """By version: the object as it was before that change, where there was one."""
    compacted: int = 0
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def get(self, resource: str, namespace: str, name: str) -> dict:
        found = self.by_key.get((resource, namespace, name))
        if found is None:
            raise Refused(404, "NotFound", f'{resource.rpartition("/")[2]} "{name}" not found')
        return found

    def all(self, resource: str, namespace: str = "") -> list[dict]:
        keys = sorted(key for key in self.by_key if key[0] == resource and namespace in ("", key[1]))
        return [self.by_key[key] for key in keys]

    def all_at(self, version: int, resource: str, namespace: str = "") -> list[dict]:
        """Return what there was at a version since the last compaction."""
        there = {key: self.by_key[key] for key in self.by_key if key[0] == resource}
        for at, of, space, what, thing in reversed(self.events):
            if at <= version:
                break
            key = (of, space, thing["metadata"]["name"])
            if of == resource:
                there.pop(key, None)
                there |= {key: self.before[at]} if what != "ADDED" else {}
        return [thing for key, thing in there.items() if namespace in ("", key[1])]

    def create(self, resource: str, namespace: str, body: dict) -> dict:
        meta = body.setdefault("metadata", {})
        name = meta.get("name") or f"{meta.get('generateName', '')}{uuid.uuid4().hex[:5]}"
        key = (resource, namespace, name)
        if key in self.by_key:
            raise Refused(409, "AlreadyExists", f'{resource.rpartition("/")[2]} "{name}" already exists')
        if meta.get("resourceVersion"):
            raise Refused(400, "BadRequest", "resourceVersion should not be set on objects to be created")
        made = copy.deepcopy(body)
        made["metadata"] |= {
            "name": name,
            "uid": str(uuid.uuid4()),
            "generation": 1,
            "creationTimestamp": meta.get("creationTimestamp", "2026-01-01T00:00:00Z"),
        } | ({"namespace": namespace} if namespace else {})
        return self._store(key, made, "ADDED")

    def replace(self, resource: str, namespace: str, name: str, body: dict, part: str = "") -> dict:
        """Update an object, or its status alone; the resourceVersion in the body, if any, must be the present one."""
        was = self.get(resource, namespace, name)
        meta = body.get("metadata", {})
        for field_name, code in (("resourceVersion", "Conflict"), ("uid", "Conflict")):
            if meta.get(field_name) and meta[field_name] != was["metadata"][field_name]:
                raise Refused(
                    409,
                    code,
                    f'Operation cannot be fulfilled on {resource.rpartition("/")[2]} "{name}": '
                    f"the object has been modified; please apply your changes to the latest version and try again",
                )
        now = copy.deepcopy(was)
        if part == "status":
            now["status"] = copy.deepcopy(body.get("status", {}))
        else:
            kept = {
                key: was[key] for key in ("status",) if key in was and resource.startswith("apis/wattline")
            }
            now = copy.deepcopy(body) | copy.deepcopy(kept)
            ours = ("uid", "generation", "creationTimestamp", "name", "namespace", "resourceVersion")
            now["metadata"] = copy.deepcopy(meta) | {
                key: was["metadata"][key] for key in ours if key in was["metadata"]
            }
            if now.get("spec") != was.get("spec"):
                now["metadata"]["generation"] += 1
        return was if now == was else self._store((resource, namespace, name), now, "MODIFIED")

    def merge(self, resource: str, namespace: str, name: str, patch: dict, part: str = "") -> dict:
        """Do a JSON merge patch."""
        body = merged(copy.deepcopy(self.get(resource, namespace, name)), patch)
        meta = patch.get("metadata") or {}
        if "resourceVersion" not in meta:
            body["metadata"].pop("resourceVersion", None)
        return self.replace(resource, namespace, name, body, part)

    def jump(self, resource: str, namespace: str, name: str, patch: list[dict], part: str = "") -> dict:
        """Do a JSON patch: test, add, replace, remove."""
        body = copy.deepcopy(self.get(resource, namespace, name))
        for step in patch:
            _step(body, step)
        if not any(step["path"] == "/metadata/resourceVersion" for step in patch):
            body["metadata"].pop("resourceVersion", None)
        return self.replace(resource, namespace, name, body, part)

    def apply(
        self, resource: str, namespace: str, name: str, body: dict, manager: str, part: str = ""
    ) -> tuple[dict, bool]:
        """Do a server-side apply with force; return the object and whether it was made."""
        key = (resource, namespace, name)
        mine = {k: v for k, v in body.items() if k not in ("apiVersion", "kind")}
        mine["metadata"] = {
            k: v
            for k, v in body.get("metadata", {}).items()
            if k in ("labels", "annotations", "ownerReferences")
        }
        if key not in self.by_key:
            if part:
                self.get(resource, namespace, name)
            if body.get("metadata", {}).get("resourceVersion"):
                raise Refused(409, "Conflict", f"{name} is not there, and a resourceVersion was given")
            self.applied[key, manager, part] = copy.deepcopy(mine)
            return self.create(resource, namespace, body), True
        now = copy.deepcopy(self.by_key[key])
        _drop(now, self.applied.get((key, manager, part), {}), mine)
        _put(now, mine)
        now["metadata"].pop("resourceVersion", None)
        for each in ("resourceVersion",) if part else ("resourceVersion", "uid"):
            if body.get("metadata", {}).get(each):
                now["metadata"][each] = body["metadata"][each]
        made = self.replace(resource, namespace, name, now, part)
        self.applied[key, manager, part] = copy.deepcopy(mine)
        return made, False

    def delete(self, resource: str, namespace: str, name: str, preconditions: dict) -> dict:
        was = self.get(resource, namespace, name)
        for each, value in preconditions.items():
            if value != was["metadata"][each]:
                raise Refused(409, "Conflict", f"Precondition failed: {each}")
        gone = copy.deepcopy(was)
        del self.by_key[resource, namespace, name]
        self.applied = {k: v for k, v in self.applied.items() if k[0] != (resource, namespace, name)}
        self.version += 1
        self.before[self.version] = was
        gone["metadata"]["resourceVersion"] = str(self.version)
        self._tell(resource, namespace, "DELETED", gone)
        return gone

    def compact(self) -> None:
        """Forget the past: watches from any earlier version get 410."""
        self.compacted = self.version
        self.events.clear()
        self.before.clear()

    def _store(self, key: tuple[str, str, str], thing: dict, what: str) -> dict:
        self.version += 1
        thing["metadata"]["resourceVersion"] = str(self.version)
        if key in self.by_key:
            self.before[self.version] = self.by_key[key]
        self.by_key[key] = thing
        self._tell(key[0], key[1], what, thing)
        return thing

    def _tell(self, resource: str, namespace: str, what: str, thing: dict) -> None:
        self.events.append((self.version, resource, namespace, what, copy.deepcopy(thing)))
        self.changed.set()
        self.changed = asyncio.Event()


def merged(into, patch):
    """Return a value with a JSON merge patch in it."""
    if not isinstance(patch, dict):
        return patch
    into = into if isinstance(into, dict) else {}
    for key, value in patch.items():
        if value is None:
            into.pop(key, None)
        else:
            into[key] = merged(into.get(key), value)
    return into


def _key(items) -> str | None:
    if not items or not all(isinstance(item, dict) for item in items):
        return None
    return next((key for key in LIST_KEYS if all(key in item for item in items)), None)


def _put(into: dict, mine: dict) -> None:
    for name, value in mine.items():
        there = into.get(name)
        key = _key(value) if isinstance(value, list) else None
        if isinstance(value, dict) and isinstance(there, dict):
            _put(there, value)
        elif key is not None and isinstance(there, list) and (not there or _key(there) == key):
            by = {item[key]: item for item in there}
            for item in value:
                _put(by.setdefault(item[key], {}), item)
            into[name] = list(by.values())
        else:
            into[name] = copy.deepcopy(value)


def _drop(into: dict, was: dict, mine: dict) -> None:
    """Take away what the manager applied before and does not any more."""
    for name, value in was.items():
        there = into.get(name)
        if isinstance(value, dict) and isinstance(there, dict) and isinstance(mine.get(name, {}), dict):
            _drop(there, value, mine.get(name, {}))
            if name not in mine and not there and name not in ("metadata", "status"):
                into.pop(name)
        elif isinstance(value, list) and (key := _key(value)) and isinstance(there, list):
            new = {item[key]: item for item in mine.get(name, []) if key in item}
            old = {item[key]: item for item in value}
            for item in there:
                if item.get(key) in old and item[key] in new:
                    _drop(item, old[item[key]], new[item[key]])
            into[name] = [item for item in there if item.get(key) not in old or item[key] in new]
        elif name not in mine:
            into.pop(name, None)


def _step(body: dict, step: dict) -> None:
    parts = [part.replace("~1", "/").replace("~0", "~") for part in step["path"].split("/")[1:]]
    place = body
    for part in parts[:-1]:
        place = place[int(part)] if isinstance(place, list) else place.setdefault(part, {})
    last = parts[-1]
    if isinstance(place, list):
        last = len(place) if last == "-" else int(last)
    match step["op"]:
        case "test":
            there = place[last] if isinstance(place, list) else place.get(last)
            if there != step["value"]:
                raise Refused(422, "Invalid", f"the test of {step['path']} failed")
        case "add" | "replace" if isinstance(place, list) and step["op"] == "add":
            place.insert(last, step["value"])
        case "add" | "replace":
            place[last] = step["value"]
        case "remove":
            del place[last]


def selects(selector: str, thing: dict) -> bool:
    """Whether labels match a selector of equalities, absences and presences."""
    labels = thing["metadata"].get("labels", {})
    for want in filter(None, selector.split(",")):
        if want.startswith("!"):
            ok = want[1:] not in labels
        elif "!=" in want:
            key, _, value = want.partition("!=")
            ok = labels.get(key) != value
        elif "=" in want:
            key, _, value = want.replace("==", "=").partition("=")
            ok = labels.get(key) == value
        else:
            ok = want in labels
        if not ok:
            return False
    return True


def field_selects(selector: str, thing: dict) -> bool:
    """Whether fields match a selector like ``metadata.name=x,status.phase!=Failed``."""
    for want in filter(None, selector.split(",")):
        path, unequal, value = want.partition("!=")
        if not unequal:
            path, _, value = want.replace("==", "=").partition("=")
        there = thing
        for part in path.split("."):
            there = there.get(part, {}) if isinstance(there, dict) else {}
        if ((there or "") == value) is bool(unequal):
            return False
    return True


def dumps(thing: dict) -> bytes:
    return json.dumps(thing, separators=(",", ":")).encode()
