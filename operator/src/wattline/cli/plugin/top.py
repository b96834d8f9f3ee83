"""``kubectl wattline top``: what domains, nodes and pools may draw, what they draw, and how hot they are."""

import click

from wattline.cli.plugin import objects
from wattline.cli.plugin.cluster import Cluster, with_cluster
from wattline.cli.plugin.parts import Parts
from wattline.cli.tables import KINDS, Seen, console, show
from wattline.doors.kube.client import Kube
from wattline.model.errors import ClusterError


@click.command()
@click.argument("kinds", nargs=-1, type=click.Choice(KINDS))
@click.option("-A", "--all-namespaces", is_flag=True, help="Pools of every namespace.")
@with_cluster
def top(cluster: Cluster, kinds: tuple[str, ...], all_namespaces: bool) -> None:
    """Show domains, nodes and pools: may draw, draw, headroom, temperature, and why.

    Figures of the moment are asked of the node agents and the gateway through the API server; without the right to do
    so (`get` on pods/proxy) the tables stand without them.
    """
    seen, problems = cluster.run(
        lambda kube: _see(kube, None if all_namespaces else cluster.namespace, cluster.ours)
    )
    show(seen, console(), kinds or KINDS)
    for problem in problems:
        click.echo(problem, err=True)


async def _see(kube: Kube, namespace: str | None, ours: str) -> tuple[Seen, tuple[str, ...]]:
    domains, nodes = await objects.domains(kube), await objects.nodes(kube)
    pools = await objects.pools(kube, namespace)
    try:
        parts = await Parts.find(kube, ours)
        readings, unread = await parts.readings()
        views, unheard = await parts.loads()
    except ClusterError as error:
        return Seen(domains, nodes, pools), (f"no figures of the moment: {error}",)
    loads = [load for view in views for load in view.replicas]
    return Seen(domains, nodes, pools, readings, loads), _few((*unread, *unheard))


def _few(problems: tuple[str, ...], most: int = 3) -> tuple[str, ...]:
    """Return the first problems, and how many there are beside them."""
    rest = len(problems) - most
    return problems if rest <= 0 else (*problems[:most], f"… and {rest} more")
