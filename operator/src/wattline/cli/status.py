"""``wattline status``: what the reconcile loop and the agents say, as tables."""

from pathlib import Path

import click
from rich.console import Console

from wattline.cli.options import state_option
from wattline.cli.tables import Seen, show
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
    console = Console()
    try:
        seen = overview(state)
    except WattlineError as error:
        raise click.ClickException(str(error)) from error
    if seen.holder_pid is None:
        console.print(
            "Nobody balances here: `wattline up` is not running, the figures are from its last pass."
        )
    show(Seen(seen.domains, seen.nodes, seen.pools), console)
