"""``wattline run-workflow``: one run of a workflow's steps."""

import asyncio
import contextlib
import logging
import signal
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import click

from wattline.cli.kubeconfig import access, context_option, kubeconfig_option
from wattline.doors.clock import BootClock
from wattline.model.errors import WattlineError
from wattline.model.runnames import RUN_FAILED_CODE
from wattline.workflow.main import Wiring, main


@click.command(name="run-workflow")
@click.argument("workflow")
@click.option("--run", required=True, help="Id of the run, as the operator gave it.")
@click.option(
    "--gateway",
    envvar="WATTLINE_GATEWAY_URL",
    default="http://wattline-gateway.wattline-system:8080",
    show_default=True,
    help="Where the gateway listens.",
)
@kubeconfig_option
@context_option
def run_workflow(workflow: str, run: str, gateway: str, kubeconfig: Path | None, context: str | None) -> None:
    """Bring one run of WORKFLOW (NAMESPACE/NAME) to its end, from wherever it stands.

    The operator starts this as a Job. What is done stands in the workflow's status, so another runner goes on where
    this one stopped. Exits with 3 if the run failed.
    """
    logging.basicConfig(format="%(levelname).1s %(name)s: %(message)s", level=logging.INFO)
    namespace, _, name = workflow.partition("/")
    if not namespace or not name:
        raise click.BadParameter(f"{workflow!r} is not NAMESPACE/NAME", param_hint="WORKFLOW")
    wiring = Wiring(namespace, name, run, gateway)
    try:
        reached = access(kubeconfig, context)
        with contextlib.suppress(asyncio.CancelledError):
            sys.exit(0 if asyncio.run(_until_told(main(reached, wiring, BootClock()))) else RUN_FAILED_CODE)
    except WattlineError as error:
        raise click.ClickException(str(error)) from error
    sys.exit(128 + signal.SIGTERM)


async def _until_told(work: Coroutine[Any, Any, bool]) -> bool:
    """Await some work, and end it at SIGTERM, which the first process of a container would else ignore."""
    task = asyncio.create_task(work)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await task
