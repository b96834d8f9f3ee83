"""``wattline gateway``: the OpenAI-compatible door that agents call."""

import asyncio
import contextlib
import logging
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import click

from wattline.cli.options import address, files_option, speed_option, state_option
from wattline.doors.clock import BootClock
from wattline.doors.kube.access import in_cluster
from wattline.doors.listen import listener
from wattline.gateway.files import FilesSource
from wattline.gateway.kube import watching
from wattline.gateway.main import run
from wattline.gateway.settings import Settings
from wattline.gateway.source import Source
from wattline.gateway.turnlog import TurnLog
from wattline.model.errors import ManifestError, WattlineError
from wattline.policy.route import Mode

DEFAULTS = Settings()

LEAST_POLL_WALL_SECONDS = 0.2
"""At high speeds engines and agents are not read more often than this, to leave the machine to them."""


@click.command()
@files_option()
@click.option(
    "--cluster",
    is_flag=True,
    help="Instead of manifests: serve the InferencePools of the cluster this pod runs in.",
)
@state_option
@speed_option
@click.option(
    "--listen",
    default="127.0.0.1:8080",
    show_default=True,
    help="HOST:PORT to serve on; port 0 takes a free one.",
)
@click.option(
    "--routing",
    type=click.Choice([mode.value for mode in Mode]),
    default=Mode.WATTLINE.value,
    show_default=True,
    help="How the replica of a turn is chosen.",
)
@click.option(
    "--admission",
    type=click.Choice(["on", "off"]),
    default="on",
    show_default=True,
    help="Whether first turns wait for KV memory.",
)
@click.option(
    "--first-turn-wait",
    default=DEFAULTS.first_turn_wait_seconds,
    show_default=True,
    type=click.FloatRange(min=0),
    help="Seconds a first turn is held before it is refused.",
)
@click.option(
    "--turn-wait",
    default=DEFAULTS.turn_wait_seconds,
    show_default=True,
    type=click.FloatRange(min=0),
    help="Seconds a turn of an admitted session may wait for memory.",
)
@click.option(
    "--session-idle",
    default=DEFAULTS.idle_seconds,
    show_default=True,
    type=click.FloatRange(min=1),
    help="Seconds of silence after which a session's memory is given to others.",
)
@click.option(
    "--adopting",
    default=DEFAULTS.adopting_seconds,
    show_default=True,
    type=click.FloatRange(min=0),
    help="Seconds after the start in which running sessions are let in unasked.",
)
@click.option(
    "--drain",
    default=DEFAULTS.drain_seconds,
    show_default=True,
    type=click.FloatRange(min=0),
    help="Seconds to finish running turns after SIGTERM.",
)
@click.option(
    "--record",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Append a line for every turn that ended (sizes and times, no text); `wattline simulate --trace` plays it.",
)
def gateway(
    files: tuple[Path, ...],
    cluster: bool,
    state: Path,
    speed: float,
    listen: str,
    record: Path | None,
    **flags: Any,
) -> None:
    """Serve OpenAI's API for the InferencePools of manifests (-f) or of the cluster (--cluster).

    Admits agents by the KV memory there is, keeps their turns where their context is, and says in a header what each
    run has cost. All times are in world seconds.
    """
    if bool(files) == cluster:
        raise click.UsageError("give either manifests (-f) or --cluster")
    logging.basicConfig(format="%(levelname).1s %(name)s: %(message)s", level=logging.INFO)
    settings = Settings(
        routing=Mode(flags["routing"]),
        admission=flags["admission"] == "on",
        first_turn_wait_seconds=flags["first_turn_wait"],
        turn_wait_seconds=flags["turn_wait"],
        idle_seconds=flags["session_idle"],
        adopting_seconds=flags["adopting"],
        drain_seconds=flags["drain"],
        poll_seconds=max(DEFAULTS.poll_seconds, LEAST_POLL_WALL_SECONDS * speed),
    )
    try:
        clock = BootClock(speed)
        opening: AbstractAsyncContextManager[Source]
        if cluster:
            opening = watching(in_cluster(), clock)
        else:
            source = FilesSource(files, state, clock, period_seconds=settings.poll_seconds)
            opening = contextlib.nullcontext(source)
        host, port = address(listen)
        with listener(host, port) as sock, _log(record) as turns:
            _with_fastest_loop(run(opening, settings, clock, sock, turns))
    except ManifestError as error:
        raise click.ClickException(f"the manifests have problems, nothing was started:\n{error}") from error
    except WattlineError as error:
        raise click.ClickException(str(error)) from error


@contextlib.contextmanager
def _log(path: Path | None) -> Iterator[TurnLog | None]:
    if path is None:
        yield None
        return
    turns = TurnLog(path)
    try:
        yield turns
    finally:
        turns.close()


def _with_fastest_loop(main: Any) -> None:
    """Run on uvloop where it is installed."""
    try:
        import uvloop  # noqa: PLC0415 - an optional part
    except ImportError:
        asyncio.run(main)
    else:
        uvloop.run(main)
