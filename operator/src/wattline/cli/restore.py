"""``wattline restore``: put every GPU back to what it was before Wattline."""

import asyncio
from pathlib import Path

import click

from wattline.cli.options import speed_option, state_option
from wattline.controller.restore import restore as put_back
from wattline.doors import state as folder
from wattline.doors.clock import BootClock, utc
from wattline.model.errors import WattlineError


@click.command()
@state_option
@speed_option
@click.option("--timeout", "timeout_seconds", default=120.0, show_default=True, help="World seconds to wait.")
def restore(state: Path, speed: float, timeout_seconds: float) -> None:
    """Put every GPU back to its limits and clocks before Wattline, and name the nodes that did not answer.

    Stop `wattline up` first. Exits with 1 if a node did not answer; its agent still does it when it comes back.
    """
    if not state.is_dir():
        raise click.ClickException(f"there is no state folder {state}")
    try:
        with folder.locked(state):
            left = asyncio.run(
                put_back(state, BootClock(speed), timeout_seconds=timeout_seconds, at=utc(), say=click.echo)
            )
    except WattlineError as error:
        raise click.ClickException(str(error)) from error
    if left:
        raise click.ClickException(f"did not answer within {timeout_seconds:g} s: {', '.join(left)}")
