"""``wattline operator``: the reconcile loop on a Kubernetes cluster."""

import asyncio
import logging
import socket
import uuid
from pathlib import Path

import click

from wattline.cli.kubeconfig import access, context_option, kubeconfig_option
from wattline.cli.options import address
from wattline.controller.operator import Wiring, run
from wattline.model.errors import WattlineError


@click.command()
@kubeconfig_option
@context_option
@click.option(
    "--namespace",
    envvar=["WATTLINE_NAMESPACE", "POD_NAMESPACE"],
    default=None,
    help="Where its own things are; the account's namespace when unset.",
)
@click.option(
    "--identity",
    envvar="POD_NAME",
    default=socket.gethostname,
    help="Name of this replica; the host's when unset.",
)
@click.option(
    "--image", envvar="WATTLINE_IMAGE", default="", help="Image of our containers in pods of templates."
)
@click.option(
    "--image-pull-policy",
    envvar="WATTLINE_IMAGE_PULL_POLICY",
    type=click.Choice(["Always", "IfNotPresent", "Never"]),
    default=None,
    help="When nodes pull that image; as the cluster has it when unset.",
)
@click.option(
    "--gateway",
    envvar="WATTLINE_GATEWAY_URL",
    default="",
    help="Where the runners of workflows reach the gateway; its Service in our namespace when unset.",
)
@click.option("--listen", default=None, help="HOST:PORT for /metrics, /healthz, /readyz and /v1/decisions.")
def operator(
    kubeconfig: Path | None,
    context: str | None,
    namespace: str | None,
    identity: str,
    image: str,
    image_pull_policy: str | None,
    gateway: str,
    listen: str | None,
) -> None:
    """Keep the power domains of a cluster inside their budgets until stopped.

    Any number may run; the holder of the Lease `wattline-operator` acts, the others stand by. Nothing is put back
    when the last one stops: agents hold their last orders until the leases end (60 s), then their failsafe watts.
    """
    logging.basicConfig(format="%(levelname).1s %(name)s: %(message)s", level=logging.INFO)
    try:
        reached = access(kubeconfig, context)
        wiring = Wiring(
            namespace=namespace or reached.namespace,
            identity=f"{identity}_{uuid.uuid4().hex[:8]}",
            listen=None if listen is None else address(listen),
            image=image,
            image_pull_policy=image_pull_policy or "",
            gateway=gateway,
        )
        asyncio.run(run(reached, wiring))
    except WattlineError as error:
        raise click.ClickException(str(error)) from error
