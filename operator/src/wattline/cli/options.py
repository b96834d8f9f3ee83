"""Options that several commands share."""

from collections.abc import Callable
from math import isfinite
from pathlib import Path
from typing import TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., object] | click.Command)


class Finite(click.FloatRange):
    """A number within bounds that is neither infinite nor none."""

    def convert(self, value: float, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the number; refuse what only `float` takes for one."""
        number: float = super().convert(value, param, ctx)
        if not isfinite(number):
            self.fail(f"expected a finite number, not {value}", param, ctx)
        return number


def files_option(*, of: str = "", required: bool = False) -> Callable[[Command], Command]:
    """Return ``-f``, which names the manifests; ``of`` says which of them count."""
    return click.option(
        "-f",
        "--file",
        "files",
        multiple=True,
        required=required,
        type=click.Path(path_type=Path),
        help=f"Manifest or folder of manifests{of}; may be given more than once.",
    )


state_option = click.option(
    "--state",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(".wattline"),
    show_default=True,
    envvar="WATTLINE_STATE",
    help="Folder in which the parts of one box find each other.",
)

speed_option = click.option(
    "--speed",
    type=click.FloatRange(min=0, min_open=True),
    default=1.0,
    show_default=True,
    envvar="WATTLINE_SPEED",
    help="World seconds to a second; the same for every process of a box.",
)


def address(listen: str) -> tuple[str, int]:
    """Return host and port of ``HOST:PORT``."""
    host, _, port = listen.rpartition(":")
    if not host or not port.isdigit() or int(port) > 65535:
        raise click.BadParameter(f"{listen!r} is not HOST:PORT, e.g. 127.0.0.1:9800", param_hint="--listen")
    return host.strip("[]"), int(port)
