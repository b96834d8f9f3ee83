"""``wattline``: the table of commands.

A command's module is imported only when it is called, so that each needs no more than its own extra.
"""

import importlib

import click

COMMANDS = {
    "crds": "Write the custom resource definitions, or check that they are up to date.",
    "up": "Keep power domains inside their budgets: the reconcile loop on a folder of manifests.",
    "operator": "Keep power domains of a Kubernetes cluster inside their budgets.",
    "status": "Show domains, nodes and pools of a state folder.",
    "restore": "Put every GPU back to what it was before Wattline.",
    "wait-ready": "Wait until a node's agent says that new work may start; init containers call it.",
    "gateway": "Serve the OpenAI-compatible API that agents call: admit, route, attribute.",
    "run-workflow": "Run the steps of a workflow; the operator starts this as a Job.",
    "fake-node": "Run the simulated GPUs and engines of one node, behind NVML and HTTP.",
    "fake-engine": "Serve a model from a pod without a GPU: an engine in the world of its node.",
    "simulate": "Answer what-if: play agents against a fleet on virtual time.",
    "demo": "Agents, gateway, node agents and simulated GPUs on this machine, three ways of running them.",
}
"""Command and summary; ``wattline.cli.<command>`` holds a click command of the same name."""


class Table(click.Group):
    """Loads a command's module when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the commands in the table's order."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Return the command, or none if there is no such."""
        if cmd_name not in COMMANDS:
            return None
        name = cmd_name.replace("-", "_")
        try:
            command: click.Command = getattr(importlib.import_module(f"wattline.cli.{name}"), name)
        except ModuleNotFoundError as error:
            if error.name and error.name.startswith("wattline"):
                raise
            raise click.ClickException(
                f"`wattline {cmd_name}` needs the Python package {error.name}: "
                f"pip install 'wattline[operator,gateway,fake,sim]'"
            ) from error
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write the table without importing anything."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=Table, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="wattline")
def main() -> None:
    """Fleets of LLM agents inside the power and cooling there is."""
