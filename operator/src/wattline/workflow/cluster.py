"""A run's Kubernetes side: its status, its long answers and its tools' Jobs, at an API server that may be away."""

import contextlib
import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

from pydantic import ValidationError

from wattline.api.agentworkflow import AgentWorkflowSpec
from wattline.api.workflowrun import RunStatus
from wattline.doors.clock import Clock
from wattline.doors.kube.client import Kube
from wattline.doors.kube.errors import Away, Conflict, Forbidden, Invalid, NotFound
from wattline.doors.kube.resources import AGENT_WORKFLOWS, CONFIG_MAPS, JOBS, PODS
from wattline.model import runnames
from wattline.model.errors import ClusterError
from wattline.model.runnames import RUN, SPEC_KEY, STEP
from wattline.workflow import jobs
from wattline.workflow.errors import GoneError, StepFailedError
from wattline.workflow.machine import RUNNING, Work
from wattline.workflow.models import Waits

log = logging.getLogger("wattline.workflow")

T = TypeVar("T")

MANAGER = "wattline-run"
"""Field manager of what a runner writes."""

AGAIN_SECONDS = (1.0, 2.0, 5.0, 10.0, 30.0)
"""Pauses before an API server that is away is asked again; the last for ever. Ours."""

LOOK_SECONDS = 1.0
"""How often a tool's Job is looked at; ours: a runner has one at most."""

ANSWER_KEY = "answer"
MOST_ANSWER_BYTES = 900 * 1024
"""A ConfigMap takes 1 MiB in all."""


class KubeRun:
    """Store and tools of one run in a cluster."""

    def __init__(self, kube: Kube, clock: Clock, owner: jobs.Owner) -> None:
        self._kube = kube
        self._clock = clock
        self._owner = owner

    @classmethod
    async def find(cls, kube: Kube, clock: Clock, namespace: str, name: str, run: str) -> "KubeRun":
        """Return the run of a workflow that is there; raise `GoneError` where it is not."""
        nobody = cls(kube, clock, jobs.Owner(namespace, name, "", run))
        raw = await nobody._patiently(lambda: kube.get(AGENT_WORKFLOWS, name, namespace))
        uid = str(raw["metadata"]["uid"])
        if not uid.startswith(run.rpartition("-")[0]):
            raise GoneError(f"another workflow has the name {namespace}/{name} by now")
        return cls(kube, clock, jobs.Owner(namespace, name, uid, run))

    async def spec(self) -> AgentWorkflowSpec:
        """Return the spec as it stood when the run began."""
        owner = self._owner
        name = runnames.runner(owner.name, owner.run)
        raw = await self._patiently(lambda: self._kube.get(CONFIG_MAPS, name, owner.namespace))
        try:
            return AgentWorkflowSpec.model_validate_json(raw["data"][SPEC_KEY])
        except (KeyError, ValidationError) as error:
            raise ClusterError(f"ConfigMap {owner.namespace}/{name} holds no spec: {error}") from error

    async def load(self) -> RunStatus | None:
        """Return the status as it was last saved, None where this run has not begun."""
        owner = self._owner
        raw = await self._patiently(lambda: self._kube.get(AGENT_WORKFLOWS, owner.name, owner.namespace))
        seen = (raw.get("status") or {}).get("run")
        return RunStatus.model_validate(seen) if seen is not None and seen.get("id") == owner.run else None

    async def save(self, run: RunStatus) -> None:
        """Keep a status; when this returns it outlives us."""
        owner = self._owner

        async def write() -> None:
            meta = (await self._kube.get(AGENT_WORKFLOWS, owner.name, owner.namespace))["metadata"]
            if meta["uid"] != owner.uid:  # a status is written whatever the uid, so it is looked at here
                raise GoneError(f"another workflow has the name {owner.namespace}/{owner.name} by now")
            body = {
                "apiVersion": AGENT_WORKFLOWS.api_version,
                "kind": AGENT_WORKFLOWS.kind,
                "metadata": {key: meta[key] for key in ("name", "namespace", "resourceVersion")},
                "status": {"run": run.model_dump(mode="json", by_alias=True, exclude_none=True)},
            }
            await self._kube.apply(AGENT_WORKFLOWS, body, "status")

        await self._patiently(write)

    async def keep(self, step: str, answer: str) -> str:
        """Keep a long answer, and return where."""
        if len(answer.encode()) > MOST_ANSWER_BYTES:
            raise StepFailedError(f"the answer is longer than {MOST_ANSWER_BYTES // 1024} KiB")
        owner = self._owner
        name = runnames.answer(owner.name, owner.run, step)
        body = {
            "apiVersion": CONFIG_MAPS.api_version,
            "kind": CONFIG_MAPS.kind,
            "metadata": {
                "name": name,
                "namespace": owner.namespace,
                "labels": {RUN: owner.run, STEP: step},
                "ownerReferences": [jobs.owner_reference(owner)],
            },
            "data": {ANSWER_KEY: answer},
        }
        await self._patiently(lambda: self._kube.apply(CONFIG_MAPS, body))
        return name

    async def fetch(self, ref: str) -> str:
        """Return a long answer."""
        raw = await self._patiently(lambda: self._kube.get(CONFIG_MAPS, ref, self._owner.namespace))
        return str(raw["data"][ANSWER_KEY])

    async def work(self, work: Work, waits: Waits) -> str:
        """Return what a tool answered, or raise `StepFailedError`; a Job that is there already is gone on with."""
        owner = self._owner
        name = runnames.tool(owner.name, owner.run, work.step)
        await self._begin(work)
        told = False
        while True:
            await self._clock.sleep_until(self._clock.now() + LOOK_SECONDS)
            try:
                job = await self._patiently(lambda: self._kube.get(JOBS, name, owner.namespace))
            except GoneError:
                log.warning("Job %s was deleted; it is made again", name)
                await self._begin(work)
                continue
            pods, _ = await self._patiently(
                lambda: self._kube.all(PODS, owner.namespace, labels=f"{RUN}={owner.run},{STEP}={work.step}")
            )
            match jobs.over(job):
                case True:
                    return jobs.said(pods)
                case False:
                    raise StepFailedError(jobs.failure(job, pods))
            if (waiting := jobs.waits_for(job, pods)) is not None:
                await waits(*waiting)
            elif told:
                await waits(RUNNING, work.step)
            told = waiting is not None

    async def _begin(self, work: Work) -> None:
        owner = self._owner
        body = jobs.manifest(owner, work.step, work.job, work.env)

        async def make() -> None:
            with contextlib.suppress(Conflict):  # an earlier runner made it
                await self._kube.create(JOBS, body, owner.namespace)

        try:
            await self._patiently(make)
        except Invalid as error:
            raise StepFailedError(f"the cluster does not take the Job: {error}") from error

    async def _patiently(self, call: Callable[[], Awaitable[T]]) -> T:
        """Return what a call returns, made again until the API server answers; `GoneError` where it knows nothing of it."""
        tries = 0
        while True:
            try:
                return await call()
            except NotFound as error:
                raise GoneError(str(error)) from error
            except (Away, Forbidden, Conflict) as error:
                pause = AGAIN_SECONDS[min(tries, len(AGAIN_SECONDS) - 1)]
                log.warning("%s; again in %.0f s", error, pause)
                tries += 1
                await self._clock.sleep_until(self._clock.now() + pause)
