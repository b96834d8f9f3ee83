"""``kubectl wattline restore``: put every GPU of the cluster back to what it was before Wattline."""

import getpass

import click

from wattline.cli.plugin.cluster import MANAGER, Cluster, with_cluster
from wattline.cli.restore import Seconds, silent
from wattline.controller.restore import restore as put_back
from wattline.controller.restore_cluster import ACCOUNT, ClusterOrders
from wattline.doors.clock import BootClock, utc, utc_micros
from wattline.doors.kube.client import Kube


@click.command()
@click.option(
    "--all",
    "everything",
    is_flag=True,
    required=True,
    help="Every node; there is no other choice, so say it.",
)
@click.option(
    "--timeout", default=120.0, show_default=True, type=Seconds(), help="How long to wait, e.g. 120s."
)
@with_cluster
def restore(cluster: Cluster, everything: bool, timeout: float) -> None:  # noqa: ARG001 - it is said, not chosen
    """Put every GPU back to its limits and clocks before Wattline, and name the nodes that did not answer.

    Takes the operator's lease, so that no node is taken back meanwhile; nothing holds any budget from then on. The
    operator leads again after an hour, or when the lease is deleted. Acts as the account of the chart's restore,
    which alone may write orders beside the operator; you need the right to impersonate it.
    """
    holder = f"{MANAGER}-{getpass.getuser()}"

    async def release(kube: Kube) -> tuple[str, ...]:
        clock = BootClock()
        orders = ClusterOrders(kube, clock, cluster.ours, holder, utc(), utc_micros())
        return await put_back(orders, clock, timeout_seconds=timeout, say=click.echo)

    left = cluster.run(release, acting_as=f"system:serviceaccount:{cluster.ours}:{ACCOUNT}")
    if left:
        raise click.ClickException(silent(left, timeout, cluster.ours))
