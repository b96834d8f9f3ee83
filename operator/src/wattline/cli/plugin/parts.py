"""Wattline's own pods, asked over the API server's proxy: what agents read, what gateways hold, what was decided."""

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from wattline.cli.emergencies import Talk
from wattline.doors.kube.client import Kube
from wattline.doors.kube.resources import PODS, Json
from wattline.model.errors import ClusterError
from wattline.model.wire import (
    TOKEN_HEADER,
    DecisionsView,
    EmergencySignal,
    EmergencyView,
    GpusView,
    ReplicasView,
)

M = TypeVar("M", bound=BaseModel)

AT_ONCE = 32
"""Pods that are asked at the same time."""


@dataclass(frozen=True, slots=True)
class Part:
    """One pod of Wattline's."""

    component: str
    """operator, gateway or agent."""
    namespace: str
    pod: str
    node: str
    port: int

    @property
    def name(self) -> str:
        """Return how it is called beside what it said."""
        return f"agent {self.node}" if self.component == "agent" else self.component


@dataclass(frozen=True, slots=True)
class Answers:
    """What pods answered, and what kept others from it, each said once."""

    by_part: Mapping[Part, BaseModel]
    problems: tuple[str, ...]


class Parts:
    """The pods of a cluster's Wattline."""

    def __init__(self, kube: Kube, pods: Sequence[Part]) -> None:
        self._kube = kube
        self.pods = tuple(pods)

    @classmethod
    async def find(cls, kube: Kube, namespace: str) -> "Parts":
        """Return the running pods of the namespace that Wattline runs in."""
        found, _ = await kube.all(PODS, namespace, labels="app.kubernetes.io/name=wattline")
        return cls(kube, [part for part in map(_part, found) if part is not None])

    async def readings(self) -> tuple[dict[str, GpusView], tuple[str, ...]]:
        """Return what every node's agent reads now, and what kept others from answering."""
        answers, problems = await self._ask(self._of("agent"), "v1/gpus", GpusView)
        return {view.node: view for view in answers.values()}, problems

    async def loads(self) -> tuple[tuple[ReplicasView, ...], tuple[str, ...]]:
        """Return what every gateway holds of replicas."""
        answers, problems = await self._ask(self._of("gateway"), "v1/replicas", ReplicasView)
        return tuple(answers.values()), problems

    async def decisions(
        self, of: Mapping[str, str | None], nodes: Iterable[str] | None = None
    ) -> tuple[list[tuple[Part, DecisionsView]], tuple[str, ...]]:
        """Return what parts decided: ``of`` says for each component about what (None: everything).

        With ``nodes`` only their agents are asked.
        """
        told: list[tuple[Part, DecisionsView]] = []
        problems: list[str] = []
        wanted = None if nodes is None else set(nodes)
        for component, about in of.items():
            parts = self._of(component)
            if component == "agent" and wanted is not None:
                parts = [part for part in parts if part.node in wanted]
            query = {} if about is None else {"about": about}
            answers, said = await self._ask(parts, "v1/decisions", DecisionsView, query)
            told += answers.items()
            problems += said
        return told, tuple(dict.fromkeys(problems))

    def emergencies(self, nodes: Collection[str], token: str) -> dict[str, Talk]:
        """Return how to speak of emergencies to the agents of these nodes, by node; those without one are left out."""
        return {part.node: self._talk(part, token) for part in self._of("agent") if part.node in nodes}

    def _talk(self, part: Part, token: str) -> Talk:
        where = (part.namespace, part.pod, part.port, "v1/emergency")

        async def tell(signal: EmergencySignal) -> None:
            body = signal.model_dump(mode="json", by_alias=True)
            await self._kube.proxied_post(*where, body, {TOKEN_HEADER: token})

        async def look() -> EmergencyView:
            raw = await self._kube.proxied(*where, {})
            try:
                return EmergencyView.model_validate(raw)
            except ValidationError as error:
                raise ClusterError(f"{part.name} ({part.pod}) does not speak of emergencies") from error

        return Talk(tell, look)

    def _of(self, component: str) -> list[Part]:
        return [part for part in self.pods if part.component == component]

    async def _ask(
        self, parts: Sequence[Part], path: str, model: type[M], query: Mapping[str, str] | None = None
    ) -> tuple[dict[Part, M], tuple[str, ...]]:
        turnstile = asyncio.Semaphore(AT_ONCE)

        async def one(part: Part) -> M | str:
            async with turnstile:
                try:
                    raw = await self._kube.proxied(part.namespace, part.pod, part.port, path, query or {})
                    return model.model_validate(raw)
                except (ClusterError, ValidationError) as error:
                    return f"{part.name} ({part.pod}) was not heard: {str(error).splitlines()[0]}"

        answers = dict(zip(parts, await asyncio.gather(*(one(part) for part in parts)), strict=True))
        problems = tuple(answer for answer in answers.values() if isinstance(answer, str))
        return {part: answer for part, answer in answers.items() if not isinstance(answer, str)}, problems


def _part(pod: Json) -> Part | None:
    meta, spec = pod["metadata"], pod["spec"]
    component = (meta.get("labels") or {}).get("app.kubernetes.io/component", "")
    ports = [port["containerPort"] for each in spec["containers"] for port in each.get("ports") or ()]
    if component not in {"operator", "gateway", "agent"} or not ports:
        return None
    if (pod.get("status") or {}).get("phase") != "Running" or meta.get("deletionTimestamp"):
        return None
    return Part(component, meta["namespace"], meta["name"], spec.get("nodeName", ""), ports[0])
