"""``kubectl-wattline``: what kubectl runs for ``kubectl wattline``; the table of its commands."""

import importlib

import click

COMMANDS = {
    "top": "Show domains, nodes and pools: may draw, draw, headroom, temperature.",
    "why": "Say why an object is as it is: the last decisions about it, and their reasons.",
    "simulate": "Answer what-if: play agents against manifests, or against the cluster as it stands.",
    "ungate": "Let pods go that wait for Wattline to choose their nodes.",
    "restore": "Put every GPU of the cluster back to what it was before Wattline.",
}
"""Command and summary; ``wattline.cli.plugin.<command>`` holds a click command of the same name."""


class Table(click.Group):
    """Loads a command's module when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the commands in the table's order."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Return the command, or none if there is no such."""
        if cmd_name not in COMMANDS:
            return None
        try:
            command: click.Command = getattr(
                importlib.import_module(f"wattline.cli.plugin.{cmd_name}"), cmd_name
            )
        except ModuleNotFoundError as error:
            if error.name and error.name.startswith("wattline"):
                raise
            raise click.ClickException(
                f"`kubectl wattline {cmd_name}` needs the Python package {error.name}: pip install 'wattline[kube,sim]'"
            ) from error
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write the table without importing anything."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=Table, name="kubectl wattline", context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="wattline", prog_name="kubectl-wattline")
def main() -> None:
    """Fleets of LLM agents inside the power and cooling a cluster has."""
