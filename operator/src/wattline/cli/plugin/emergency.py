"""``kubectl wattline emergency``: begin, or end, the emergency of a domain at its nodes' agents."""

import base64
import binascii
from pathlib import Path

import click

from wattline.cli.emergencies import Outcome, not_armed, signalled
from wattline.cli.emergency import show
from wattline.cli.plugin import objects
from wattline.cli.plugin.cluster import Cluster, with_cluster
from wattline.cli.plugin.parts import Parts
from wattline.doors.clock import BootClock
from wattline.doors.kube.client import Kube
from wattline.doors.kube.resources import SECRETS
from wattline.model.errors import ClusterError
from wattline.model.wire import EmergencySignal

SECRET = "wattline-emergency"  # noqa: S105 - a name
"""Secret of the chart that holds the agents' token."""


@click.command()
@click.argument("domain")
@click.option(
    "--end", is_flag=True, help="End it before its time; only while the operator renews the nodes' orders."
)
@click.option(
    "--token-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help=f"The agents' token; read from the Secret {SECRET} when unset.",
)
@click.option(
    "--secret", default=SECRET, show_default=True, help="Secret with the token, under the key token."
)
@click.option(
    "--timeout",
    "timeout_seconds",
    default=15.0,
    show_default=True,
    help="Seconds to wait until it is in force.",
)
@with_cluster
def emergency(
    cluster: Cluster, domain: str, end: bool, token_file: Path | None, secret: str, timeout_seconds: float
) -> None:
    """Lower every node below DOMAIN to what is left in its emergency, through the API server's proxy.

    It ends by the domain's durationSeconds; the same command again extends it. Where the API server is down, speak to the
    agents themselves: `wattline emergency DOMAIN --url http://NODE:9808 --token-file FILE`, or write the file on a node.
    Exits with 1 if it is not in force everywhere within the timeout.
    """
    signal = EmergencySignal(level=domain.rpartition("/")[2], action="end" if end else "start")
    given = "" if token_file is None else token_file.read_text().strip()

    async def begin(kube: Kube) -> tuple[Outcome, ...]:
        token = given or await _token(kube, cluster.ours, secret)
        nodes = await objects.nodes(kube)
        armed = {
            node.name
            for node in nodes
            if node.order is not None
            and any(each.level == signal.level for each in node.order.spec.emergency)
        }
        if not armed:
            orders = [node.order.spec for node in nodes if node.order]
            raise ClusterError(not_armed("", signal.level, orders))
        agents = (await Parts.find(kube, cluster.ours)).emergencies(armed, token)
        silent = tuple(
            Outcome(node, done=False, said="no agent runs there") for node in sorted(armed - agents.keys())
        )
        return (*await signalled(agents, signal, BootClock(), timeout_seconds), *silent)

    show(cluster.run(begin))


async def _token(kube: Kube, namespace: str, name: str) -> str:
    secret = await kube.get(SECRETS, name, namespace)
    try:
        return base64.b64decode(secret["data"]["token"], validate=True).decode().strip()
    except (KeyError, TypeError, binascii.Error, UnicodeDecodeError) as error:
        raise ClusterError(f"the Secret {namespace}/{name} has no token in it") from error
