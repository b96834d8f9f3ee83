"""``kubectl wattline simulate``: the CLI's what-if, on manifests or on the cluster as it stands."""

import click

from wattline.cli.plugin.cluster import Cluster, with_cluster
from wattline.cli.simulate import simulate as asked


@click.command(
    context_settings={"ignore_unknown_options": True},
    epilog="Every option of `wattline simulate` may be given; see `wattline simulate --help`.",
)
@click.option(
    "--from-cluster", is_flag=True, help="Take domains, pools and their present replicas from the cluster."
)
@click.argument("options", nargs=-1, type=click.UNPROCESSED)
@with_cluster
def simulate(cluster: Cluster, from_cluster: bool, options: tuple[str, ...]) -> None:
    """Play agents against a fleet with the product's own policies, on virtual time."""
    name = "kubectl wattline simulate"
    if not from_cluster:
        asked.main(list(options), prog_name=name)
    file = () if cluster.kubeconfig is None else ("--kubeconfig", str(cluster.kubeconfig))
    context = () if cluster.context is None else ("--context", cluster.context)
    asked.main(["--from-cluster", *file, *context, *options], prog_name=name)
