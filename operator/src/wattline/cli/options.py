"""Options that several commands share."""

from pathlib import Path

import click

files_option = click.option(
    "-f",
    "--file",
    "files",
    multiple=True,
    required=True,
    type=click.Path(path_type=Path),
    help="Manifest or folder of manifests; may be given more than once.",
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
