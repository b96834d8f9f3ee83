"""``wattline record``: what a live gateway's agents do, as a trace to simulate."""

import asyncio
import contextlib
import json
from collections.abc import Iterable
from pathlib import Path

import aiohttp
import click

from wattline.doors import turns
from wattline.doors.clock import BootClock, Clock
from wattline.model.errors import ClusterError, WattlineError
from wattline.model.wire import TurnRecord


@click.command()
@click.argument("url")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "--for",
    "seconds",
    type=click.FloatRange(min=0),
    help="Stop after so many seconds; 0 takes what the gateway remembers. [default: until interrupted]",
)
@click.option(
    "--every",
    "period_seconds",
    type=click.FloatRange(min=0.1),
    default=5.0,
    show_default=True,
    help="Seconds between two questions.",
)
def record(url: str, file: Path, seconds: float | None, period_seconds: float) -> None:
    """Append the turns of the gateway at URL to FILE: sizes, times and which beginnings were equal, and no text.

    Begins with the turns that the gateway remembers (the last 20,000). A FILE that is there is gone on with. Play it
    with `wattline simulate --trace FILE`.
    """
    try:
        taken = asyncio.run(_recorded(url, file, seconds, period_seconds, BootClock()))
    except KeyboardInterrupt:
        click.echo(f"stopped; the turns until now are in {file}")
        return
    except WattlineError as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{taken} turns more in {file}")


async def fetched(url: str, file: Path) -> int:
    """Append what a gateway remembers to a file; return how many turns that were."""
    return await _recorded(url, file, 0.0, 1.0, BootClock())


async def _recorded(url: str, file: Path, seconds: float | None, period_seconds: float, clock: Clock) -> int:
    life, since = _last(file)
    until = None if seconds is None else clock.now() + seconds
    taken = 0
    reached = False
    async with aiohttp.ClientSession() as session:
        while True:
            try:
                view = await turns.read(session, url, since)
            except ClusterError as error:
                if not reached:
                    raise
                click.echo(f"{error}; asking on", err=True)
            else:
                reached = True
                if view.gateway != life:  # it started anew, and so do its numbers
                    if life:
                        click.echo("another gateway, or started anew: its turns are recorded on", err=True)
                    life, since = view.gateway, 0
                    continue
                if 0 < since < view.first:
                    click.echo(
                        f"{view.first - since} turns were forgotten before they were read; use a smaller --every",
                        err=True,
                    )
                _append(file, view.turns)
                taken += len(view.turns)
                since = view.following
                if view.turns:
                    continue
            if until is not None and clock.now() >= until:
                return taken
            wake = clock.now() + period_seconds
            await clock.sleep_until(wake if until is None else min(wake, until))


def _append(file: Path, records: Iterable[TurnRecord]) -> None:
    text = "".join(each.model_dump_json(by_alias=True, exclude_none=True) + "\n" for each in records)
    try:
        with file.open("a", encoding="utf-8") as out:
            out.write(text)
    except OSError as error:
        raise ClusterError(f"cannot write {file}: {error.strerror}") from error


def _last(file: Path) -> tuple[str, int]:
    """Return the gateway's life of a file's last turn, and the number after it."""
    if not file.exists():
        return "", 0
    text = ""
    with contextlib.suppress(OSError), file.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            text = line if line.strip() else text
    try:
        value = json.loads(text) if text else {}
        return (str(value["gateway"]), int(value["turn"]) + 1) if text else ("", 0)
    except (ValueError, KeyError, TypeError) as error:
        raise ClusterError(
            f"{file}: its last line is no turn of a gateway; choose another file, or take that line out"
        ) from error
