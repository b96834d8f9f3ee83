"""``wattline fake-node``: the simulated GPUs and engines of one node, behind real interfaces."""

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click
from aiohttp import web

from wattline.cli.options import address, files_option, speed_option, state_option
from wattline.doors import manifests
from wattline.doors.clock import BootClock
from wattline.doors.listen import listener
from wattline.fake.build import NodeError, Place, bare, build, uuids
from wattline.fake.control import Control
from wattline.fake.engines import Engines
from wattline.fake.host import EngineHost
from wattline.fake.node import TICK_WALL_SECONDS, NodeWorld
from wattline.fake.nvml import library
from wattline.fake.nvml.bank import GpuBank
from wattline.fake.record import RecordWriter
from wattline.fake.serve import CHUNK_WALL_SECONDS, EngineServer
from wattline.model.errors import WattlineError
from wattline.world.gpu import Gpu


@dataclass(frozen=True, slots=True)
class Machine:
    """What the options ask for."""

    node: str
    state: Path
    speed: float
    chunk_wall_seconds: float


@click.command()
@click.argument("node")
@files_option(of=" whose endpoints on NODE are run")
@click.option(
    "--gpus",
    "count",
    type=click.IntRange(1, 16),
    help="Instead of manifests: this many GPUs, on which `wattline fake-engine` starts engines.",
)
@click.option(
    "--listen",
    default="0.0.0.0:9900",
    show_default=True,
    help="HOST:PORT for engines to come and go, with --gpus.",
)
@click.option("--list-gpus", is_flag=True, help="Print the UUIDs of --gpus, one a line, and do nothing else.")
@state_option
@click.option("--product", default="h100", show_default=True, help="GPU product: h100, h100-nvl, h200, a100.")
@speed_option
@click.option("--seed", default=0, show_default=True, help="Seed of what differs from GPU to GPU.")
@click.option(
    "--library-dir",
    type=click.Path(path_type=Path),
    help="Put the fake libnvidia-ml.so.1 into this folder first.",
)
@click.option(
    "--library",
    "built",
    type=click.Path(path_type=Path),
    envvar="WATTLINE_FAKE_LIBRARY",
    help="The library where it was compiled before; compiled now when unset.",
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
    count: int | None,
    listen: str,
    list_gpus: bool,
    state: Path,
    product: str,
    speed: float,
    seed: int,
    library_dir: Path | None,
    built: Path | None,
    chunk_ms: float,
) -> None:
    """Run the simulated GPUs and engines of NODE: engines at the URLs of its endpoints, GPUs behind NVML.

    With --gpus there are no engines at first: pods that run `wattline fake-engine` start theirs and end them. Programs
    see the GPUs with LD_LIBRARY_PATH=DIR of --library-dir and WATTLINE_FAKE_NVML=STATE/fake/NODE.gpus.
    """
    if bool(files) == (count is not None):
        raise click.UsageError("give either manifests (-f) or --gpus N")
    if list_gpus:
        if count is None:
            raise click.UsageError("--list-gpus needs --gpus N")
        click.echo("\n".join(uuids(node, count, seed=seed)))
        return
    clock = BootClock(speed)
    machine = Machine(node, state, speed, chunk_ms / 1000)
    try:
        if library_dir is not None:
            library.install(library_dir, built)
        if count is None:
            gpus, places = build(manifests.load(files), node, product, seed=seed, at_seconds=clock.now())
            _run_declared(machine, gpus, places, clock)
        else:
            _run_bare(machine, bare(node, count, product, seed=seed, at_seconds=clock.now()), listen, clock)
    except (WattlineError, NodeError, library.BuildError) as error:
        raise click.ClickException(str(error)) from error


def _run_declared(machine: Machine, gpus: Sequence[Gpu], places: Sequence[Place], clock: BootClock) -> None:
    """Run the engines that the manifests name, each at its own address."""
    with contextlib.ExitStack() as stack:
        listeners = [stack.enter_context(_listening(place)) for place in places]
        world = _world(machine, gpus, [place.host for place in places], clock, stack)
        servers = [
            (EngineServer(place.host, world, chunk_wall_seconds=machine.chunk_wall_seconds).app(), listener)
            for place, listener in zip(places, listeners, strict=True)
        ]
        engines = f"{len(places)} {'engine' if len(places) == 1 else 'engines'}"
        asyncio.run(_serve(world, servers, f"{machine.node}: {engines} ready"))


def _run_bare(machine: Machine, gpus: Sequence[Gpu], listen: str, clock: BootClock) -> None:
    """Run GPUs whose engines come and go."""
    with contextlib.ExitStack() as stack:
        sock = stack.enter_context(listener(*address(listen)))
        world = _world(machine, gpus, [], clock, stack)
        control = Control(world, Engines(world, gpus), gpus, chunk_wall_seconds=machine.chunk_wall_seconds)
        asyncio.run(_serve(world, [(control.app(), sock)], f"{machine.node}: {len(gpus)} GPUs ready"))


def _world(
    machine: Machine,
    gpus: Sequence[Gpu],
    hosts: Sequence[EngineHost],
    clock: BootClock,
    stack: contextlib.ExitStack,
) -> NodeWorld:
    """Switch the node on: its file of GPUs, its record and its world."""
    folder = machine.state / "fake"
    folder.mkdir(parents=True, exist_ok=True)
    record = stack.enter_context(contextlib.closing(RecordWriter(folder / f"{machine.node}.record")))
    bank = GpuBank.create(folder / f"{machine.node}.gpus", gpus)
    return NodeWorld(gpus, hosts, bank, clock, record, tick_seconds=TICK_WALL_SECONDS * machine.speed)


def _listening(place: Place) -> socket.socket:
    """Return the engine's socket; taken before anything is written, so that a port in use changes nothing."""
    try:
        return socket.create_server((place.address, place.port))
    except OSError as error:
        raise click.ClickException(
            f"engine {place.host.name} cannot listen on {place.address}:{place.port}: {os.strerror(error.errno or 0)}"
        ) from error


async def _serve(world: NodeWorld, servers: list[tuple[web.Application, socket.socket]], ready: str) -> None:
    """Move the world and serve until a signal comes."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    runners: list[web.AppRunner] = []
    moving = asyncio.create_task(world.run())
    try:
        for app, sock in servers:
            runner = web.AppRunner(app, handler_cancellation=True, access_log=None, shutdown_timeout=0.2)
            runners.append(runner)
            await runner.setup()
            await web.SockSite(runner, sock).start()
        click.echo(ready)
        stopped = asyncio.create_task(stop.wait())
        await asyncio.wait([moving, stopped], return_when=asyncio.FIRST_COMPLETED)
        if moving.done():
            moving.result()
    finally:
        moving.cancel()
        for runner in runners:
            await runner.cleanup()
