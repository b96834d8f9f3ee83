"""``wattline emergency``: begin, or end, an emergency level at node agents, without anybody in between."""

import asyncio
import functools
from pathlib import Path

import aiohttp
import click

from wattline.cli.emergencies import Outcome, Talk, not_armed, signalled
from wattline.cli.options import state_option
from wattline.doors import emergency as door
from wattline.doors.clock import BootClock
from wattline.doors.overview import overview
from wattline.model.errors import WattlineError
from wattline.model.wire import EmergencySignal


@click.command()
@click.argument("level")
@click.option(
    "--end", is_flag=True, help="End it before its time; only while somebody renews the nodes' orders."
)
@state_option
@click.option(
    "--url",
    "urls",
    multiple=True,
    metavar="URL",
    help="A node agent's address, instead of the state folder's file; may be given more than once.",
)
@click.option(
    "--token-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The agents' token; needed with --url.",
)
@click.option(
    "--timeout",
    "timeout_seconds",
    default=10.0,
    show_default=True,
    help="Seconds to wait until it is in force.",
)
def emergency(
    level: str, end: bool, state: Path, urls: tuple[str, ...], token_file: Path | None, timeout_seconds: float
) -> None:
    """Lower every node that has LEVEL armed to what is left in that emergency; LEVEL is the name of its PowerDomain.

    On a box this writes the file that its agents look at, as root or as the agents' user. With --url it speaks to agents
    anywhere; neither an API server nor the reconcile loop takes part. It ends by the domain's durationSeconds; the same
    command again extends it. Exits with 1 if it is not in force everywhere within the timeout.
    """
    if bool(urls) != (token_file is not None):
        raise click.UsageError("--url and --token-file go together")
    signal = EmergencySignal(level=level, action="end" if end else "start")
    token = "" if token_file is None else token_file.read_text().strip()
    try:
        outcomes = asyncio.run(
            _over_http(urls, token, signal, timeout_seconds)
            if urls
            else _on_box(state, signal, timeout_seconds)
        )
    except WattlineError as error:
        raise click.ClickException(str(error)) from error
    show(outcomes)


def show(outcomes: tuple[Outcome, ...]) -> None:
    """Print a line for each agent; raise `click.ClickException` if a signal is not in force everywhere."""
    for outcome in outcomes:
        click.echo(f"{outcome.name}: {outcome.said}", err=not outcome.done)
    missing = sum(not outcome.done for outcome in outcomes)
    if missing:
        raise click.ClickException(f"not in force at {missing} of {len(outcomes)} nodes")


async def _over_http(
    urls: tuple[str, ...], token: str, signal: EmergencySignal, timeout_seconds: float
) -> tuple[Outcome, ...]:
    async with aiohttp.ClientSession() as session:
        agents = {
            url: Talk(
                functools.partial(door.send, session, url, token),
                functools.partial(door.levels, session, url),
            )
            for url in urls
        }
        return await signalled(agents, signal, BootClock(), timeout_seconds)


async def _on_box(state: Path, signal: EmergencySignal, timeout_seconds: float) -> tuple[Outcome, ...]:
    seen = overview(state)
    armed = {
        node.name: node.answer.address
        for node in seen.nodes
        if node.order is not None
        and node.answer is not None
        and any(each.level == signal.level for each in node.order.spec.emergency)
    }
    if not armed:
        orders = [node.order.spec for node in seen.nodes if node.order]
        raise click.UsageError(not_armed(f" of {state}", signal.level, orders))
    door.write(state / "emergency", signal)

    async def told(_: EmergencySignal) -> None:
        """The file has told it."""

    async with aiohttp.ClientSession() as session:
        agents = {
            name: Talk(told, functools.partial(door.levels, session, address))
            for name, address in armed.items()
        }
        return await signalled(agents, signal, BootClock(), timeout_seconds)
