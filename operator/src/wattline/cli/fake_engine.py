"""``wattline fake-engine``: a model server's pod without a GPU, whose engine runs in its node's world."""

import asyncio
import contextlib
import logging
import signal
import socket

import aiohttp
import click
from aiohttp import web

from wattline.cli.options import address
from wattline.doors.clock import BootClock
from wattline.doors.listen import listener
from wattline.fake.control import EngineWanted
from wattline.fake.pod import EngineImpossibleError, EnginePlace, EnginePod
from wattline.model.errors import WattlineError


@click.command()
@click.option(
    "--world",
    required=True,
    envvar="WATTLINE_FAKE_WORLD",
    help="Where `wattline fake-node --listen` of this node serves, e.g. http://10.0.0.7:9900.",
)
@click.option("--model", required=True, help="Model that is served, as `wattline simulate` names it.")
@click.option(
    "--gpus",
    required=True,
    envvar="NVIDIA_VISIBLE_DEVICES",
    help="UUIDs of its GPUs, separated by commas, as a device plugin gives them.",
)
@click.option(
    "--name", default=None, envvar="POD_NAME", help="Name of the engine; the host's name when unset."
)
@click.option("--listen", default="0.0.0.0:8000", show_default=True, help="HOST:PORT of the OpenAI server.")
@click.option(
    "--loading",
    "loading_seconds",
    default=None,
    type=click.FloatRange(min=0),
    help="World seconds until it answers; by default what its weights need, 60 to 300.",
)
def fake_engine(
    world: str, model: str, gpus: str, name: str | None, listen: str, loading_seconds: float | None
) -> None:
    """Serve MODEL on the simulated GPUs that this pod was given, for as long as it runs.

    The engine runs in the world of the node and ends with this process. Until it is loaded everything answers 503.
    """
    logging.basicConfig(format="%(levelname).1s %(name)s: %(message)s", level=logging.INFO)
    uuids = tuple(uuid.strip() for uuid in gpus.split(",") if uuid.strip())
    if not uuids or any(not uuid.startswith("GPU-") for uuid in uuids):
        raise click.ClickException(
            f"NVIDIA_VISIBLE_DEVICES is {gpus!r}: no UUIDs of GPUs; does the pod ask for nvidia.com/gpu?"
        )
    wanted = EngineWanted(
        name=name or socket.gethostname(), model=model, gpus=uuids, loading_seconds=loading_seconds
    )
    try:
        host, port = address(listen)
        with listener(host, port) as sock:
            asyncio.run(_serve(EnginePlace(world, wanted), sock))
    except (WattlineError, EngineImpossibleError) as error:
        raise click.ClickException(str(error)) from error


async def _serve(place: EnginePlace, sock: socket.socket) -> None:
    """Hold the engine and pass calls on until a signal comes."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    limit = aiohttp.ClientTimeout(total=None, sock_connect=5.0)
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, timeout=limit, auto_decompress=False) as http:
        pod = EnginePod(place, http, BootClock())
        runner = web.AppRunner(pod.app(), handler_cancellation=True, access_log=None, shutdown_timeout=0.2)
        await runner.setup()
        holding = asyncio.create_task(pod.hold())
        stopped = asyncio.create_task(stop.wait())
        try:
            await web.SockSite(runner, sock).start()
            await asyncio.wait([holding, stopped], return_when=asyncio.FIRST_COMPLETED)
            if holding.done():
                holding.result()
        finally:
            stopped.cancel()
            holding.cancel()
            with contextlib.suppress(asyncio.CancelledError, EngineImpossibleError):
                await holding
            await runner.cleanup()
