"""Groups whose commands are imported only when they are called, so that each needs no more than its own extra."""

import importlib
from collections.abc import Mapping
from typing import Any

import click


class LazyGroup(click.Group):
    """Loads a command's module when it is asked for.

    ``summaries`` holds command and summary in the order of the table; ``package`` has a module for each, with a click
    command of its name; ``install`` is the pip requirement with the extras that all of them need together.
    """

    def __init__(self, *, summaries: Mapping[str, str], package: str, install: str, **attrs: Any) -> None:
        super().__init__(**attrs)
        self._summaries = summaries
        self._package = package
        self._install = install

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the commands in the table's order."""
        return list(self._summaries)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Return the command, or none if there is no such."""
        if cmd_name not in self._summaries:
            return None
        name = cmd_name.replace("-", "_")
        try:
            command: click.Command = getattr(importlib.import_module(f"{self._package}.{name}"), name)
        except ModuleNotFoundError as error:
            if error.name and error.name.startswith("wattline"):
                raise
            raise click.ClickException(
                f"`{self.name} {cmd_name}` needs the Python package {error.name}: pip install '{self._install}'"
            ) from error
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write the table without importing anything."""
        with formatter.section("Commands"):
            formatter.write_dl(list(self._summaries.items()))
