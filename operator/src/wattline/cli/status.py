"""``wattline status``: what the reconcile loop and the agents say, as tables."""

from pathlib import Path

import click

from wattline.cli.options import state_option
from wattline.cli.tables import Seen, console, show
from wattline.doors.overview import overview
from wattline.model.errors import WattlineError


@click.command()
@state_option
def status(state: Path) -> None:
    """Show domains, nodes and pools: what they may draw, what they draw, and why."""
    if not state.is_dir():
        raise click.ClickException(
            f"there is no state folder {state}; start `wattline up FOLDER --state {state}`"
        )
    out = console()
    try:
        seen = overview(state)
    except WattlineError as error:
        raise click.ClickException(str(error)) from error
    if seen.holder_pid is None:
        out.print("Nobody balances here: `wattline up` is not running, the figures are from its last pass.")
    show(Seen(seen.domains, seen.nodes, seen.pools), out)
