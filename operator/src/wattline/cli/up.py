"""``wattline up``: the reconcile loop on a folder of manifests."""

import asyncio
import logging
from pathlib import Path

import click

from wattline.cli.options import address, speed_option, state_option
from wattline.controller import main
from wattline.model.errors import ManifestError, WattlineError


@click.command()
@click.argument("folder", nargs=-1, required=True, type=click.Path(path_type=Path))
@state_option
@speed_option
@click.option("--listen", default=None, help="HOST:PORT for /metrics and /healthz; none when unset.")
def up(folder: tuple[Path, ...], state: Path, speed: float, listen: str | None) -> None:
    """Keep the power domains of FOLDER inside their budgets until stopped.

    Reads the manifests in FOLDER, watches them, shares each domain's watts among its nodes, and orders the node
    agents through the state folder. Nothing is put back when it stops: agents hold their last order until its
    lease ends (60 s), then their failsafe watts. `wattline restore` puts the GPUs back.
    """
    logging.basicConfig(format="%(levelname).1s %(name)s: %(message)s", level=logging.INFO)
    try:
        asyncio.run(main.up(folder, state, speed=speed, listen=None if listen is None else address(listen)))
    except ManifestError as error:
        raise click.ClickException(f"the manifests have problems, nothing was started:\n{error}") from error
    except WattlineError as error:
        raise click.ClickException(str(error)) from error
