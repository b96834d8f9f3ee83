"""Carries out what a pass decided beside statuses, orders and leases."""

import logging
from collections.abc import Callable, Mapping, Sequence

from wattline.doors.clock import Clock
from wattline.doors.kube.client import Kube
from wattline.doors.kube.errors import Away, Conflict, NotFound, Superseded
from wattline.doors.kube.events import Events
from wattline.doors.kube.resources import NODES, PODS, POWER_NODES, Json
from wattline.model.actions import Action, Apply, Delete, Forget, Label, Place, Say, Scale, Taint
from wattline.model.affinity import placed
from wattline.model.errors import ClusterError
from wattline.model.journal import about
from wattline.model.names import UNCAPPED

log = logging.getLogger("wattline.kube")

REAPPLY_SECONDS = 300.0
"""What was applied and did not change is applied again this often, to undo what others changed in it; ours."""

TRIES = 3
"""Attempts at a node whose version moves under us; kubelets write their nodes all the time."""

UNCAPPED_TAINT = {"key": UNCAPPED, "effect": "NoSchedule"}


class Acts:
    """Does actions one after the other; ``check`` is asked before each write."""

    def __init__(
        self,
        kube: Kube,
        clock: Clock,
        events: Events,
        check: Callable[[], None],
        regarding: Callable[[str, str | None, str], Json],
        there: Callable[[str, str, str], bool],
    ) -> None:
        self._kube = kube
        self._clock = clock
        self._events = events
        self._check = check
        self._regarding = regarding
        self._there = there
        self._applied: dict[str, tuple[Mapping[str, object], float]] = {}
        self._failed: dict[str, str] = {}

    @property
    def failed(self) -> Mapping[str, str]:
        """Return what was refused last time, by what it was, with the cause."""
        return self._failed

    async def do(self, actions: Sequence[Action], orders: Mapping[str, tuple[str, str]]) -> None:
        """Do all of them; ``orders`` are uid and resourceVersion of the PowerNodes they were decided on.

        One that is refused is said once and left to a later pass. Raises where nothing more can be done now.
        """
        failed: dict[str, str] = {}
        for action in actions:
            try:
                await self._one(action, orders)
            except (Away, Superseded):
                raise
            except ClusterError as error:
                key = _key(action)
                failed[key] = str(error)
                if self._failed.get(key) != str(error):
                    log.warning("%s is not done now: %s", type(action).__name__.lower(), error)
        self._failed = failed

    async def _one(self, action: Action, orders: Mapping[str, tuple[str, str]]) -> None:
        self._check()
        match action:
            case Apply():
                await self._apply(action)
            case Delete(api_version=api_version, kind=kind, namespace=namespace, name=name):
                resource = await self._kube.resource(api_version, kind)
                await _if_there(self._kube.delete(resource, name, namespace))
            case Scale(api_version=api_version, kind=kind, namespace=namespace, name=name):
                resource = await self._kube.resource(api_version, kind)
                await self._kube.merge(
                    resource, name, {"spec": {"replicas": action.replicas}}, namespace, "scale"
                )
            case Place():
                await self._place(action)
            case Taint(node=node, present=present):
                await self._taint(node, present=present)
            case Label(node=node, key=key, value=value):
                await self._kube.merge(NODES, node, {"metadata": {"labels": {key: value}}})
            case Forget(node=node):
                if node in orders:
                    uid, version = orders[node]
                    await _if_there(self._kube.delete(POWER_NODES, node, uid=uid, resourceVersion=version))
            case Say(kind=kind, namespace=namespace, name=name, reason=reason, message=message):
                await self._events.say(
                    self._regarding(kind, namespace, name),
                    reason,
                    message,
                    warning=action.warning,
                    action="Balance",
                )

    async def _apply(self, action: Apply) -> None:
        manifest = dict(action.manifest)
        meta = manifest["metadata"]
        key, now = _key(action), self._clock.now()
        was, at = self._applied.get(key, ({}, float("-inf")))
        there = self._there(manifest["kind"], meta.get("namespace", ""), meta["name"])
        if was == manifest and there and now - at < REAPPLY_SECONDS:
            return
        self._applied = {k: v for k, v in self._applied.items() if now - v[1] < 2 * REAPPLY_SECONDS}
        await self._kube.apply(await self._kube.resource(manifest["apiVersion"], manifest["kind"]), manifest)
        self._applied[key] = (manifest, now)

    async def _place(self, action: Place) -> None:
        raw = await self._kube.get(PODS, action.pod, action.namespace)
        meta = raw["metadata"]
        if (meta["uid"], meta["resourceVersion"]) != (action.uid, action.resource_version):
            raise Conflict(f"pod {action.namespace}/{action.pod} has changed since its place was chosen")
        await self._kube.edit(PODS, action.pod, placed(raw, action.nodes), action.namespace)

    async def _taint(self, node: str, *, present: bool) -> None:
        """Add or take away our taint; the list has no keys of its own, so it is written whole, by version."""
        for left in reversed(range(TRIES)):
            raw = await self._kube.get(NODES, node)
            taints = raw.get("spec", {}).get("taints") or []
            others = [taint for taint in taints if taint["key"] != UNCAPPED]
            wanted = [*others, UNCAPPED_TAINT] if present else others
            if wanted == taints:
                return
            version = raw["metadata"]["resourceVersion"]
            patch = {"metadata": {"resourceVersion": version}, "spec": {"taints": wanted}}
            try:
                await self._kube.merge(NODES, node, patch)
            except Conflict:
                if not left:
                    raise
            else:
                return


async def _if_there(deletion: object) -> None:
    try:
        await deletion  # type: ignore[misc]  # a coroutine of Kube.delete
    except NotFound:
        return


def _key(action: Action) -> str:
    """Return what tells actions apart: what is done to what."""
    word = type(action).__name__
    match action:
        case Apply(manifest=manifest):
            meta = manifest["metadata"]
            return f"{word} {about(manifest['kind'], meta.get('namespace'), meta['name'])}"
        case Place(namespace=namespace, pod=pod):
            return f"{word} {namespace}/{pod}"
        case Taint(node=node) | Forget(node=node):
            return f"{word} {node}"
        case Label(node=node, key=key):
            return f"{word} {node} {key}"
        case Say(reason=reason):
            return f"{word} {about(action.kind, action.namespace, action.name)} {reason}"
    return f"{word} {about(action.kind, action.namespace, action.name)}"
