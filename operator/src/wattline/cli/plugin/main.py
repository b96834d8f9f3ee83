"""``kubectl-wattline``: what kubectl runs for ``kubectl wattline``; the table of its commands."""

import click

from wattline.cli.lazy import LazyGroup

COMMANDS = {
    "top": "Show domains, nodes and pools: may draw, draw, headroom, temperature.",
    "why": "Say why an object is as it is: the last decisions about it, and their reasons.",
    "simulate": "Answer what-if: play agents against manifests, or against the cluster as it stands.",
    "ungate": "Let pods go that wait for Wattline to choose their nodes.",
    "emergency": "Begin the emergency of a domain at its nodes' agents.",
    "restore": "Put every GPU of the cluster back to what it was before Wattline.",
}
"""Command and summary; ``wattline.cli.plugin.<command>`` holds a click command of the same name."""


@click.group(
    cls=LazyGroup,
    name="kubectl wattline",
    summaries=COMMANDS,
    package="wattline.cli.plugin",
    install="wattline[kube,sim]",
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(package_name="wattline", prog_name="kubectl-wattline")
def main() -> None:
    """Fleets of LLM agents inside the power and cooling a cluster has."""
