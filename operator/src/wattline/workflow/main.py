"""Builds the runner of one run and brings it to its end."""

import logging
import random
from dataclasses import dataclass

import aiohttp

from wattline.api.workflowrun import Phase
from wattline.doors.clock import Clock, utc
from wattline.doors.kube.access import Access
from wattline.doors.kube.client import Kube, session
from wattline.model import runnames
from wattline.workflow.cluster import MANAGER, KubeRun
from wattline.workflow.errors import GoneError
from wattline.workflow.models import Gateway
from wattline.workflow.run import run

log = logging.getLogger("wattline.workflow")


@dataclass(frozen=True, slots=True)
class Wiring:
    """What a runner is told."""

    namespace: str
    name: str
    """Name of the workflow."""
    run: str
    """Id of the run."""
    gateway: str
    """Where the gateway listens."""


async def main(access: Access, wiring: Wiring, clock: Clock) -> bool:
    """Bring a run to its end, from wherever it stands; return whether it succeeded or nobody needs it any more."""
    async with session(access, MANAGER) as api, aiohttp.ClientSession() as http:
        kube = Kube(api, access, manager=MANAGER)
        models = Gateway(
            http,
            wiring.gateway,
            workflow=f"{wiring.namespace}/{wiring.name}",
            run=runnames.session(wiring.namespace, wiring.name, wiring.run),
            clock=clock,
            chance=random.Random(),
        )
        try:
            here = await KubeRun.find(kube, clock, wiring.namespace, wiring.name, wiring.run)
            ended = await run(
                await here.spec(),
                here,
                models,
                here,
                clock,
                run_id=wiring.run,
                generation=runnames.generation_of(wiring.run),
                stamp=utc,
            )
        except GoneError as error:
            log.info("nobody needs this run any more: %s", error)
            await models.finish()
            return True
    return ended.phase is Phase.SUCCEEDED
