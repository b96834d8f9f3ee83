"""``wattline fake-node``: the simulated GPUs and engines of one node, behind real interfaces."""

import asyncio
import contextlib
import os
import signal
import socket
from pathlib import Path

import click
from aiohttp import web

from wattline.cli.options import files_option, speed_option, state_option
from wattline.doors import manifests
from wattline.doors.clock import BootClock
from wattline.fake.build import NodeError, Place, build
from wattline.fake.node import TICK_WALL_SECONDS, NodeWorld
from wattline.fake.nvml import library
from wattline.fake.nvml.bank import GpuBank
from wattline.fake.record import RecordWriter
from wattline.fake.serve import CHUNK_WALL_SECONDS, EngineServer
from wattline.model.errors import ManifestError


@click.command()
@click.argument("node")
@files_option
@state_option
@click.option("--product", default="h100", show_default=True, help="GPU product: h100, h100-nvl, h200, a100.")
@speed_option
@click.option("--seed", default=0, show_default=True, help="Seed of what differs from GPU to GPU.")
@click.option(
    "--library-dir",
    type=click.Path(path_type=Path),
    help="Compile the fake libnvidia-ml.so.1 into this folder first.",
)
@click.option(
    "--chunk-ms",
    default=CHUNK_WALL_SECONDS * 1000,
    show_default=True,
    type=click.FloatRange(min=1),
    help="Least wall time between two parts of a streamed answer.",
)
def fake_node(
    node: str,
    files: tuple[Path, ...],
    state: Path,
    product: str,
    speed: float,
    seed: int,
    library_dir: Path | None,
    chunk_ms: float,
) -> None:
    """Run the simulated GPUs and engines of NODE: engines at the URLs of its endpoints, GPUs behind NVML.

    Programs see the GPUs with LD_LIBRARY_PATH=DIR of --library-dir and WATTLINE_FAKE_NVML=STATE/fake/NODE.gpus.
    """
    clock = BootClock(speed)
    try:
        if library_dir is not None:
            library.build(library_dir)
        gpus, places = build(manifests.load(files), node, product, seed=seed, at_seconds=clock.now())
    except (ManifestError, NodeError, library.BuildError) as error:
        raise click.ClickException(str(error)) from error
    with contextlib.ExitStack() as stack:
        listeners = [stack.enter_context(_listening(place)) for place in places]
        (state / "fake").mkdir(parents=True, exist_ok=True)
        record = stack.enter_context(contextlib.closing(RecordWriter(state / "fake" / f"{node}.record")))
        bank = GpuBank.create(state / "fake" / f"{node}.gpus", gpus)
        world = NodeWorld(
            gpus,
            [place.host for place in places],
            bank,
            clock,
            record,
            tick_seconds=TICK_WALL_SECONDS * speed,
        )
        servers = [
            (EngineServer(place.host, world, chunk_wall_seconds=chunk_ms / 1000).app(), listener)
            for place, listener in zip(places, listeners, strict=True)
        ]
        asyncio.run(
            _serve(
                world, servers, f"{node}: {len(places)} {'engine' if len(places) == 1 else 'engines'} ready"
            )
        )


def _listening(place: Place) -> socket.socket:
    """Return the engine's socket; taken before anything is written, so that a port in use changes nothing."""
    try:
        return socket.create_server((place.address, place.port))
    except OSError as error:
        raise click.ClickException(
            f"engine {place.host.name} cannot listen on {place.address}:{place.port}: {os.strerror(error.errno or 0)}"
        ) from error


async def _serve(world: NodeWorld, servers: list[tuple[web.Application, socket.socket]], ready: str) -> None:
    """Move the world and serve every engine until a signal comes."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    runners: list[web.AppRunner] = []
    moving = asyncio.create_task(world.run())
    try:
        for app, listener in servers:
            runner = web.AppRunner(app, handler_cancellation=True, access_log=None, shutdown_timeout=0.2)
            runners.append(runner)
            await runner.setup()
            await web.SockSite(runner, listener).start()
        click.echo(ready)
        stopped = asyncio.create_task(stop.wait())
        await asyncio.wait([moving, stopped], return_when=asyncio.FIRST_COMPLETED)
        if moving.done():
            moving.result()
    finally:
        moving.cancel()
        for runner in runners:
            await runner.cleanup()
